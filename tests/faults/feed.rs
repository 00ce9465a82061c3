//! The feed between the shards loses, doubles and reorders; the links are healed from the journal.

use crate::harness::{Fault, Order, Rush, Shop};

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
