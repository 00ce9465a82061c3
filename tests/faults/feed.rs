//! The feed between the shards loses, doubles and reorders; the links are healed from the journal.

use crate::harness::{Fault, Order, Rush, SOON, Shop, eventually};

#[tokio::test]
async fn every_order_settles_over_a_feed_that_drops_doubles_and_reorders() {
    const ORDERS: usize = 300;
    const STOCK: u64 = 500;
    let shop = Shop::open().await;
    let products = shop.admin().products(8, STOCK).await;
    let buyers = shop.customers(4).await;
    shop.admin().inject(&Fault::unreliable_feed(0.2)).await;

    let of_two_lines = {
        let products = products.clone();
        move |number: usize| Order::of(products[number % 8], 1).and(products[(number + 3) % 8], 1)
    };
    let ledger = Rush::start(&buyers, 32, ORDERS, of_two_lines)
        .finish()
        .await;
    assert_eq!(
        (ledger.accepted.len(), ledger.put_off, ledger.cut_off),
        (ORDERS, 0, 0),
        "{:?}",
        ledger.refused
    );
    ledger.expect_distinct_ids();
    let orders = ledger.expect_kept(&buyers).await;
    assert_eq!(orders.len(), ORDERS);
    assert!(
        orders.iter().all(|order| order["status"] == "confirmed"),
        "there was enough for everybody"
    );
    let mut sold = 0;
    for product_id in &products {
        sold += STOCK - shop.admin().available(*product_id).await;
    }
    assert_eq!(sold, 2 * u64::try_from(ORDERS).unwrap());

    shop.admin().clear_faults().await;
    buyers[0]
        .place(&Order::of(products[0], 1))
        .await
        .expect_status(201);
    shop.audit().await;
}

/// Many more records than an ordinary mailbox holds wait for one product while it is being loaded.
#[tokio::test]
async fn a_restart_with_hundreds_of_reservations_outstanding_for_one_product_settles_them_all() {
    const ORDERS: usize = 400;
    let mut shop = Shop::open().await;
    let hot = shop.admin().product("HOT", 10_000).await;
    let buyers = shop.customers(4).await;
    shop.admin().inject(&Fault::unreliable_feed(1.0)).await;
    let placed = (0..ORDERS).map(|number| {
        let order = Order::of(hot, 1).respond_async();
        let buyer = &buyers[number % buyers.len()];
        async move { buyer.place(&order).await.expect_status(202).id() }
    });
    let placed = futures::future::join_all(placed).await;
    shop.kill_nine();
    shop.restart().await;

    eventually(SOON, "every order is confirmed", async || {
        let mut confirmed = 0;
        for buyer in &buyers {
            let orders = buyer.orders().await;
            confirmed += orders
                .iter()
                .filter(|order| order["status"] == "confirmed")
                .count();
        }
        (confirmed == placed.len()).then_some(())
    })
    .await;
    let system = shop.admin().system().await;
    for shard in system["shards"].as_array().unwrap() {
        assert_eq!(shard["restarts"], 0, "{shard:#}");
    }
    assert_eq!(system["parked"], serde_json::json!([]));
    shop.audit().await;
}
