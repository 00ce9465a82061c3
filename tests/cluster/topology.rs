//! Who may start, and what is said to whom who may not.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::Market;
use crate::harness::{Cluster, ClusterSetup, Order, Outcome, SOON, eventually, only_with};

/// The arguments of a node on a free port.
const NODE: [&str; 4] = ["--domains", "orders,products", "--listen", "127.0.0.1:0"];

#[track_caller]
fn expect_refusal(outcome: &Outcome, words: &[&str]) {
    assert_eq!(outcome.exit_code, 1, "{outcome:?}");
    let told = outcome.text().to_lowercase();
    for word in words {
        assert!(
            told.contains(&word.to_lowercase()),
            "{word} is not said: {outcome:?}"
        );
    }
    assert!(!outcome.stdout.contains(" is up: "), "{outcome:?}");
}

#[tokio::test]
async fn a_node_with_another_number_of_shards_refuses_and_says_why() {
    only_with!(Cluster, "it is about nodes");
    let cluster = Cluster::prepare(ClusterSetup::of(&[])).await;
    cluster.migrate().await;
    let other: Vec<&str> = NODE.into_iter().chain(["--set", "shards=8"]).collect();
    expect_refusal(&cluster.run("node", &other).await, &["shards", "8", "4"]);
    let migrated = cluster.run("migrate", &["--set", "shards=8"]).await;
    expect_refusal(&migrated, &["shards", "8", "4"]);
}

#[tokio::test]
async fn migrating_again_changes_nothing_also_beside_running_nodes() {
    only_with!(Cluster, "it is about nodes");
    let market = Market::open(ClusterSetup::of(&["a", "b"])).await;
    let key = market.cluster.signing_key_pem().await;
    let rush = market.rush(4);
    rush.answered_more(50).await;
    market.cluster.migrate().await;
    market.cluster.migrate().await;
    rush.answered_more(50).await;
    assert_eq!(market.cluster.signing_key_pem().await, key);
    market.close(rush).await;
}

#[tokio::test]
async fn two_gateways_give_the_same_answers_and_either_can_stop() {
    only_with!(Cluster, "it is about gateways");
    let mut market = Market::open(ClusterSetup::of(&["a", "b"]).gateways(2)).await;
    let here = market.buyers[0].clone();
    let there = market.cluster.visitor_at(1).with_token(here.token());
    let order = Order::of(market.products[0], 1).key("once");
    let first = here.place(&order).await.expect_status(201);
    let second = there.place(&order).await.expect_status(201);
    assert_eq!((first.id(), second.is_replay()), (second.id(), true));
    for path in ["/v1/orders", "/v1/products", "/v1/auth/me", "/openapi.json"] {
        let same = async || {
            let answers = (here.get(path).await.json(), there.get(path).await.json());
            (answers.0 == answers.1).then_some(())
        };
        eventually(SOON, &format!("{path} reads the same"), same).await;
    }
    let admin = market
        .cluster
        .visitor_at(1)
        .with_token(market.admin().token());
    let nodes = |system: &Value| system["nodes"].as_array().unwrap().len();
    assert_eq!(
        nodes(&admin.system().await),
        nodes(&market.admin().system().await)
    );

    market.cluster.gateway(0).terminate().await;
    there
        .place(&Order::of(market.products[1], 1))
        .await
        .expect_status(201);
    market.cluster.start_gateway(0).await;
    market.cluster.gateway(1).kill_nine();
    here.place(&Order::of(market.products[2], 1))
        .await
        .expect_status(201);
    market.cluster.audit().await;
}

#[tokio::test]
async fn a_database_that_was_not_migrated_is_refused_with_a_hint() {
    only_with!(Cluster, "it is about PostgreSQL");
    let cluster = Cluster::prepare(ClusterSetup::of(&[]).set("startup.wait_secs", "3")).await;
    expect_refusal(&cluster.run("node", &NODE).await, &["stampede migrate"]);
    let gateway = cluster.run("gateway", &["--http", "127.0.0.1:0"]).await;
    expect_refusal(&gateway, &["stampede migrate"]);
}

#[tokio::test]
async fn what_is_missing_or_wrong_in_the_configuration_is_named_at_the_start() {
    only_with!(Cluster, "it is about the configuration of clusters");
    let cluster = Cluster::prepare(ClusterSetup::of(&[])).await;
    expect_refusal(&cluster.run("node", &[]).await, &["node.domains"]);
    let domains = cluster.run("node", &["--domains", "orders,oders"]).await;
    expect_refusal(&domains, &["node.domains", "oders"]);
    let unknown: Vec<&str> = NODE
        .into_iter()
        .chain(["--set", "kafka.broker=x"])
        .collect();
    expect_refusal(
        &cluster.run("node", &unknown).await,
        &["kafka.broker", "kafka.brokers"],
    );
    let range: Vec<&str> = NODE
        .into_iter()
        .chain(["--set", "postgres.connections=0"])
        .collect();
    let told = cluster.run("node", &range).await;
    expect_refusal(&told, &["postgres.connections", "1000"]);
    let secret: Vec<&str> = NODE
        .into_iter()
        .chain(["--set", "postgres.url=postgres://u:hidden@:x"])
        .collect();
    let told = cluster.run("node", &secret).await;
    expect_refusal(&told, &["postgres.url"]);
    assert!(!told.text().contains("hidden"), "{told:?}");
}

/// Port 1 of this machine is nobody's.
#[tokio::test]
async fn a_server_that_is_not_up_is_waited_for_and_not_for_ever() {
    only_with!(Cluster, "it is about servers");
    let cluster = Cluster::prepare(ClusterSetup::of(&[]).set("startup.wait_secs", "3")).await;
    let nobody: Vec<&str> = NODE
        .into_iter()
        .chain(["--set", "postgres.url=postgres://u:p@127.0.0.1:1/d"])
        .collect();
    let begun = Instant::now();
    let refused = cluster.run("node", &nobody).await;
    let waited = begun.elapsed();
    expect_refusal(&refused, &["PostgreSQL", "startup.wait_secs"]);
    assert!(
        Duration::from_secs(2) < waited && waited < Duration::from_secs(30),
        "{waited:?}"
    );
    let begun = Instant::now();
    let refused = cluster
        .run("migrate", &["--set", "kafka.brokers=127.0.0.1:1"])
        .await;
    expect_refusal(&refused, &["Kafka", "startup.wait_secs"]);
    assert!(begun.elapsed() < Duration::from_secs(60));
}
