//! From the order to its history, its notification and its log entries, and back again by cancelling.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Api, Order, SOON, Shop, eventually};

#[tokio::test]
async fn a_customer_registers_orders_and_sees_the_order_its_history_notification_and_log() {
    let shop = Shop::open().await;
    let lantern = shop.admin().product("LANTERN", 10).await;
    let anna = shop.customer("anna").await;

    let answer = anna.place(&Order::of(lantern, 2)).await.expect_status(201);
    let order_id = answer.id();
    let order = answer.json();
    assert!(
        answer
            .expect_header("Location")
            .ends_with(&format!("/v1/orders/{order_id}"))
    );
    assert_confirmed_order_of_two(&order, &anna, lantern);

    assert_eq!(anna.order(order_id).await, order);
    assert_eq!(anna.orders().await, [order]);
    assert_eq!(shop.admin().available(lantern).await, 8);
    assert_history_from_created_to_confirmed(&anna, order_id).await;
    assert_one_notification(&anna, order_id).await;
    assert_log_entries(shop.admin(), order_id).await;
    let report = shop.audit().await;
    for invariant in ["I1", "I2", "I3", "I4", "I6", "I7", "I8", "I9", "I10"] {
        assert!(
            report.checked(invariant) > 0,
            "{invariant} was not looked at: {report:?}"
        );
    }
}

fn assert_confirmed_order_of_two(order: &Value, buyer: &Api, product_id: u64) {
    assert_eq!(order["user_id"], buyer.user_id());
    assert_eq!(order["status"], "confirmed");
    assert_eq!(order["payment_status"], "none");
    assert_eq!(order["fulfilment_status"], "none");
    assert_eq!(order["total"], json!({"amount": 2500, "currency": "EUR"}));
    assert_eq!(order["reason"], Value::Null);
    let line = json!({
        "product_id": product_id,
        "sku": "LANTERN",
        "name": "The LANTERN",
        "quantity": 2,
        "unit_price": {"amount": 1250, "currency": "EUR"},
    });
    assert_eq!(order["lines"], json!([line]));
    for time in ["created_at", "updated_at"] {
        assert!(
            order[time].as_str().is_some_and(|text| text.ends_with('Z')),
            "{time} of {order:#}"
        );
    }
}

async fn assert_history_from_created_to_confirmed(buyer: &Api, order_id: u64) {
    let events = eventually(SOON, "the history shows the confirmation", async || {
        let events = buyer.events(order_id).await;
        is_of_type(events.last()?, "confirmed").then_some(events)
    });
    let events = events.await;
    assert!(is_of_type(&events[0], "created"), "{events:#?}");
    let seqs: Vec<u64> = events
        .iter()
        .map(|event| event["seq"].as_u64().unwrap())
        .collect();
    let counted: Vec<u64> = (1..).take(events.len()).collect();
    assert_eq!(seqs, counted);
    assert!(
        events
            .iter()
            .all(|event| event["time"].is_string() && event["data"].is_object()),
        "{events:#?}"
    );
}

fn is_of_type(event: &Value, word: &str) -> bool {
    event["type"]
        .as_str()
        .is_some_and(|name| name.to_lowercase().contains(word))
}

async fn assert_one_notification(buyer: &Api, order_id: u64) {
    let notifications = eventually(SOON, "the order is notified", async || {
        let notifications = buyer.notifications_of(order_id).await;
        (!notifications.is_empty()).then_some(notifications)
    });
    let notifications = notifications.await;
    let templates: BTreeSet<&str> = notifications
        .iter()
        .map(|item| item["template"].as_str().unwrap())
        .collect();
    assert_eq!(
        templates.len(),
        notifications.len(),
        "one per order and template: {notifications:#?}"
    );
    for field in ["channel", "status", "subject", "body", "created_at"] {
        let text = notifications[0][field].as_str();
        assert!(
            text.is_some_and(|text| !text.is_empty()),
            "{field} of {notifications:#?}"
        );
    }
}

