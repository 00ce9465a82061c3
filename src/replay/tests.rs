//! An order's history and state, read from a store.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use super::*;
use crate::audit::tests::{servers::Servers, shop::Shop};

fn place(dir: &Path) -> Place {
    Place::Directory(dir.to_owned())
}

#[tokio::test]
async fn the_history_and_the_state_at_any_point_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut shop = Shop::open(dir.path(), 5).await;
    let sold = shop.sell(2).await;
    let refused = shop.sell(100).await;

    let replayed = replay(&place(dir.path()), sold, None).await.unwrap();
    let value = json::of(&replayed);
    assert_eq!(value["order_id"], sold.get());
    assert_eq!(value["at"], 2);
    let events = value["events"].as_array().unwrap();
    assert_eq!(events.len(), 2);
    assert_eq!(
        (&events[0]["seq"], &events[1]["seq"]),
        (&1.into(), &2.into())
    );
    assert_eq!(events[0]["type"], "order.created.v1");
    assert_eq!(events[0]["data"]["lines"][0]["quantity"], 2);
    assert!(events[0]["time"].as_str().unwrap().ends_with('Z'));
    assert_eq!(events[1]["data"]["answer"]["sku"], "LANTERN");
    assert_eq!(value["state"]["status"], "confirmed");
    assert_eq!(value["state"]["total"]["amount"], 9_998);

    let earlier = json::of(&replay(&place(dir.path()), sold, Some(1)).await.unwrap());
    assert_eq!(earlier["state"]["status"], "created");
    assert_eq!(earlier["state"]["lines"][0]["sku"], serde_json::Value::Null);
    assert_eq!(
        earlier["events"], value["events"],
        "all of the history is shown"
    );

    let told = text::of(&replayed);
    for part in [
        "user 1 orders 2 of product 1",
        "reserves 2 of LANTERN (\"Storm lantern\") at 49.99 EUR",
        "state after event 2 of 2",
        "status    confirmed",
        "total     99.98 EUR",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let told = text::of(&replay(&place(dir.path()), refused, None).await.unwrap());
    for part in [
        "product 1 refuses, 3 left; out_of_stock",
        "reason    out_of_stock",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_told_clearly() {
    let dir = tempfile::tempdir().unwrap();
    let mut shop = Shop::open(dir.path(), 5).await;
    let order = shop.sell(2).await;
    for at in [0, 3, u64::MAX] {
        let error = replay(&place(dir.path()), order, Some(at))
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("order {order} has no event {at}: --at takes a number from 1 to 2")
        );
        assert_eq!(error.exit_code(), EXIT_NOT_THERE);
    }
    let unknown = OrderId::new(order.get() + 1).unwrap();
    let error = replay(&place(dir.path()), unknown, None).await.unwrap_err();
    assert_eq!(error.to_string(), format!("there is no order {unknown}"));
    let error = replay(&place(&dir.path().join("nowhere")), order, None)
        .await
        .unwrap_err();
    assert_eq!(error.exit_code(), EXIT_UNREADABLE);
}

#[test]
fn an_order_id_is_checked_when_it_is_typed() {
    for bad in ["", "0", "-1", "9007199254740992", "abc"] {
        assert!(order_id(bad).is_err(), "{bad}");
    }
    assert_eq!(order_id("17"), Ok(OrderId::new(17).unwrap()));
}

#[tokio::test]
async fn an_order_of_a_cluster_is_replayed() {
    let servers = Servers::with(true, false).await;
    let mut shop = servers.shop(5).await;
    let order = shop.sell(2).await;
    let cluster = Place::Cluster(Box::new(servers.config.clone()));
    let value = json::of(&replay(&cluster, order, None).await.unwrap());
    assert_eq!(value["state"]["status"], "confirmed");
    assert_eq!(value["events"].as_array().unwrap().len(), 2);
    let unknown = OrderId::new(order.get() + 1).unwrap();
    let error = replay(&cluster, unknown, None).await.unwrap_err();
    assert_eq!(error.exit_code(), EXIT_NOT_THERE);
    servers.clean().await;
}
