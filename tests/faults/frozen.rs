//! A handler hangs, and every actor of its thread with it: they are replaced, and nobody waits for the one that hangs.

use std::time::{Duration, Instant};

use crate::harness::{Fault, Order, Shop, is_settled};

/// How long the handler hangs: the process must not wait for it.
const FROZEN_FOR: Duration = Duration::from_secs(60);
/// Far more than the two seconds after which a thread counts as frozen, and far less than the handler hangs.
const REPLACED_WITHIN: Duration = Duration::from_secs(25);

#[tokio::test]
async fn a_frozen_actor_is_replaced_and_whoever_waits_for_it_is_answered() {
    let shop = Shop::open().await;
    let lantern = shop.admin().product("LANTERN", 10).await;
    let tent = shop.admin().product("TENT", 10).await;
    let anna = shop.customer("anna").await;
    let freeze = Fault::freeze_in("product", FROZEN_FOR).of(lantern).times(1);
    shop.admin().inject(&freeze).await;

    let begun = Instant::now();
    let mut refused = 0;
    let order = loop {
        let order = Order::of(lantern, 3).and(tent, 1).key("one-lantern");
        let answer = anna.place(&order).await;
        if answer.status() != 503 {
            break answer.json();
        }
        answer.expect_unavailable();
        refused += 1;
        assert!(begun.elapsed() < REPLACED_WITHIN, "refused {refused} times");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let order_id = order["id"].as_u64().unwrap();
    while !is_settled(&anna.order(order_id).await) {
        assert!(begun.elapsed() < REPLACED_WITHIN, "it waits for what hangs");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(anna.order(order_id).await["status"], "confirmed");
    assert_eq!(shop.admin().available(lantern).await, 7);
    assert!(
        shop.stderr().contains("an actor is frozen"),
        "nobody noticed"
    );
    // Whoever comes later notices nothing.
    anna.place(&Order::of(lantern, 1)).await.expect_status(201);
    shop.audit().await;
}

/// Not even the customer's own order: what hangs is the order's actor, which holds the answer.
#[tokio::test]
async fn a_caller_of_a_frozen_order_gets_an_error_that_says_to_try_again() {
    let shop = Shop::open().await;
    let lantern = shop.admin().product("LANTERN", 10).await;
    let anna = shop.customer("anna").await;
    let order_id = anna
        .place(&Order::of(lantern, 2))
        .await
        .expect_status(201)
        .id();
    let freeze = Fault::freeze_in("order", FROZEN_FOR).of(order_id).times(1);
    shop.admin().inject(&freeze).await;

    let begun = Instant::now();
    anna.cancel(order_id).await.expect_unavailable();
    assert!(begun.elapsed() < REPLACED_WITHIN);
    while anna.cancel(order_id).await.status() != 200 {
        assert!(begun.elapsed() < REPLACED_WITHIN);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(anna.order(order_id).await["status"], "cancelled");
    shop.audit().await;
}
