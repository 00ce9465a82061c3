//! The same request twice is one order.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Api, Order, Shop, at_once};

#[tokio::test]
async fn one_key_fifty_times_at_once_and_again_after_restarts_is_one_order() {
    let mut shop = Shop::open().await;
    let lantern = shop.admin().product("LANTERN", 100).await;
    let anna = shop.customer("anna").await;
    let order = Order::of(lantern, 2).key("only-one");

    let answers = at_once((0..50).map(|_| {
        let (anna, order) = (anna.clone(), order.clone());
        async move { anna.place(&order).await.expect_status(201) }
    }))
    .await;
    let order_id = answers[0].id();
    assert!(answers.iter().all(|answer| answer.id() == order_id));
    let first_answers = answers.iter().filter(|answer| !answer.is_replay()).count();
    assert_eq!(
        first_answers, 1,
        "all answers but one say that they repeat another"
    );

    for killed in [true, false] {
        if killed {
            shop.kill_nine();
        } else {
            shop.terminate().await;
        }
        shop.restart().await;
        let repeated = anna.place(&order).await.expect_status(201);
        assert!(repeated.is_replay(), "{}", repeated.told());
        assert_eq!(repeated.json(), anna.order(order_id).await);
        assert!(
            repeated
                .expect_header("Location")
                .ends_with(&format!("/v1/orders/{order_id}"))
        );
    }
    assert_eq!(anna.orders().await.len(), 1);
    assert_eq!(shop.admin().available(lantern).await, 98);
    shop.audit().await;
}

#[tokio::test]
async fn a_key_with_another_body_is_refused_and_with_the_same_body_written_otherwise_it_is_not() {
    let shop = Shop::open().await;
    let lantern = shop.admin().product("LANTERN", 100).await;
    let anna = shop.customer("anna").await;
    let order_id = anna
        .place(&Order::of(lantern, 2).key("k"))
        .await
        .expect_status(201)
        .id();

    let other = anna.place(&Order::of(lantern, 3).key("k")).await;
    other.expect_problem(422, "idempotency_key_reused");
    let same = format!("{{ \"lines\" : [\n {{\"quantity\":2, \"product_id\":{lantern}}} ] }}");
    let same = place_text(&anna, "k", same).await.expect_status(201);
    assert_eq!((same.id(), same.is_replay()), (order_id, true));
    assert_eq!(anna.orders().await.len(), 1);
}

async fn place_text(buyer: &Api, key: &str, body: String) -> Answer {
    let request = buyer.request(Method::POST, "/v1/orders");
    let request = request
        .header("Idempotency-Key", key)
        .header("Content-Type", "application/json");
    buyer.send(request.body(body)).await
}

#[tokio::test]
async fn the_same_key_of_another_user_is_another_order() {
    let shop = Shop::open().await;
    let lantern = shop.admin().product("LANTERN", 100).await;
    let (anna, ben) = (shop.customer("anna").await, shop.customer("ben").await);
    let of_anna = anna
        .place(&Order::of(lantern, 1).key("k"))
        .await
        .expect_status(201);
    let of_ben = ben
        .place(&Order::of(lantern, 4).key("k"))
        .await
        .expect_status(201);
    assert_ne!(of_anna.id(), of_ben.id());
    assert!(!of_anna.is_replay() && !of_ben.is_replay());
    assert_eq!(shop.admin().available(lantern).await, 95);
}

#[tokio::test]
async fn a_refused_order_is_repeated_as_the_same_problem_even_when_there_is_stock_again() {
    let mut shop = Shop::open().await;
    let lantern = shop.admin().product("LANTERN", 3).await;
    let anna = shop.customer("anna").await;
    let order = Order::of(lantern, 5).key("too-many");
    let first = anna.place(&order).await.expect_problem(409, "out_of_stock");

    shop.admin()
        .adjust_stock(lantern, 10, None)
        .await
        .expect_status(200);
    shop.kill_nine();
    shop.restart().await;
    let repeated = anna.place(&order).await;
    let problem = repeated.expect_problem(409, "out_of_stock");
    assert!(repeated.is_replay(), "{}", repeated.told());
    assert_eq!(
        (&problem["order_id"], &problem["lines"]),
        (&first["order_id"], &first["lines"])
    );
    assert_eq!(shop.admin().available(lantern).await, 13);
}

#[tokio::test]
async fn a_repeat_shows_the_order_as_it_is_now() {
    let shop = Shop::open().await;
    let lantern = shop.admin().product("LANTERN", 3).await;
    let anna = shop.customer("anna").await;
    let order = Order::of(lantern, 1).key("k");
    let order_id = anna.place(&order).await.expect_status(201).id();
    anna.cancel(order_id).await.expect_status(200);
    let repeated = anna.place(&order).await;
    assert_eq!((repeated.id(), repeated.is_replay()), (order_id, true));
    assert_eq!(repeated.json()["status"], "cancelled");
}

#[tokio::test]
async fn an_invalid_order_does_not_use_up_its_key() {
    let shop = Shop::open().await;
    let lantern = shop.admin().product("LANTERN", 3).await;
    let anna = shop.customer("anna").await;
    let invalid = anna.place(&Order::of(lantern, 0).key("k")).await;
    invalid.expect_problem_at(422, "validation_failed", "/lines/0/quantity");
    anna.place(&Order::of(4711, 1).key("k"))
        .await
        .expect_problem(422, "validation_failed");
    let valid = anna
        .place(&Order::of(lantern, 1).key("k"))
        .await
        .expect_status(201);
    assert!(!valid.is_replay());
}

#[tokio::test]
async fn a_stock_change_is_made_once_per_key() {
    let mut shop = Shop::open().await;
    let lantern = shop.admin().product("LANTERN", 3).await;
    let admin = shop.admin().clone();
    let answers = at_once((0..10).map(|_| {
        let admin = admin.clone();
        async move {
            admin
                .adjust_stock(lantern, 5, Some("delivery-1"))
                .await
                .expect_status(200)
        }
    }))
    .await;
    assert_eq!(
        answers.iter().filter(|answer| !answer.is_replay()).count(),
        1
    );
    assert_eq!(admin.available(lantern).await, 8);

    shop.kill_nine();
    shop.restart().await;
    let repeated = admin
        .adjust_stock(lantern, 5, Some("delivery-1"))
        .await
        .expect_status(200);
    assert!(repeated.is_replay(), "{}", repeated.told());
    let other = admin.adjust_stock(lantern, 6, Some("delivery-1")).await;
    other.expect_problem(422, "idempotency_key_reused");
    admin
        .adjust_stock(lantern, 5, Some("delivery-2"))
        .await
        .expect_status(200);
    let product: Value = admin
        .get(&format!("/v1/products/{lantern}"))
        .await
        .expect_status(200)
        .json();
    assert_eq!(product["stock"], json!({"available": 13}));
    shop.audit().await;
}

#[tokio::test]
async fn a_stock_change_that_is_refused_is_not_answered_as_made_to_those_who_repeat_it_at_once() {
    let shop = Shop::open().await;
    let admin = shop.admin();
    let lantern = admin.product("LANTERN", 5).await;
    for round in 0..10 {
        let key = format!("take-{round}");
        let tries = (0..8).map(|_| admin.adjust_stock(lantern, -10, Some(&key)));
        for answer in futures::future::join_all(tries).await {
            match answer.status() {
                409 => drop(answer.expect_problem(409, "insufficient_stock")),
                // The one whose key it is came to nothing: it may be tried again.
                _ => answer.expect_unavailable(),
            }
        }
    }
    assert_eq!(admin.available(lantern).await, 5);
    shop.audit().await;
}
