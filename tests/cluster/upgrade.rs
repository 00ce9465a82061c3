//! Two releases at a time: a node meets events that it does not know.

use super::{Market, SERVED_AGAIN_MAX, shards};
use crate::harness::{
    Api, ClusterSetup, NodeSetup, Order, SOON, eventually, is_settled, only_with,
};

/// What the answers of products to orders are made of.
const UNKNOWN: &str = "stock.reserved.v1,stock.answered.v1,stock.released.v1,order.created.v1";

async fn links_held(admin: &Api) -> u64 {
    let system = admin.system().await;
    let held = shards(&system).iter().map(|shard| &shard["held_links"]);
    held.map(|count| count.as_u64().unwrap()).sum()
}

#[tokio::test]
async fn a_node_that_does_not_know_an_event_holds_its_links_and_skips_nothing() {
    only_with!(Cluster, "it is about nodes");
    let old = NodeSetup {
        environment: vec![("STAMPEDE_FAULT_UNKNOWN_EVENT_TYPES".into(), UNKNOWN.into())],
        ..NodeSetup::named("old")
    };
    let setup = ClusterSetup {
        nodes: vec![NodeSetup::named("new"), old],
        ..ClusterSetup::of(&[])
    };
    let mut market = Market::open(setup).await;
    market.until_busy("old").await;

    let mut placed = Vec::new();
    for (number, product) in market.products.iter().enumerate().cycle().take(32) {
        let order = Order::of(*product, 1).respond_async();
        let buyer = &market.buyers[(number * 3 + placed.len()) % market.buyers.len()];
        placed.push((
            buyer.clone(),
            buyer.place(&order).await.expect_status(202).id(),
        ));
    }
    let held = async || (links_held(market.admin()).await > 0).then_some(());
    eventually(SOON, "links are held", held).await;
    let system = market.admin().system().await;
    let links = shards(&system).iter();
    let mut links = links.flat_map(|shard| shard["held"].as_array().unwrap());
    let reason = links.next().map(|link| link["reason"].as_str().unwrap());
    assert!(reason.unwrap().contains(".v1"), "{system:#}");
    let log = market.cluster.stderr();
    assert!(
        log.contains("ERROR") || log.contains("WARN"),
        "no alarm:\n{log}"
    );

    market.cluster.node("old").terminate().await;
    market.cluster.node("old").set_environment(Vec::new());
    market.cluster.start_node("old").await;
    for (buyer, id) in &placed {
        eventually(SERVED_AGAIN_MAX, "the order settles", async || {
            is_settled(&buyer.order(*id).await).then_some(())
        })
        .await;
        assert_eq!(buyer.order(*id).await["status"], "confirmed");
    }
    let free = async || (links_held(market.admin()).await == 0).then_some(());
    eventually(SOON, "no link is held", free).await;
    assert_eq!(market.admin().parked().await.len(), 0);
    market.cluster.audit().await;
}
