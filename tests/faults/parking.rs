//! A message that always panics is set aside, seen, and brought to an end by the admin.

use std::time::Duration;

use serde_json::Value;

use crate::harness::{Api, Fault, Order, SOON, Shop, eventually, is_settled};

/// Ten times the second within which a message that keeps failing is parked.
const PARKING_TIME_MAX: Duration = Duration::from_secs(10);
/// The minute that a reservation may take by default, and as much again for a slow machine.
const EXPIRY_TIME_MAX: Duration = Duration::from_secs(120);

/// A shop with one order whose reservation of 77 pieces always panics, until it is parked.
struct Scene {
    shop: Shop,
    anna: Api,
    lantern: u64,
    poisoned_order: u64,
    parked: Value,
}

async fn with_a_parked_reservation() -> Scene {
    let shop = Shop::open().await;
    shop.expect_panics();
    let lantern = shop.admin().product("LANTERN", 100).await;
    let anna = shop.customer("anna").await;
    shop.admin()
        .inject(
            &Fault::panic_in("product")
                .of(lantern)
                .matching("quantity: 77"),
        )
        .await;
    let poisoned_order = anna
        .place(&Order::of(lantern, 77).respond_async())
        .await
        .expect_status(202)
        .id();
    let parked = eventually(PARKING_TIME_MAX, "the reservation is parked", async || {
        shop.admin().parked().await.into_iter().next()
    });
    let parked = parked.await;
    Scene {
        shop,
        anna,
        lantern,
        poisoned_order,
        parked,
    }
}

impl Scene {
    async fn decide(&self, what: &str) {
        let path = format!("/v1/system/parked/{}/{what}", self.parked_id());
        let answer = self.shop.admin().command(&path).await;
        assert!((200..300).contains(&answer.status()), "{}", answer.told());
        let gone = async || self.shop.admin().parked().await.is_empty().then_some(());
        eventually(SOON, "nothing is parked any more", gone).await;
        let again = self.shop.admin().command(&path).await;
        again.expect_problem(404, "not_found");
    }

    /// The id as it stands in a path, be it a number or a text.
    fn parked_id(&self) -> String {
        let id = &self.parked["id"];
        id.as_str().map_or_else(|| id.to_string(), str::to_owned)
    }

    async fn expect_settled(&self, within: Duration) -> Value {
        eventually(within, "the order settles", async || {
            let order = self.anna.order(self.poisoned_order).await;
            is_settled(&order).then_some(order)
        })
        .await
    }
}

#[tokio::test]
async fn a_message_that_always_panics_is_parked_while_others_go_on_and_a_retry_brings_it_to_its_end()
 {
    let mut scene = with_a_parked_reservation().await;
    for field in ["id", "shard", "source", "error", "parked_at"] {
        assert!(
            !scene.parked[field].is_null(),
            "{field} of {:#}",
            scene.parked
        );
    }
    scene
        .anna
        .place(&Order::of(scene.lantern, 1))
        .await
        .expect_status(201);
    assert!(!is_settled(&scene.anna.order(scene.poisoned_order).await));
    scene.shop.audit().await;

    // What is parked is journaled, so a crash does not lose it, and the restart takes the fault away.
    scene.shop.kill_nine();
    scene.shop.restart().await;
    assert_eq!(scene.shop.admin().parked().await.len(), 1);
    scene.decide("retry").await;
    let order = scene.expect_settled(SOON).await;
    assert_eq!(order["status"], "confirmed");
    assert_eq!(
        scene.shop.admin().available(scene.lantern).await,
        100 - 77 - 1
    );
    scene.shop.audit().await;
}

#[tokio::test]
async fn a_parked_command_that_two_admins_retry_at_once_takes_effect_once() {
    let scene = with_a_parked_reservation().await;
    scene.shop.admin().clear_faults().await;
    let path = format!("/v1/system/parked/{}/retry", scene.parked_id());
    let tries = (0..8).map(|_| scene.shop.admin().command(&path));
    let answers = futures::future::join_all(tries).await;
    let done = answers
        .iter()
        .filter(|answer| (200..300).contains(&answer.status()))
        .count();
    assert_eq!(done, 1, "one of them dealt with it");
    assert_eq!(scene.expect_settled(SOON).await["status"], "confirmed");
    assert_eq!(scene.shop.admin().available(scene.lantern).await, 100 - 77);
    scene.shop.audit().await;
}

/// Waits for the order's deadline of a minute, almost without using the processor.
#[tokio::test]
async fn an_order_whose_parked_reservation_is_discarded_settles_by_its_deadline_and_holds_nothing()
{
    let scene = with_a_parked_reservation().await;
    scene.decide("discard").await;
    scene
        .anna
        .place(&Order::of(scene.lantern, 1))
        .await
        .expect_status(201);
    scene.shop.audit().await;

    let order = scene.expect_settled(EXPIRY_TIME_MAX).await;
    assert_ne!(order["status"], "confirmed");
    assert_eq!(scene.shop.admin().available(scene.lantern).await, 99);
    scene.shop.audit().await;
}
