//! A cluster whose database is put back to an earlier state, in real servers.

#![allow(clippy::unwrap_used)]

use domain::invariants::Invariant;
use storage::{Directory, Incarnations, Journal, NodeRecord, postgres::PostgresStore};

use super::*;
use crate::{
    audit::{
        audit_cluster,
        tests::{pen::TOPOLOGY, servers::Servers, told},
    },
    cluster::restored,
};

/// What the check at the start of a node says.
async fn start(servers: &Servers) -> Result<()> {
    let store = servers.postgres().await;
    let log = servers.log(&store).await;
    restored::check(
        &servers.config,
        &servers.kafka(),
        &store,
        &store.incarnations(),
        &*log,
    )
    .await
}

async fn recover(servers: &Servers) -> Plan {
    let (recovery, plan) = prepare(&servers.config).await.unwrap();
    carry_out(&servers.config, recovery, &plan).await.unwrap();
    plan
}

async fn epochs(store: &PostgresStore) -> Vec<u64> {
    let shards: Vec<_> = TOPOLOGY.journals().collect();
    let heads = store.heads(&shards).await.unwrap();
    heads.into_iter().map(|(_, head)| head.epoch).collect()
}

fn current(incarnations: &Incarnations) -> Vec<String> {
    let shards = TOPOLOGY.journals();
    shards
        .map(|shard| incarnations.current(shard).to_owned())
        .collect()
}

#[actix_rt::test]
async fn after_a_restore_a_cluster_goes_on_and_gives_out_no_name_twice() {
    let servers = Servers::new().await;
    servers.make_topics().await;
    let mut shop = servers.shop(10).await;
    shop.sell(1).await;
    let kept = shop.memory();
    servers.back_up("backup").await;
    // Lost, the second one with what it was published as.
    let mut shop = servers.shop_again(kept.clone()).await;
    shop.sell(2).await;
    let lost = shop.place(1).await;
    servers.publish().await;
    start(&servers).await.unwrap();

    servers.restore("backup").await;
    let refused = start(&servers).await.unwrap_err().to_string();
    assert!(refused.contains("`stampede recover`"), "{refused}");
    let report = audit_cluster(&servers.config).await.unwrap().report;
    assert!(
        report.finding(Invariant::I8).violations > 0,
        "{:#?}",
        told(&report)
    );

    let before = epochs(&*servers.postgres().await).await;
    let plan = recover(&servers).await;
    // Two orders created and one confirmed, one reservation, one notification.
    assert_eq!(plan.lost.values().sum::<u64>(), 5, "{plan:?}");
    assert_eq!(plan.lost["order.created.v1"], 2);
    assert_eq!(plan.renewed, TOPOLOGY.journals().collect::<Vec<_>>());
    assert_eq!(plan.logged.len(), 3, "{plan:?}");
    assert_eq!(plan.links, []);
    assert!(
        plan.raised.iter().any(|(_, id)| *id == lost.get()),
        "{plan:?}"
    );
    let after = servers.postgres().await;
    for (before, after) in before.into_iter().zip(epochs(&after).await) {
        assert_eq!(after, before + 1);
    }
    assert_eq!(
        after
            .view()
            .await
            .unwrap()
            .owners
            .iter()
            .find(|it| it.owner.is_some()),
        None
    );
    start(&servers).await.unwrap();
    let audited = audit_cluster(&servers.config).await.unwrap();
    assert_eq!(told(&audited.report), [""; 0]);
    assert_eq!(audited.lost.total, 5);
    assert!(
        audited
            .lost
            .examples
            .iter()
            .any(|event| event.aggregate_id == lost.get())
    );

    // Again: nothing is lost that was not known to be, and all that was noted stays.
    let again = recover(&servers).await;
    assert!(
        again.renewed.is_empty() && again.lost.is_empty(),
        "{again:?}"
    );
    assert_eq!(
        current(&servers.postgres().await.incarnations()),
        current(&after.incarnations())
    );

    // The same positions again, in another life.
    let mut shop = servers.shop_again(kept).await;
    shop.pass(Duration::from_secs(3_600));
    shop.sell(3).await;
    servers.publish().await;
    start(&servers).await.unwrap();
    let audited = audit_cluster(&servers.config).await.unwrap();
    assert_eq!(told(&audited.report), [""; 0]);
    assert_eq!((audited.report.orders, audited.lost.total), (2, 5));
    let last = recover(&servers).await;
    assert!(last.renewed.is_empty() && last.lost.is_empty(), "{last:?}");
    start(&servers).await.unwrap();

    // Back to where no life but the first is known of: what the second has published is lost as well.
    servers.restore("backup").await;
    let refused = start(&servers).await.unwrap_err().to_string();
    assert!(refused.contains("`stampede recover`"), "{refused}");
    let plan = recover(&servers).await;
    assert_eq!(plan.lost.values().sum::<u64>(), 9, "{plan:?}");
    start(&servers).await.unwrap();
    let audited = audit_cluster(&servers.config).await.unwrap();
    assert_eq!(told(&audited.report), [""; 0]);
    assert_eq!(audited.lost.total, 9);
    servers.clean().await;
}

