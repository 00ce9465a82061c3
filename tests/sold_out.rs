//! What is sold out is refused before it is an order, until there is some again.

use std::time::{Duration, Instant};

use crate::harness::{Answer, Order, Shop};

/// Ten times the second within which pieces that come back are for sale.
const FOR_SALE_WITHIN: Duration = Duration::from_secs(10);

/// Fails unless this refuses what was known to be sold out: no order, nowhere to look for one.
#[track_caller]
fn expect_sold_out(answer: &Answer, product_id: u64, quantity: u64) {
    let problem = answer.expect_problem(409, "out_of_stock");
    assert!(problem.get("order_id").is_none(), "{}", answer.told());
    assert_eq!(answer.header("Location"), None, "{}", answer.told());
    let short = serde_json::json!([{
        "product_id": product_id,
        "quantity": quantity,
        "available": 0,
    }]);
    assert_eq!(problem["lines"], short, "{}", answer.told());
}

/// A shop whose one lantern is sold, and the first who came too late has an order that was rejected.
async fn sold_out() -> (Shop, u64) {
    let shop = Shop::open().await;
    let lantern = shop.admin().product("LANTERN", 1).await;
    let early = shop.customer("early").await;
    let bought = Order::of(lantern, 1).key("the-lantern");
    early.place(&bought).await.expect_status(201);
    let late = early.place(&Order::of(lantern, 1)).await;
    let rejected = late.expect_problem(409, "out_of_stock");
    let order_id = rejected["order_id"].as_u64().unwrap();
    assert_eq!(early.order(order_id).await["status"], "rejected");

    // Whoever has bought it gets the same order again, however little is left.
    let again = early.place(&bought).await.expect_status(201);
    assert!(again.is_replay(), "{}", again.told());
    (shop, lantern)
}

#[tokio::test]
async fn what_is_sold_out_is_refused_without_an_order_and_its_key_stays_free() {
    let (shop, lantern) = sold_out().await;
    let anna = shop.customer("anna").await;
    let wanted = Order::of(lantern, 2).and(lantern, 1).key("mine");
    let mut refused_early = 0;
    for _ in 0..20 {
        let answer = anna.place(&wanted).await;
        // Now and then one is let through to ask again. It takes the key, and is repeated from then on.
        if answer
            .expect_problem(409, "out_of_stock")
            .get("order_id")
            .is_some()
        {
            break;
        }
        expect_sold_out(&answer, lantern, 3);
        refused_early += 1;
    }
    let rejected = anna.orders().await.len();
    assert!(
        rejected <= 1,
        "{rejected} orders of {refused_early} refused"
    );
    assert!(refused_early > 0, "nothing is refused early");
    shop.audit().await;
}

#[tokio::test]
async fn a_flood_of_late_buyers_leaves_hardly_an_order_behind() {
    let (shop, lantern) = sold_out().await;
    let anna = shop.customer("anna").await;
    let begun = Instant::now();
    const LATE: usize = 300;
    for _ in 0..LATE {
        let answer = anna.place(&Order::of(lantern, 1)).await;
        answer.expect_problem(409, "out_of_stock");
    }
    // Two a second ask again, of each process that takes orders.
    let asked = anna.orders().await.len();
    let allowed = 2 + usize::try_from(begun.elapsed().as_millis() / 250).unwrap();
    assert!(
        asked <= allowed,
        "{asked} of {LATE} became orders, {allowed} may"
    );
    shop.audit().await;
}

#[tokio::test]
async fn what_was_sold_out_is_for_sale_soon_after_it_is_put_in_again() {
    let (shop, lantern) = sold_out().await;
    let anna = shop.customer("anna").await;
    let sold_out = anna.place(&Order::of(lantern, 1).key("mine")).await;
    sold_out.expect_problem(409, "out_of_stock");
    shop.admin()
        .adjust_stock(lantern, 1, None)
        .await
        .expect_status(200);
    let begun = Instant::now();
    let order = loop {
        // A key of its own each time: one that was let through too early stays rejected.
        let key = format!("again-{}", begun.elapsed().as_micros());
        let answer = anna.place(&Order::of(lantern, 1).key(key)).await;
        if answer.status() == 201 {
            break answer.json();
        }
        answer.expect_problem(409, "out_of_stock");
        assert!(begun.elapsed() < FOR_SALE_WITHIN, "it is never for sale");
    };

    // The same for what a buyer gives back.
    anna.cancel(order["id"].as_u64().unwrap())
        .await
        .expect_status(200);
    let begun = Instant::now();
    while anna.place(&Order::of(lantern, 1)).await.status() != 201 {
        assert!(begun.elapsed() < FOR_SALE_WITHIN, "it is never for sale");
    }
    assert_eq!(shop.admin().available(lantern).await, 0);
    shop.audit().await;
}
