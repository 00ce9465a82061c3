//! JSON whose content is wrong: the problem names the field.

use reqwest::Method;
use serde_json::{Value, json};

use super::Counter;
use crate::harness::{Answer, Api, Order, SOON, eventually, percent_encoded};

/// The first whole number that a JSON number of JavaScript cannot hold safely.
const TWO_TO_53: u64 = 1 << 53;

async fn post_text(client: &Api, path: &str, body: &str) -> Answer {
    let request = client
        .request(Method::POST, path)
        .header("Content-Type", "application/json");
    client.send(request.body(body.to_owned())).await
}

#[tokio::test]
async fn an_order_of_the_wrong_shape_is_refused_at_the_field() {
    let counter = Counter::open().await;
    let good_line = format!("{{\"product_id\":{},\"quantity\":1}}", counter.lantern);
    let lines = |count: usize| vec![good_line.as_str(); count].join(",");
    for (body, pointer) in [
        ("[]".to_owned(), ""),
        ("null".to_owned(), ""),
        ("42".to_owned(), ""),
        ("{}".to_owned(), "/lines"),
        ("{\"lines\":null}".to_owned(), "/lines"),
        ("{\"lines\":\"all\"}".to_owned(), "/lines"),
        ("{\"lines\":{}}".to_owned(), "/lines"),
        ("{\"lines\":[]}".to_owned(), "/lines"),
        (format!("{{\"lines\":[{}]}}", lines(101)), "/lines"),
        ("{\"lines\":[7]}".to_owned(), "/lines/0"),
        // Lists in the place of objects, which a derived parser would take for them.
        (format!("[[{good_line}]]"), ""),
        (
            format!("{{\"lines\":[[{},1]]}}", counter.lantern),
            "/lines/0",
        ),
        (
            format!("{{\"lines\":[{good_line},{{\"quantity\":1}}]}}"),
            "/lines/1/product_id",
        ),
        (
            format!("{{\"lines\":[{{\"product_id\":{}}}]}}", counter.lantern),
            "/lines/0/quantity",
        ),
        (
            format!("{{\"lines\":[{good_line}],\"coupon\":\"X\"}}"),
            "/coupon",
        ),
        (
            format!("{{\"lines\":[{good_line}],\"payment\":{{\"method\":\"card\"}}}}"),
            "/payment",
        ),
        (
            format!(
                "{{\"lines\":[{{\"product_id\":{},\"quantity\":1,\"a/b\":1}}]}}",
                counter.lantern
            ),
            "/lines/0/a~1b",
        ),
    ] {
        let answer = post_text(&counter.anna, "/v1/orders", &body).await;
        answer.expect_problem_at(422, "validation_failed", pointer);
    }
    post_text(
        &counter.anna,
        "/v1/orders",
        &format!("{{\"lines\":[{}]}}", lines(100)),
    )
    .await
    .expect_status(201);
    counter.expect_carries_on(100).await;
}

#[tokio::test]
async fn a_quantity_is_a_whole_number_from_one_to_ten_thousand() {
    let counter = Counter::open().await;
    for quantity in [
        "-1",
        "0",
        "10001",
        "1.5",
        "2147483648",
        "9007199254740992",
        "9223372036854775808",
        "18446744073709551616",
        "-9223372036854775809",
        "\"1\"",
        "true",
        "null",
        "[1]",
        "{}",
    ] {
        let body = format!(
            "{{\"lines\":[{{\"product_id\":{},\"quantity\":{quantity}}}]}}",
            counter.lantern
        );
        let answer = post_text(&counter.anna, "/v1/orders", &body).await;
        answer.expect_problem_at(422, "validation_failed", "/lines/0/quantity");
    }
    counter.expect_carries_on(0).await;
}

#[tokio::test]
async fn a_product_id_is_that_of_a_product() {
    let counter = Counter::open().await;
    let two_to_53 = TWO_TO_53.to_string();
    for product_id in [
        "-1",
        "0",
        "4711",
        "1.5",
        "9007199254740991",
        &two_to_53,
        "18446744073709551616",
        "\"1\"",
        "null",
        "false",
    ] {
        let good_line = format!("{{\"product_id\":{},\"quantity\":1}}", counter.lantern);
        let bad_line = format!("{{\"product_id\":{product_id},\"quantity\":1}}");
        let first = post_text(
            &counter.anna,
            "/v1/orders",
            &format!("{{\"lines\":[{bad_line}]}}"),
        )
        .await;
        first.expect_problem_at(422, "validation_failed", "/lines/0/product_id");
        let second = post_text(
            &counter.anna,
            "/v1/orders",
            &format!("{{\"lines\":[{good_line},{bad_line}]}}"),
        )
        .await;
        second.expect_problem_at(422, "validation_failed", "/lines/1/product_id");
    }
    counter.expect_carries_on(0).await;
}

#[tokio::test]
async fn two_currencies_in_one_order_are_refused_and_hold_nothing() {
    let counter = Counter::open().await;
    let price = json!({"amount": 100, "currency": "USD"});
    let dollars = json!({"sku": "DOLLARS", "name": "From abroad", "price": price, "stock": 5});
    let dollars = counter
        .shop
        .admin()
        .post("/v1/products", &dollars)
        .await
        .expect_status(201)
        .id();
    let order = Order::of(counter.lantern, 1).and(dollars, 1);
    counter
        .anna
        .place(&order)
        .await
        .expect_problem(409, "currency_mismatch");
    eventually(SOON, "nothing is held", async || {
        let admin = counter.shop.admin();
        (admin.available(dollars).await == 5 && admin.available(counter.lantern).await == 1_000)
            .then_some(())
    })
    .await;
    counter.expect_carries_on(0).await;
    counter.shop.audit().await;
}

