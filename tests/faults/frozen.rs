//! A handler hangs, and every actor of its thread with it: they are replaced, and nobody waits for the one that hangs.

use std::time::{Duration, Instant};

use crate::harness::{Deployment, Fault, Order, Shop, at_once, deployment, eventually, is_settled};

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

/// Callers that wait when it freezes.
const CALLERS: usize = 40;

/// For five seconds, so that the actor wakes while the shop goes on: what it still does must come to nothing.
#[tokio::test]
async fn an_actor_frozen_for_five_seconds_is_detected_and_replaced_and_every_caller_is_answered() {
    const FIVE_SECONDS: Duration = Duration::from_secs(5);
    let shop = Shop::open().await;
    let lantern = shop.admin().product("LANTERN", 1_000).await;
    let buyers = shop.customers(3).await;
    let freeze = Fault::freeze_in("product", FIVE_SECONDS)
        .of(lantern)
        .times(1);
    shop.admin().inject(&freeze).await;

    let begun = Instant::now();
    let calls = (0..CALLERS).map(|number| {
        let buyer = buyers[number % buyers.len()].clone();
        let order = Order::of(lantern, 1).key(format!("order-{number}"));
        async move { (number, buyer.place(&order).await) }
    });
    let mut accepted = 0_u64;
    for (number, answer) in at_once(calls).await {
        match answer.status() {
            201 | 202 => {}
            503 => {
                answer.expect_unavailable();
                let again = async || {
                    let order = Order::of(lantern, 1).key(format!("order-{number}"));
                    let answer = buyers[number % buyers.len()].place(&order).await;
                    matches!(answer.status(), 201 | 202).then_some(())
                };
                eventually(REPLACED_WITHIN, "a repeat is accepted", again).await;
            }
            _ => panic!("{}", answer.told()),
        }
        accepted += 1;
    }
    assert!(begun.elapsed() < REPLACED_WITHIN, "{:?}", begun.elapsed());

    // A gateway hears from its nodes now and then.
    let told = async || {
        let system = shop.admin().system().await;
        let nodes = system["nodes"].as_array().unwrap().iter();
        let replaced = nodes.map(|node| node["threads"]["replaced"].as_u64().unwrap());
        (replaced.sum::<u64>() == 1).then_some(system)
    };
    let system = eventually(
        REPLACED_WITHIN,
        "the system tells of one replaced thread",
        told,
    )
    .await;
    let actors = system["actors"].as_array().unwrap();
    let kind = |kind: &str| actors.iter().find(|it| it["kind"] == kind).unwrap();
    assert_eq!(kind("product")["frozen"], 1, "{system:#}");
    let shards_replaced = kind("shard")["restarts_by_cause"]["frozen"].as_u64();
    assert!(shards_replaced >= Some(1), "{system:#}");
    if deployment() == Deployment::Embedded {
        let metrics = shop
            .visitor()
            .get("/metrics")
            .await
            .expect_status(200)
            .text();
        assert!(
            metrics.contains("\nstampede_frozen_threads_total 1\n"),
            "{metrics}"
        );
        let actors = "stampede_frozen_actors_total{kind=\"product\"} 1";
        assert!(metrics.contains(actors), "{metrics}");
    }

    // It has woken by then.
    let woken = async || (begun.elapsed() > FIVE_SECONDS + Duration::from_secs(2)).then_some(());
    eventually(REPLACED_WITHIN, "the frozen actor wakes", woken).await;
    let sold = async || (shop.admin().available(lantern).await == 1_000 - accepted).then_some(());
    eventually(REPLACED_WITHIN, "every order is confirmed, once", sold).await;
    shop.audit().await;
}