async fn assert_log_entries(admin: &Api, order_id: u64) {
    let entries = eventually(
        SOON,
        "the log shows creation and confirmation",
        async || {
            let entries = admin.logs_of(order_id).await;
            let shows = |word| entries.iter().any(|entry| is_of_type(entry, word));
            (shows("created") && shows("confirmed")).then_some(entries)
        },
    );
    let entries = entries.await;
    assert!(
        entries.iter().all(|entry| entry["order_id"] == order_id),
        "{entries:#?}"
    );
    for field in ["time", "level", "service", "type", "message"] {
        assert!(
            entries.iter().all(|entry| entry[field].is_string()),
            "{field} of {entries:#?}"
        );
    }
    let event_type = entries[0]["type"].as_str().unwrap();
    let of_type = admin
        .all(&format!("/v1/logs?order_id={order_id}&type={event_type}"))
        .await;
    assert!(
        !of_type.is_empty() && of_type.iter().all(|entry| entry["type"] == event_type),
        "{of_type:#?}"
    );
    assert_eq!(
        admin
            .all(&format!("/v1/logs?order_id={order_id}&level=error"))
            .await,
        Vec::<Value>::new()
    );
}

#[tokio::test]
async fn a_customer_cannot_see_anothers_order_nor_do_what_is_the_admins() {
    let shop = Shop::open().await;
    let lantern = shop.admin().product("LANTERN", 10).await;
    let (anna, ben) = (shop.customer("anna").await, shop.customer("ben").await);
    let order_id = anna
        .place(&Order::of(lantern, 1))
        .await
        .expect_status(201)
        .id();
    let order = format!("/v1/orders/{order_id}");

    for path in [order.clone(), format!("{order}/events")] {
        ben.get(&path).await.expect_problem(404, "not_found");
        shop.admin().get(&path).await.expect_status(200);
    }
    ben.cancel(order_id).await.expect_problem(404, "not_found");
    assert_eq!(ben.orders().await, Vec::<Value>::new());
    assert_eq!(ben.notifications_of(order_id).await, Vec::<Value>::new());
    assert_eq!(anna.order(order_id).await["status"], "confirmed");

    ben.offer("HERS", 1).await.expect_problem(403, "forbidden");
    ben.patch(&format!("/v1/products/{lantern}"), &json!({"name": "Mine"}))
        .await
        .expect_problem(403, "forbidden");
    ben.adjust_stock(lantern, 5, None)
        .await
        .expect_problem(403, "forbidden");
    ben.get("/v1/logs").await.expect_problem(403, "forbidden");
    ben.get("/v1/system").await.expect_problem(403, "forbidden");
    assert_eq!(shop.admin().available(lantern).await, 9);
}

#[tokio::test]
async fn a_refused_order_says_what_was_short_and_stays_readable() {
    let shop = Shop::open().await;
    let lantern = shop.admin().product("LANTERN", 3).await;
    let anna = shop.customer("anna").await;

    let answer = anna.place(&Order::of(lantern, 5)).await;
    let problem = answer.expect_problem(409, "out_of_stock");
    let order_id = problem["order_id"]
        .as_u64()
        .expect("a refusal names its order");
    assert!(
        answer
            .expect_header("Location")
            .ends_with(&format!("/v1/orders/{order_id}"))
    );
    assert_eq!(problem["lines"][0]["product_id"], lantern, "{problem:#}");

    let order = anna.order(order_id).await;
    assert_eq!(order["status"], "rejected");
    assert!(order["reason"].is_string(), "{order:#}");
    anna.cancel(order_id)
        .await
        .expect_problem(409, "not_cancellable");
    assert_eq!(shop.admin().available(lantern).await, 3);
    shop.audit().await;
}

