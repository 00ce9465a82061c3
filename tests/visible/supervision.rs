//! Restarts, budgets and what they lead to, as `/v1/system` and `/metrics` tell of them.

use std::time::Duration;

use serde_json::Value;

use super::metrics::{metrics, value};
use crate::harness::{
    Api, Deployment, Fault, Order, SOON, Shop, at_once, deployment, eventually, only_with,
};

/// What `/v1/system` says of actors of a kind.
pub(crate) async fn kind(admin: &Api, kind: &str) -> Value {
    let system = admin.system().await;
    let kinds = system["actors"].as_array().unwrap();
    let of_kind = kinds.iter().find(|it| it["kind"] == kind);
    of_kind
        .unwrap_or_else(|| panic!("{kind} in {system:#}"))
        .clone()
}

#[tokio::test]
async fn a_panic_shows_with_its_kind_and_cause_and_uses_up_some_of_a_budget() {
    let shop = Shop::open().await;
    shop.expect_panics();
    let lantern = shop.admin().product("LANTERN", 10).await;
    let anna = shop.customer("anna").await;
    let id = anna
        .place(&Order::of(lantern, 1))
        .await
        .expect_status(201)
        .id();
    let fault = Fault::panic_in("order")
        .of(id)
        .matching("CancelOrder")
        .times(2);
    shop.admin().inject(&fault).await;
    for _ in 0..2 {
        anna.cancel(id).await.expect_unavailable();
    }
    let told = async || {
        let order = kind(shop.admin(), "order").await;
        (order["restarts_by_cause"]["panicked"] == 2).then_some(order)
    };
    let order = eventually(SOON, "two restarts", told).await;
    assert_eq!(order["restarts"], 2, "{order:#}");
    assert_eq!(order["budget"]["allowed"], 10, "{order:#}");
    assert_eq!(order["budget"]["window_ms"], 10_000, "{order:#}");
    assert_eq!(order["escalations"], 0, "{order:#}");
    anna.cancel(id).await.expect_status(200);
    if deployment() == Deployment::Embedded {
        let text = metrics(shop.visitor()).await;
        let restarts = r#"stampede_actor_restarts_total{kind="order",cause="panicked"}"#;
        assert_eq!(value(&text, restarts), Some(2.0), "{text}");
    }
    shop.audit().await;
}

#[tokio::test]
async fn a_budget_that_is_used_up_escalates_and_that_shows() {
    let shop = Shop::open().await;
    shop.expect_panics();
    let lantern = shop.admin().product("LANTERN", 10).await;
    let anna = shop.customer("anna").await;
    let id = anna
        .place(&Order::of(lantern, 1))
        .await
        .expect_status(201)
        .id();
    let fault = Fault::panic_in("order")
        .of(id)
        .matching("CancelOrder")
        .times(11);
    shop.admin().inject(&fault).await;
    for _ in 0..11 {
        anna.cancel(id).await.expect_unavailable();
    }
    let told = async || {
        let order = kind(shop.admin(), "order").await;
        (order["escalations"] == 1).then_some(())
    };
    eventually(SOON, "an escalation", told).await;
    let shards = kind(shop.admin(), "shard").await;
    assert_eq!(shards["restarts_by_cause"]["escalated"], 1, "{shards:#}");
    let cancelled = async || (anna.cancel(id).await.status() == 200).then_some(());
    eventually(SOON, "the order is cancelled at last", cancelled).await;
    if deployment() == Deployment::Embedded {
        let text = metrics(shop.visitor()).await;
        let escalations = r#"stampede_actor_escalations_total{kind="order"}"#;
        assert_eq!(value(&text, escalations), Some(1.0), "{text}");
    }
    shop.audit().await;
}

