//! The same of a cluster, in real servers.

use domain::invariants::Invariant::{self, *};
use storage::ActivityLog;

use super::{be_busy, servers::Servers, told};
use crate::audit::{Audited, audit_cluster};

async fn audit(servers: &Servers) -> Audited {
    audit_cluster(&servers.config).await.unwrap()
}

#[tokio::test]
async fn a_whole_cluster_passes() {
    let servers = Servers::new().await;
    let mut shop = servers.shop(10).await;
    be_busy(&mut shop).await;
    let audited = audit(&servers).await;
    assert_eq!(told(&audited.report), [""; 0]);
    assert_eq!((audited.report.records, audited.report.orders), (17, 5));
    assert_eq!((audited.has_log, audited.lost.total), (true, 0));
    for finding in audited.report.findings() {
        let is_looked_at = finding.checked > 0;
        assert_eq!(is_looked_at, finding.invariant != I5, "{finding:?}");
    }
    servers.clean().await;
}

#[tokio::test]
async fn a_cluster_that_goes_on_while_it_is_audited_passes_every_time() {
    for own_databases in [false, true] {
        let servers = Servers::with(own_databases, false).await;
        let mut shop = servers.shop(1_000).await;
        for _ in 0..10 {
            let selling = async {
                for _ in 0..5 {
                    shop.sell(1).await;
                }
            };
            let ((), audited) = futures::future::join(selling, audit(&servers)).await;
            assert_eq!(told(&audited.report), [""; 0]);
            assert!(!audited.has_log);
        }
        assert_eq!(audit(&servers).await.report.orders, 50);
        servers.clean().await;
    }
}

/// What is done to a whole store, the invariant that must be named, a part of what must be said, and what puts it right.
const DAMAGE: [(&str, Invariant, &str, &str); 13] = [
    (
        "UPDATE orders.journal SET position = 99 WHERE position = 2",
        I9,
        "orders/0 position 3 follows position 1",
        "UPDATE orders.journal SET position = 2 WHERE position = 99",
    ),
    (
        "UPDATE products.head SET last_position = last_position + 1",
        I9,
        "the head of products/0",
        "UPDATE products.head SET last_position = last_position - 1",
    ),
    (
        "UPDATE orders.journal SET event_type = 'x' || event_type WHERE position = 2",
        I9,
        "orders/0 position 2 cannot be decoded",
        "UPDATE orders.journal SET event_type = substr(event_type, 2) WHERE position = 2",
    ),
    (
        "UPDATE products.journal SET links = 'x' || links WHERE position = 2",
        I9,
        "the journal of products/0 after position 0 cannot be read on",
        "UPDATE products.journal SET links = substr(links, 2) WHERE position = 2",
    ),
    (
        "UPDATE orders.head SET last_id = last_id - 1000000000",
        I9,
        "creates order",
        "UPDATE orders.head SET last_id = last_id + 1000000000",
    ),
    (
        "UPDATE orders.link SET watermark = watermark + 1000 WHERE peer_domain = 3",
        I7,
        "the last position there is 5",
        "UPDATE orders.link SET watermark = watermark - 1000 WHERE peer_domain = 3",
    ),
    (
        "UPDATE products.link SET watermark = watermark - 1 WHERE peer_domain = 2",
        I7,
        "the link's watermark is",
        "UPDATE products.link SET watermark = watermark + 1 WHERE peer_domain = 2",
    ),
    (
        "UPDATE products.products SET available = available + 1",
        I10,
        "the row of product 1 has ProductColumns",
        "UPDATE products.products SET available = available - 1",
    ),
    (
        "UPDATE products.products SET version = version - 1",
        I10,
        "the row of product 1 has version 4",
        "UPDATE products.products SET version = version + 1",
    ),
    (
        "UPDATE orders.orders SET status = 'expired' WHERE status = 'rejected'",
        I10,
        "status: \"expired\"",
        "UPDATE orders.orders SET status = 'rejected' WHERE status = 'expired'",
    ),
    (
        "UPDATE auth.users SET state = '\\xff'::bytea || state",
        I10,
        "the stored state of user 1 cannot be read",
        "UPDATE auth.users SET state = substr(state, 2)",
    ),
    (
        "UPDATE notifications.notifications SET id = 12 WHERE id = 2",
        I10,
        "notification 2 has a history and no row",
        "UPDATE notifications.notifications SET id = 2 WHERE id = 12",
    ),
    (
        "UPDATE orders.keys SET aggregate_id = -aggregate_id",
        I10,
        "a key of orders/0 belongs to",
        "UPDATE orders.keys SET aggregate_id = -aggregate_id",
    ),
];

#[tokio::test]
async fn what_is_damaged_is_found() {
    let servers = Servers::with(false, false).await;
    let mut shop = servers.shop(10).await;
    be_busy(&mut shop).await;
    for (damage, invariant, part, repair) in DAMAGE {
        assert!(
            servers.run(damage).await > 0,
            "nothing was damaged by {damage}"
        );
        let report = audit(&servers).await.report;
        let examples = &report.finding(invariant).examples;
        let is_named = examples.iter().any(|example| example.detail.contains(part));
        assert!(is_named, "{invariant} for {damage}: {:#?}", told(&report));
        assert!(
            servers.run(repair).await > 0,
            "nothing was put right by {repair}"
        );
    }
    assert_eq!(told(&audit(&servers).await.report), [""; 0]);
    servers.clean().await;
}

#[tokio::test]
async fn what_the_activity_log_lacks_is_found() {
    let servers = Servers::new().await;
    let mut shop = servers.shop(10).await;
    be_busy(&mut shop).await;
    let store = servers.postgres().await;
    let log = servers.log(&store).await;
    let (source, position) = log.watermarks().await.unwrap()[0];
    log.append(vec![], &[(source, position + 1)]).await.unwrap();
    let report = audit(&servers).await.report;
    let told = told(&report);
    let wrong = format!(
        "{source} position {} is not in the activity log",
        position + 1
    );
    assert!(told.iter().any(|line| line.contains(&wrong)), "{told:#?}");
    assert_eq!(report.finding(I8).violations, 2, "{told:#?}");
    servers.clean().await;
}
