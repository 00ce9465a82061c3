//! A shop whose history was archived sells on.

use std::fs;

use crate::audit_damage::{change, closed_shop};
use crate::harness::{Order, PASSWORD, SOON, Shop, eventually, only_with, stampede};

/// Takes everything out of the journals, as if it were old.
const ARCHIVE_ALL: [&str; 2] = [
    "INSERT INTO archived SELECT domain, shard, last_position, \
     (SELECT max(time_ms) + 1 FROM journal) FROM head WHERE last_position > 0",
    "DELETE FROM journal",
];

#[tokio::test]
async fn a_shop_whose_history_was_archived_sells_on_and_says_what_it_no_longer_knows() {
    only_with!(Embedded, "it changes the file of the embedded store");
    let mut shop = closed_shop().await;
    for sql in ARCHIVE_ALL {
        change(&shop.data_dir(), sql);
    }
    shop.restart().await;
    sell_on(shop).await;
}

#[tokio::test]
async fn an_activity_log_that_is_begun_anew_begins_behind_the_archive() {
    only_with!(Embedded, "it changes the files of the embedded store");
    let mut shop = closed_shop().await;
    for sql in ARCHIVE_ALL {
        change(&shop.data_dir(), sql);
    }
    fs::remove_file(shop.data_dir().join("activity.db")).unwrap();
    shop.restart().await;
    sell_on(shop).await;
}

async fn sell_on(mut shop: Shop) {
    let anna = shop.visitor().logged_in("anna", PASSWORD).await;
    let orders = anna.orders().await;
    assert_eq!(orders.len(), 4);
    for order in &orders {
        let path = format!("/v1/orders/{}", order["id"]);
        anna.get(&path).await.expect_status(200);
        let events = format!("{path}/events");
        let history = anna.get(&events).await;
        history.expect_problem(410, "history_archived");
        let stream = anna.request(reqwest::Method::GET, &events);
        let stream = stream.header("accept", "text/event-stream");
        let stream = anna.send(stream).await;
        stream.expect_problem(410, "history_archived");
    }
    let [flag, store] = shop.store();
    let id = orders[0]["id"].to_string();
    let replay = stampede(["replay".into(), "order".into(), id.into(), flag, store]).await;
    assert_eq!(replay.exit_code, 1, "{replay:?}");
    assert!(replay.stderr.contains("was archived"), "{replay:?}");
    // What was ordered then can still be cancelled, and what is ordered now is as ever.
    let old = orders.iter().find(|order| order["status"] == "confirmed");
    let old = old.unwrap()["id"].as_u64().unwrap();
    anna.cancel(old).await.expect_status(200);
    let lantern = orders[0]["lines"][0]["product_id"].as_u64().unwrap();
    let new = anna.place(&Order::of(lantern, 1)).await;
    let new = new.expect_status(201).id();
    assert!(anna.events(new).await.len() >= 2);
    eventually(SOON, "both are in the activity log", async || {
        let logged = shop.admin().logs_of(new).await.len() >= 2;
        let cancelled = shop.admin().logs_of(old).await;
        let cancelled = cancelled
            .iter()
            .any(|entry| entry["type"] == "order.cancelled.v1");
        (logged && cancelled).then_some(())
    })
    .await;
    shop.audit().await;
    shop.terminate().await;
    shop.audit().await;
}

#[tokio::test]
async fn what_is_young_is_not_archived() {
    let mut shop = Shop::open().await;
    let lantern = shop.admin().product("LANTERN", 10).await;
    let anna = shop.customer("anna").await;
    let order = anna
        .place(&Order::of(lantern, 1))
        .await
        .expect_status(201)
        .id();
    let files = shop.home().join("archive");
    let to = files.to_str().unwrap().to_owned();
    let [flag, store] = shop.store();
    let (flag, store) = (flag.to_str().unwrap(), store.to_str().unwrap());
    let write = async |before: &str| {
        stampede([
            "archive", "write", flag, store, "--before", before, "--to", &to,
        ])
        .await
    };
    let young = write("47h").await;
    assert_eq!(young.exit_code, 1, "{young:?}");
    assert!(young.stderr.contains("less than two days ago"), "{young:?}");
    let none = write("2d").await;
    assert_eq!(none.exit_code, 0, "{none:?}");
    assert!(
        none.stdout.contains(": 0 records of 0 journals"),
        "{none:?}"
    );
    assert!(!files.exists());
    let restore = stampede(["archive", "restore", flag, store, "--from", &to]).await;
    assert_eq!(restore.exit_code, 1, "{restore:?}");
    assert!(restore.stderr.contains("cannot read"), "{restore:?}");
    assert!(!anna.events(order).await.is_empty());
    shop.terminate().await;
}