#[tokio::test]
async fn a_retry_that_fails_replaces_the_error_that_a_parked_command_shows() {
    let mut shop = Shop::open().await;
    shop.expect_panics();
    let lantern = shop.admin().product("LANTERN", 100).await;
    let anna = shop.customer("anna").await;
    let fault = Fault::panic_in("product")
        .of(lantern)
        .matching("quantity: 77");
    shop.admin().inject(&fault).await;
    let order = Order::of(lantern, 77).respond_async();
    anna.place(&order).await.expect_status(202);
    let parked = async || shop.admin().parked().await.into_iter().next();
    let parked = eventually(SOON, "the reservation is parked", parked).await;
    let error = |parked: &Value| parked["error"].as_str().unwrap().to_owned();
    assert!(error(&parked).contains("quantity: 77"), "{parked:#}");

    shop.admin().clear_faults().await;
    let fault = Fault::panic_in("product")
        .of(lantern)
        .matching("ReserveStock")
        .times(1);
    shop.admin().inject(&fault).await;
    let retry = format!("/v1/system/parked/{}/retry", parked["id"].as_str().unwrap());
    let told = shop
        .admin()
        .command(&retry)
        .await
        .expect_problem(409, "parked_failed_again");
    assert!(
        told["detail"].as_str().unwrap().contains("/v1/system"),
        "{told:#}"
    );
    let again = shop.admin().parked().await.remove(0);
    assert!(error(&again).contains("ReserveStock"), "{again:#}");
    assert_eq!(
        (&again["id"], &again["parked_at"]),
        (&parked["id"], &parked["parked_at"])
    );
    shop.audit().await;

    // It is in the journal, so it outlives the process.
    shop.kill_nine();
    shop.restart().await;
    let kept = shop.admin().parked().await.remove(0);
    assert_eq!(error(&kept), error(&again));
    shop.admin().command(&retry).await.expect_status(204);
    assert_eq!(shop.admin().parked().await.len(), 0);
    shop.audit().await;
}

#[tokio::test]
async fn a_full_mailbox_answers_come_back_later_and_memory_stays_bounded() {
    only_with!(Embedded, "it reads the memory of one process");
    const AT_ONCE: usize = 800;
    const ROUNDS: usize = 5;
    /// Far more than the commands that fit take, and far less than all of them and their answers would.
    const GROWTH_MAX: u64 = 128 * 1024 * 1024;
    let shop = Shop::open().await;
    let hot = shop.admin().product("HOT", 1).await;
    let cold = shop.admin().product("COLD", 1).await;
    let before = shop.resident_bytes();
    let (mut done, mut refused) = (0, 0);
    for round in 0..ROUNDS {
        let slow = Fault::slow_commits(Duration::from_secs(2), 1);
        shop.admin().inject(&slow).await;
        let calls = (0..AT_ONCE).map(|number| {
            let admin = shop.admin().clone();
            let key = format!("{round}-{number}");
            async move { admin.adjust_stock(hot, 1, Some(&key)).await }
        });
        for answer in at_once(calls).await {
            match answer.status() {
                200 => done += 1,
                503 => {
                    answer.expect_unavailable();
                    refused += 1;
                }
                _ => panic!("{}", answer.told()),
            }
        }
    }
    assert!(refused > 0, "{done} were carried out: nothing was full");
    assert!(done >= ROUNDS as u64, "{done} were carried out");
    assert_eq!(shop.admin().available(hot).await, 1 + done);
    let grown = shop.resident_bytes().saturating_sub(before);
    assert!(grown < GROWTH_MAX, "memory grew by {grown} bytes");
    shop.admin()
        .adjust_stock(cold, 1, None)
        .await
        .expect_status(200);

    let system = shop.admin().system().await;
    let shards = system["shards"].as_array().unwrap();
    let told: u64 = shards
        .iter()
        .map(|shard| shard["refused"].as_u64().unwrap())
        .sum();
    assert!(told >= refused, "{told} of {refused}");
    let text = metrics(shop.visitor()).await;
    let counted = value(
        &text,
        r#"stampede_commands_refused_total{domain="products"}"#,
    );
    assert!(counted.unwrap() >= refused as f64, "{text}");
    shop.audit().await;
}
