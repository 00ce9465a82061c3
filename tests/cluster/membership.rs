//! Nodes come, leave and die while orders arrive.

use std::time::Instant;

use super::{Market, orders_wanted, report, shards};
use crate::harness::{ClusterSetup, NodeSetup, Order, only_with};

#[tokio::test]
async fn a_node_joins_one_leaves_and_one_is_killed_while_orders_arrive() {
    only_with!(Cluster, "it is about nodes");
    let mut market = Market::open(ClusterSetup::of(&["a", "b", "c"])).await;
    let step = orders_wanted() / 4;
    let rush = market.rush(16);

    rush.answered_more(step).await;
    market.cluster.add_node(NodeSetup::named("d")).await;
    market.until_busy("d").await;

    rush.answered_more(step).await;
    let leaving = Instant::now();
    market.cluster.node("a").terminate().await;
    let left = leaving.elapsed();
    market.until_served_without("a").await;

    rush.answered_more(step).await;
    market.cluster.node("b").kill_nine();
    let killed = Instant::now();
    market.until_served_without("b").await;
    let served_again = killed.elapsed();

    rush.answered_more(step).await;
    let ledger = market.close(rush).await;
    assert_eq!(ledger.cut_off, 0, "the gateway was there all the time");
    report(format_args!(
        "{} orders; a left in {left:?}; the shards of b were served {served_again:?} after its end; \
         {} were told to come back",
        ledger.accepted.len(),
        ledger.put_off
    ));
}

#[tokio::test]
async fn a_graceful_leave_fails_no_request_for_longer_than_a_retry() {
    only_with!(Cluster, "it is about nodes");
    let mut market = Market::open(ClusterSetup::of(&["a", "b"])).await;
    market.until_busy("a").await;
    market.until_busy("b").await;
    let rush = market.rush(8);
    rush.answered_more(100).await;
    market.cluster.node("a").terminate().await;
    let put_off = rush.ledger().put_off;
    market.until_served_without("a").await;
    // Whoever comes now is served at once: no retry is needed any more.
    let after = rush.ledger().put_off;
    for buyer in &market.buyers {
        let answer = buyer
            .place(&Order::of(market.products[0], 1).key("late"))
            .await;
        assert_eq!(answer.status(), 201, "{}", answer.told());
    }
    rush.answered_more(50).await;
    rush.stop();
    let ledger = rush.finish().await;
    assert_eq!(ledger.cut_off, 0);
    report(format_args!(
        "{} orders; {put_off} were told to come back while it left, {after} until others served, {} in all",
        ledger.accepted.len(),
        ledger.put_off
    ));
    ledger.expect_kept(&market.buyers).await;
    market.cluster.audit().await;
}

#[tokio::test]
async fn a_killed_node_comes_back_under_its_name_and_serves_again() {
    only_with!(Cluster, "it is about nodes");
    let mut market = Market::open(ClusterSetup::of(&["a", "b"])).await;
    market.until_busy("a").await;
    let rush = market.rush(8);
    for _ in 0..3 {
        rush.answered_more(100).await;
        market.cluster.node("a").kill_nine();
        market.cluster.start_node("a").await;
    }
    market.until_busy("a").await;
    market.close(rush).await;
    let system = market.admin().system().await;
    assert!(
        shards(&system).iter().all(|shard| shard["held_links"] == 0),
        "{system:#}"
    );
}