#[tokio::test]
async fn a_product_is_refused_at_the_field() {
    let counter = Counter::open().await;
    let good = json!({"sku": "ROPE", "name": "Rope", "price": {"amount": 1, "currency": "EUR"}, "stock": 1});
    for (field, value, pointer) in [
        ("sku", json!(""), "/sku"),
        ("sku", json!("a b"), "/sku"),
        ("sku", json!("ROPE\u{0}"), "/sku"),
        ("sku", json!(7), "/sku"),
        ("name", json!(""), "/name"),
        ("name", json!("Rope\u{1b}[2J"), "/name"),
        ("name", json!("x".repeat(10_000)), "/name"),
        ("description", json!(["long"]), "/description"),
        ("price", json!(1), "/price"),
        (
            "price",
            json!({"amount": -1, "currency": "EUR"}),
            "/price/amount",
        ),
        (
            "price",
            json!({"amount": 0.5, "currency": "EUR"}),
            "/price/amount",
        ),
        (
            "price",
            json!({"amount": TWO_TO_53, "currency": "EUR"}),
            "/price/amount",
        ),
        (
            "price",
            json!({"amount": 1, "currency": "euro"}),
            "/price/currency",
        ),
        ("price", json!({"amount": 1}), "/price/currency"),
        (
            "price",
            json!({"amount": 1, "currency": "EUR", "tax": 1}),
            "/price/tax",
        ),
        ("stock", json!(-1), "/stock"),
        ("stock", json!(1.5), "/stock"),
        ("stock", json!(1_000_000_001), "/stock"),
        ("stock", json!(TWO_TO_53), "/stock"),
        ("colour", json!("red"), "/colour"),
    ] {
        let mut body = good.clone();
        body[field] = value;
        let answer = counter.shop.admin().post("/v1/products", &body).await;
        answer.expect_problem_at(422, "validation_failed", pointer);
    }
    for field in ["sku", "name", "price", "stock"] {
        let mut body = good.clone();
        body.as_object_mut().unwrap().remove(field);
        let answer = counter.shop.admin().post("/v1/products", &body).await;
        answer.expect_problem_at(422, "validation_failed", &format!("/{field}"));
    }
    assert_eq!(counter.shop.visitor().all("/v1/products").await.len(), 1);
    counter.expect_carries_on(0).await;
}

#[tokio::test]
async fn a_change_of_a_product_is_refused_at_the_field() {
    let counter = Counter::open().await;
    let admin = counter.shop.admin();
    let product = format!("/v1/products/{}", counter.lantern);
    for (body, pointer) in [
        (json!({"name": ""}), "/name"),
        (
            json!({"price": {"amount": -5, "currency": "EUR"}}),
            "/price/amount",
        ),
        (json!({"sku": "OTHER"}), "/sku"),
        (json!({"stock": 5}), "/stock"),
    ] {
        admin
            .patch(&product, &body)
            .await
            .expect_problem_at(422, "validation_failed", pointer);
    }
    for (body, pointer) in [
        (json!({"reason": "found"}), "/delta"),
        (json!({"delta": "5", "reason": "found"}), "/delta"),
        (json!({"delta": 0.5, "reason": "found"}), "/delta"),
        (json!({"delta": TWO_TO_53, "reason": "found"}), "/delta"),
        (json!({"delta": 5}), "/reason"),
        (json!({"delta": 5, "reason": 5}), "/reason"),
        (json!({"delta": 5, "reason": "found", "at": "night"}), "/at"),
    ] {
        let answer = admin.post(&format!("{product}/stock"), &body).await;
        answer.expect_problem_at(422, "validation_failed", pointer);
    }
    counter.expect_carries_on(0).await;
}

#[tokio::test]
async fn a_path_or_query_that_makes_no_sense_is_a_problem_and_a_strange_header_is_none() {
    let counter = Counter::open().await;
    for path in [
        "/v1/orders/1",
        "/v1/orders/9007199254740991",
        "/v1/orders/1/events",
        "/v1/products/4711",
    ] {
        counter
            .anna
            .get(path)
            .await
            .expect_problem(404, "not_found");
    }
    let odd_cursor = percent_encoded("no cursor \u{0}'\"");
    for path in [
        "/v1/orders/abc".to_owned(),
        "/v1/orders/-1".to_owned(),
        "/v1/orders/18446744073709551616".to_owned(),
        "/v1/products/%ff".to_owned(),
        "/v1/orders?limit=many".to_owned(),
        "/v1/orders?limit=-1".to_owned(),
        "/v1/orders?status=lost".to_owned(),
        format!("/v1/orders?cursor={odd_cursor}"),
        format!("/v1/products?cursor={odd_cursor}"),
    ] {
        counter.anna.get(&path).await.expect_any_problem();
    }
    let page = counter.anna.get("/v1/orders?limit=100000").await;
    if page.status() != 200 {
        page.expect_any_problem();
    }

    let order: Value = json!({"lines": [{"product_id": counter.lantern, "quantity": 1}]});
    for preference in [
        "wait=soon",
        "wait=-1",
        "wait=99999999999999999999",
        "handling=lenient, wait=1",
        ";;",
    ] {
        let request = counter
            .anna
            .request(Method::POST, "/v1/orders")
            .header("Prefer", preference);
        let answer = counter.anna.send(request.json(&order)).await;
        assert!(
            matches!(answer.status(), 201 | 202),
            "Prefer is a wish: {}",
            answer.told()
        );
    }
    counter.expect_carries_on(5).await;
}
