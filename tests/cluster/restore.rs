//! PostgreSQL is restored to a backup while everybody else remembers more.

use super::Market;
use crate::harness::{ClusterSetup, Order, only_with};

#[tokio::test]
async fn after_a_restore_nodes_refuse_to_start_until_the_cluster_has_been_recovered() {
    only_with!(Cluster, "it is about PostgreSQL");
    let mut market = Market::open(ClusterSetup::of(&["a", "b"])).await;
    let rush = market.rush(8);
    rush.answered(200).await;
    rush.stop();
    let before = rush.finish().await;
    before.expect_kept(&market.buyers).await;
    market.cluster.terminate().await;
    let backup = market.cluster.database().back_up().await;

    market.cluster.start().await;
    let mut forgotten = Vec::new();
    for buyer in &market.buyers {
        let order = Order::of(market.products[0], 2);
        forgotten.push(buyer.place(&order).await.expect_status(201).id());
    }
    market.cluster.audit().await;
    market.cluster.terminate().await;
    market.cluster.database().restore(&backup).await;

    let refused = market
        .cluster
        .run(
            "node",
            &["--domains", "orders,products", "--listen", "127.0.0.1:0"],
        )
        .await;
    assert_ne!(refused.exit_code, 0, "{refused:?}");
    assert!(refused.text().contains("stampede recover"), "{refused:?}");

    let asked = market.cluster.run("recover", &[]).await;
    assert!(!asked.text().contains("panicked"), "{asked:?}");
    let recovered = market.cluster.run("recover", &["--yes"]).await;
    assert_eq!(recovered.exit_code, 0, "{recovered:?}");
    market.cluster.start().await;

    for (buyer, id) in market.buyers.iter().zip(&forgotten) {
        let answer = buyer.get(&format!("/v1/orders/{id}")).await;
        assert!(matches!(answer.status(), 200 | 404), "{}", answer.told());
    }
    before.expect_kept(&market.buyers).await;
    for buyer in &market.buyers {
        buyer
            .place(&Order::of(market.products[1], 1))
            .await
            .expect_status(201);
    }
    let report = market.cluster.audit().await;
    assert!(
        report.tells("order.confirmed"),
        "the events that the journal has lost are listed: {report:?}"
    );
}