#[tokio::test]
async fn cancelling_gives_the_stock_back_once() {
    let shop = Shop::open().await;
    let lantern = shop.admin().product("LANTERN", 10).await;
    let anna = shop.customer("anna").await;
    let order_id = anna
        .place(&Order::of(lantern, 4))
        .await
        .expect_status(201)
        .id();

    let order = anna.cancel(order_id).await.expect_status(200).json();
    assert_eq!(
        (&order["id"], &order["status"]),
        (&json!(order_id), &json!("cancelled"))
    );
    let returned = async || (shop.admin().available(lantern).await == 10).then_some(());
    eventually(SOON, "the stock is back", returned).await;

    let again = anna.cancel(order_id).await;
    assert!(matches!(again.status(), 200 | 409), "{}", again.told());
    anna.place(&Order::of(lantern, 10)).await.expect_status(201);
    assert_eq!(shop.admin().available(lantern).await, 0);
    shop.audit().await;
}

#[tokio::test]
async fn an_order_answers_at_once_when_asked_to_and_settles_later() {
    let shop = Shop::open().await;
    let lantern = shop.admin().product("LANTERN", 10).await;
    let anna = shop.customer("anna").await;

    let answer = anna
        .place(&Order::of(lantern, 1).respond_async())
        .await
        .expect_status(202);
    let order_id = answer.id();
    assert!(
        answer
            .expect_header("Location")
            .ends_with(&format!("/v1/orders/{order_id}"))
    );
    assert_eq!(answer.json()["lines"][0]["quantity"], 1);
    eventually(SOON, "the order is confirmed", async || {
        (anna.order(order_id).await["status"] == "confirmed").then_some(())
    })
    .await;
}

#[tokio::test]
async fn orders_are_paged_newest_first_without_a_gap_or_a_repetition() {
    let shop = Shop::open().await;
    let lantern = shop.admin().product("LANTERN", 6).await;
    let anna = shop.customer("anna").await;
    let mut newest_first = Vec::new();
    for _ in 0..6 {
        newest_first.insert(
            0,
            anna.place(&Order::of(lantern, 1))
                .await
                .expect_status(201)
                .id(),
        );
    }
    anna.place(&Order::of(lantern, 2))
        .await
        .expect_problem(409, "out_of_stock");

    let mut paged = Vec::new();
    let mut path = "/v1/orders?status=confirmed&limit=4".to_owned();
    loop {
        let page = anna.get(&path).await.expect_status(200).json();
        let ids = page["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|order| order["id"].as_u64().unwrap());
        paged.extend(ids);
        if page["has_more"] == false {
            assert_eq!(page["next_cursor"], Value::Null);
            break;
        }
        assert_eq!(paged.len(), 4, "a page is as long as its limit");
        path = format!(
            "/v1/orders?status=confirmed&limit=4&cursor={}",
            page["next_cursor"].as_str().unwrap()
        );
    }
    assert_eq!(paged, newest_first);
}

#[tokio::test]
async fn the_history_streams_live_and_resumes_after_the_last_event_seen() {
    let shop = Shop::open().await;
    let lantern = shop.admin().product("LANTERN", 10).await;
    let anna = shop.customer("anna").await;
    let order_id = anna
        .place(&Order::of(lantern, 1))
        .await
        .expect_status(201)
        .id();
    let known = anna.events(order_id).await.len();
    let counted = |from: u64, count: usize| (from..).take(count).collect::<Vec<u64>>();

    let mut from_the_start = anna.event_stream(order_id, None).await;
    assert_eq!(from_the_start.next_ids(known).await, counted(1, known));
    let mut resumed = anna.event_stream(order_id, Some(1)).await;
    assert_eq!(resumed.next_ids(known - 1).await, counted(2, known - 1));
    let mut up_to_date = anna
        .event_stream(order_id, Some(u64::try_from(known).unwrap()))
        .await;
    assert!(
        up_to_date.is_silent_for(Duration::from_millis(300)).await,
        "nothing is sent twice"
    );

    // A confirmed order can still be cancelled, so the stream is live.
    anna.cancel(order_id).await.expect_status(200);
    let next = u64::try_from(known).unwrap() + 1;
    for stream in [&mut from_the_start, &mut resumed, &mut up_to_date] {
        let event = stream.next().await;
        assert_eq!(event.id, next);
        assert!(event.text.to_lowercase().contains("cancelled"), "{event:?}");
    }
}