#[actix_rt::test]
async fn what_others_have_applied_or_published_beyond_a_journal_is_put_back() {
    let servers = Servers::new().await;
    servers.make_topics().await;
    let mut shop = servers.shop(10).await;
    shop.sell(1).await;
    servers.publish().await;
    let whole = recover(&servers).await;
    assert!(whole.is_whole(), "{whole:?}");
    servers
        .run("UPDATE orders.link SET watermark = 1000 WHERE peer_domain = 3")
        .await;
    servers
        .run("INSERT INTO products.published VALUES (0, 1000, 1)")
        .await;
    assert!(start(&servers).await.is_err());
    let plan = recover(&servers).await;
    let [(target, lowered)] = &plan.links[..] else {
        panic!("{plan:?}");
    };
    assert_eq!((target.domain.name(), lowered.from), ("orders", 1000));
    assert_eq!(plan.cursors, 1);
    let store = servers.postgres().await;
    let published = store.published(&[lowered.source]).await.unwrap();
    assert_eq!((published[0].1.public, published[0].1.inbox), (2, 1));
    start(&servers).await.unwrap();
    let report = audit_cluster(&servers.config).await.unwrap().report;
    assert_eq!(told(&report), [""; 0]);
    servers.clean().await;
}

#[actix_rt::test]
async fn it_refuses_while_a_node_is_heard_of() {
    let servers = Servers::new().await;
    servers.make_topics().await;
    let store = servers.postgres().await;
    let node = NodeRecord {
        name: "alive".to_owned(),
        address: "http://127.0.0.1:1".to_owned(),
        domains: Vec::new(),
        status: serde_json::Value::Null,
    };
    store.announce(&node).await.unwrap();
    let refused = prepare(&servers.config)
        .await
        .map(drop)
        .unwrap_err()
        .to_string();
    assert!(refused.contains("alive"), "{refused}");
    servers
        .run("UPDATE cluster.node SET seen_at = seen_at - interval '11 seconds'")
        .await;
    assert!(prepare(&servers.config).await.unwrap().1.is_whole());
    servers.clean().await;
}

#[actix_rt::test]
async fn where_domains_have_their_own_databases_only_what_was_put_back_is_renewed() {
    let servers = Servers::with(true, true).await;
    servers.make_topics().await;
    let mut shop = servers.shop(10).await;
    shop.sell(1).await;
    servers.publish().await;
    let beyond = "UPDATE notifications.link SET watermark = 1000 WHERE peer_domain = 2";
    assert_eq!(servers.run(beyond).await, 1);
    assert!(start(&servers).await.is_err());
    let plan = recover(&servers).await;
    let renewed: Vec<_> = plan.renewed.iter().map(ToString::to_string).collect();
    assert_eq!(renewed, ["orders/0"], "{plan:?}");
    start(&servers).await.unwrap();
    let report = audit_cluster(&servers.config).await.unwrap().report;
    assert_eq!(told(&report), [""; 0]);
    servers.clean().await;
}
