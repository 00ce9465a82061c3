//! Servers stop and come back.

use std::time::{Duration, Instant};

use super::{Market, SERVED_AGAIN_MAX, report, shards};
use crate::harness::{Answer, ClusterSetup, Order, Rush, SOON, Server, eventually, only_with};

/// Long enough for thousands of orders. The long form has half a minute.
const KAFKA_AWAY: Duration = Duration::from_secs(10);
/// As long as the session of a consumer may be silent.
const SESSION_TIMEOUT: Duration = Duration::from_secs(6);

impl Market {
    /// A rush whose orders are answered once they are durable.
    fn rush_without_waiting(&self, workers: usize) -> Rush {
        let products = self.products.clone();
        Rush::start(&self.buyers, workers, usize::MAX, move |number| {
            Order::of(products[number % products.len()], 1).respond_async()
        })
    }

    /// Fails unless every shard is served.
    async fn expect_all_served(&self) {
        let system = self.admin().system().await;
        let served = shards(&system).iter().all(|shard| shard["serving"] == true);
        assert!(served, "{system:#}");
    }
}

#[tokio::test]
async fn orders_are_accepted_while_kafka_is_away_and_all_settle() {
    only_with!(Cluster, "it stops Kafka");
    let market = Market::open(ClusterSetup::of(&["a", "b"]).own_servers()).await;
    let servers = market.cluster.servers();
    let long = std::env::var_os("STAMPEDE_TEST_ORDERS").is_some();
    let away = if long { 3 * KAFKA_AWAY } else { KAFKA_AWAY };

    let rush = market.rush_without_waiting(8);
    rush.answered_more(100).await;
    servers.stop(Server::Kafka).await;
    let before = rush.ledger();
    let begun = Instant::now();
    while begun.elapsed() < away {
        rush.answered_more(20).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let during = rush.ledger();
    servers.start(Server::Kafka).await;
    rush.answered_more(100).await;
    let ledger = market.close(rush).await;
    assert_eq!((ledger.put_off, ledger.cut_off), (0, 0));
    report(format_args!(
        "{} orders accepted in {away:?} without Kafka",
        during.accepted.len() - before.accepted.len()
    ));
}

/// All members of every group have lost their sessions by then; the shards stay with their owners.
#[tokio::test]
async fn kafka_away_for_three_session_timeouts_takes_no_shard_from_its_owner() {
    only_with!(Cluster, "it stops Kafka");
    let market = Market::open(ClusterSetup::of(&["a", "b"]).own_servers()).await;
    market.until_busy("a").await;
    market.until_busy("b").await;
    let servers = market.cluster.servers();
    let rush = market.rush(4);
    rush.answered_more(50).await;

    servers.stop(Server::Kafka).await;
    let begun = Instant::now();
    while begun.elapsed() < 3 * SESSION_TIMEOUT {
        // Confirmed, without Kafka: shards read each other's journals.
        rush.answered_more(1).await;
        market.expect_all_served().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    servers.start(Server::Kafka).await;
    rush.answered_more(200).await;
    let ledger = market.close(rush).await;
    assert_eq!((ledger.put_off, ledger.cut_off), (0, 0));
}

#[tokio::test]
async fn a_restart_of_postgres_puts_orders_off_for_seconds_and_loses_none() {
    only_with!(Cluster, "it stops PostgreSQL");
    let market = Market::open(ClusterSetup::of(&["a", "b"]).own_servers()).await;
    let servers = market.cluster.servers();
    let rush = market.rush(8);
    rush.answered_more(100).await;

    servers.stop(Server::Postgres).await;
    let put_off = async || (rush.ledger().put_off > 8).then_some(());
    eventually(SOON, "orders are put off", put_off).await;
    servers.start(Server::Postgres).await;
    let back = Instant::now();
    rush.answered_more(20).await;
    let served_again = back.elapsed();
    rush.answered_more(200).await;
    let ledger = market.close(rush).await;
    assert_eq!(ledger.cut_off, 0);
    report(format_args!(
        "orders went on {served_again:?} after PostgreSQL was back; {} were told to come back",
        ledger.put_off
    ));
}

#[tokio::test]
async fn while_the_document_store_is_away_only_the_log_is_which_then_catches_up() {
    only_with!(Cluster, "it stops the document store");
    let market = Market::open(ClusterSetup::of(&["a", "b"]).own_servers()).await;
    let servers = market.cluster.servers();
    let anna = &market.buyers[0];
    let place = async || -> Answer { anna.place(&Order::of(market.products[0], 1)).await };
    let before = place().await.expect_status(201).id();
    let logged = async |id| (market.admin().logs_of(id).await.len() >= 2).then_some(());
    eventually(SOON, "the log has the order", async || logged(before).await).await;

    servers.stop(Server::Mongodb).await;
    let mut meanwhile = Vec::new();
    for _ in 0..20 {
        meanwhile.push(place().await.expect_status(201).id());
    }
    market.admin().get("/v1/logs").await.expect_unavailable();
    market
        .cluster
        .visitor()
        .get("/readyz")
        .await
        .expect_status(200);
    market.expect_all_served().await;
    let told = async || {
        let last = *meanwhile.last().unwrap();
        (!anna.notifications_of(last).await.is_empty()).then_some(())
    };
    eventually(SOON, "notifications go on", told).await;

    servers.start(Server::Mongodb).await;
    for id in meanwhile {
        let caught_up = async || {
            let answer = market.admin().get(&format!("/v1/logs?order_id={id}")).await;
            let enough = answer.status() == 200 && answer.json()["data"].as_array()?.len() >= 2;
            enough.then_some(())
        };
        eventually(SERVED_AGAIN_MAX, "the log catches up", caught_up).await;
    }
    market.cluster.audit().await;
}
