//! Orders whose deadline has passed: moved on with the reason in their history, or listed until they can be.
//!
//! Each of these waits for a deadline of a minute, almost without using the processor.

use std::time::Duration;

use serde_json::Value;

use super::metrics::{metrics, value};
#[cfg(feature = "fault-injection")]
use crate::harness::Setup;
use crate::harness::{
    Api, Deployment, Fault, Order, SOON, Shop, deployment, eventually, is_settled, only_with,
};

/// The minute that a reservation may take, and as much again for a slow machine.
const EXPIRY_TIME_MAX: Duration = Duration::from_secs(130);

async fn stuck(admin: &Api) -> Vec<Value> {
    admin.all("/v1/orders?stuck=true").await
}

async fn listed(admin: &Api, id: u64) -> bool {
    stuck(admin).await.iter().any(|order| order["id"] == id)
}

/// What some shard says of this order that it still waits for.
async fn why(admin: &Api, id: u64) -> Option<Value> {
    let system = admin.system().await;
    let shards = system["shards"].as_array().unwrap();
    let mut all = shards
        .iter()
        .flat_map(|shard| shard["stuck"].as_array().unwrap());
    all.find(|stuck| stuck["id"] == id).cloned()
}

async fn reason_of_the_end(buyer: &Api, id: u64) -> String {
    let events = buyer.events(id).await;
    let expired = events
        .iter()
        .find(|event| event["type"] == "order.expired.v1");
    let expired = expired.unwrap_or_else(|| panic!("{events:#?}"));
    expired["data"]["reason"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn stuck_orders_are_listed_for_administrators_only() {
    let shop = Shop::open().await;
    let anna = shop.customer("anna").await;
    anna.get("/v1/orders?stuck=true")
        .await
        .expect_problem(403, "forbidden");
    assert_eq!(stuck(shop.admin()).await, Vec::<Value>::new());
}

/// The order's own handler cannot give it up: it is tried again and again, and the order is listed until it works.
#[tokio::test]
async fn an_order_that_cannot_be_given_up_is_listed_as_stuck_until_it_can() {
    let mut shop = Shop::open().await;
    shop.expect_panics();
    let lantern = shop.admin().product("LANTERN", 100).await;
    let tent = shop.admin().product("TENT", 100).await;
    let anna = shop.customer("anna").await;
    let poison = Fault::panic_in("product")
        .of(lantern)
        .matching("quantity: 77");
    shop.admin().inject(&poison).await;
    shop.admin()
        .inject(&Fault::panic_in("order").matching("ExpireOrder"))
        .await;
    let order = Order::of(lantern, 77).and(tent, 5).respond_async();
    let id = anna.place(&order).await.expect_status(202).id();

    let told = async || {
        why(shop.admin(), id)
            .await
            .filter(|stuck| stuck["was_told"] == true)
    };
    eventually(EXPIRY_TIME_MAX, "the order is stuck", told).await;
    assert!(listed(shop.admin(), id).await);
    assert_eq!(anna.order(id).await["status"], "created");
    assert_eq!(shop.admin().available(tent).await, 95);
    if deployment() == Deployment::Embedded {
        let text = metrics(shop.visitor()).await;
        assert_eq!(value(&text, "stampede_orders_overdue"), Some(1.0), "{text}");
    }

    // The deadline outlives the process, and the restart takes the faults away.
    shop.kill_nine();
    shop.restart().await;
    let settled = async || is_settled(&anna.order(id).await).then_some(());
    eventually(SOON, "the order is given up", settled).await;
    let order = anna.order(id).await;
    assert_eq!(
        (&order["status"], &order["reason"]),
        (&"expired".into(), &"deadline_passed".into())
    );
    assert_eq!(reason_of_the_end(&anna, id).await, "deadline_passed");
    let returned = async || (shop.admin().available(tent).await == 100).then_some(());
    eventually(SOON, "what it held is given back", returned).await;
    assert!(!listed(shop.admin(), id).await);
    assert_eq!(why(shop.admin(), id).await, None);

    // Its reservation is parked still; retried, it comes too late and is given back as well.
    let parked = shop.admin().parked().await.remove(0);
    let retry = format!("/v1/system/parked/{}/retry", parked["id"].as_str().unwrap());
    shop.admin().command(&retry).await.expect_status(204);
    let returned = async || (shop.admin().available(lantern).await == 100).then_some(());
    eventually(SOON, "what came too late is given back", returned).await;
    shop.audit().await;
}

/// Two orders of one customer pass their deadline. The link on which the one waits is held by a record that this version
/// does not know; the other's reservation is parked, and its link is confirmed.
#[cfg(feature = "fault-injection")]
#[tokio::test]
async fn a_held_link_suspends_the_orders_that_wait_on_it_and_no_others() {
    only_with!(Embedded, "it makes the feed in memory lose records");
    let mut shop = Shop::open_with(Setup {
        environment: vec![("STAMPEDE_FAULT_UNKNOWN_EVENT_TYPES", "order.created.v1")],
        ..Setup::default()
    })
    .await;
    shop.expect_panics();
    // Neighbours: of different shards.
    let (held, free) = (
        shop.admin().product("HELD", 100).await,
        shop.admin().product("FREE", 100).await,
    );
    let anna = shop.customer("anna").await;
    let poison = Fault::panic_in("product").of(free).matching("quantity: 7");
    shop.admin().inject(&poison).await;
    let order = Order::of(free, 7).respond_async();
    let parked = anna.place(&order).await.expect_status(202).id();
    let is_parked = async || shop.admin().parked().await.into_iter().next();
    eventually(SOON, "the reservation is parked", is_parked).await;
    // What is lost has to be read from the journal, where this version does not know it.
    shop.admin().clear_faults().await;
    shop.admin().inject(&Fault::unreliable_feed(1.0)).await;
    let order = Order::of(held, 1).respond_async();
    let suspended = anna.place(&order).await.expect_status(202).id();

    let link = async || {
        let system = shop.admin().system().await;
        let shards = system["shards"].as_array().unwrap();
        let of_products = shards.iter().filter(|shard| shard["domain"] == "products");
        let mut links = of_products.flat_map(|shard| shard["held"].as_array().unwrap());
        links.next().cloned()
    };
    let link = eventually(SOON, "the link is held", link).await;
    assert_eq!(link["source"]["domain"], "orders", "{link:#}");
    assert!(
        link["source"]["position"].as_u64().unwrap() >= 1,
        "{link:#}"
    );
    assert!(
        link["reason"]
            .as_str()
            .unwrap()
            .contains("order.created.v1"),
        "{link:#}"
    );
    shop.admin().clear_faults().await;

    let expired = async || is_settled(&anna.order(parked).await).then_some(());
    eventually(
        EXPIRY_TIME_MAX,
        "the order on the confirmed link is given up",
        expired,
    )
    .await;
    assert_eq!(anna.order(parked).await["status"], "expired");
    assert_eq!(reason_of_the_end(&anna, parked).await, "deadline_passed");
    let waits = async || why(shop.admin(), suspended).await;
    let waits = eventually(EXPIRY_TIME_MAX, "the other order is overdue", waits).await;
    assert_eq!(
        waits["unconfirmed"].as_array().unwrap().len(),
        1,
        "{waits:#}"
    );
    assert_eq!(waits["unconfirmed"][0]["domain"], "products", "{waits:#}");
    assert!(listed(shop.admin(), suspended).await);
    assert_eq!(anna.order(suspended).await["status"], "created");
    let text = metrics(shop.visitor()).await;
    assert_eq!(value(&text, "stampede_orders_overdue"), Some(1.0), "{text}");
    let links = value(&text, r#"stampede_held_links{domain="products"}"#);
    assert_eq!(links, Some(1.0), "{text}");

    // A version that knows the record takes it up.
    shop.terminate().await;
    shop.restart().await;
    let settled = async || is_settled(&anna.order(suspended).await).then_some(());
    eventually(SOON, "the suspended order settles", settled).await;
    assert!(!listed(shop.admin(), suspended).await);
    shop.audit().await;
}
