//! The catalogue: made and changed by the admin, read by everybody.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Api, Order, Setup, Shop, only_with};

#[tokio::test]
async fn a_product_is_created_found_and_changed_only_as_asked() {
    let shop = Shop::open().await;
    let admin = shop.admin();
    let created = admin
        .post(
            "/v1/products",
            &json!({
                "sku": "LANTERN-1",
                "name": "Storm lantern",
                "description": "Burns for nine hours.",
                "price": {"amount": 4999, "currency": "EUR"},
                "stock": 7,
            }),
        )
        .await
        .expect_status(201)
        .json();
    let path = format!("/v1/products/{}", created["id"]);
    assert_eq!(created["sku"], "LANTERN-1");
    assert_eq!(created["description"], "Burns for nine hours.");
    assert_eq!(created["stock"], json!({"available": 7}));
    assert_eq!(
        shop.visitor().get(&path).await.expect_status(200).json(),
        created
    );
    admin
        .offer("LANTERN-1", 1)
        .await
        .expect_problem(409, "sku_taken");

    let other_price = json!({"amount": 3999, "currency": "EUR"});
    let changed = admin
        .patch(&path, &json!({"price": other_price}))
        .await
        .expect_status(200)
        .json();
    assert_eq!(changed["price"], other_price);
    for unchanged in ["id", "sku", "name", "description", "stock", "created_at"] {
        assert_eq!(changed[unchanged], created[unchanged], "{unchanged}");
    }
    let renamed = admin
        .patch(&path, &json!({"name": "Calm lantern"}))
        .await
        .expect_status(200)
        .json();
    assert_eq!(
        (&renamed["name"], &renamed["price"]),
        (&json!("Calm lantern"), &other_price)
    );

    admin.product("ROPE", 1).await;
    let found = shop.visitor().all("/v1/products?q=calm").await;
    assert_eq!(found, [renamed]);
}

#[tokio::test]
async fn an_order_keeps_the_price_of_its_moment() {
    let shop = Shop::open().await;
    let lantern = shop.admin().product("LANTERN", 10).await;
    let anna = shop.customer("anna").await;
    let before = anna
        .place(&Order::of(lantern, 1))
        .await
        .expect_status(201)
        .id();
    let dearer = json!({"amount": 9900, "currency": "EUR"});
    shop.admin()
        .patch(
            &format!("/v1/products/{lantern}"),
            &json!({"price": dearer}),
        )
        .await
        .expect_status(200);
    let after = anna
        .place(&Order::of(lantern, 1))
        .await
        .expect_status(201)
        .json();
    assert_eq!(after["lines"][0]["unit_price"], dearer);
    assert_eq!(anna.order(before).await["total"]["amount"], 1250);
}

#[tokio::test]
async fn stock_is_added_and_taken_but_never_below_zero() {
    let shop = Shop::open().await;
    let admin = shop.admin();
    let lantern = admin.product("LANTERN", 5).await;
    let more = admin
        .adjust_stock(lantern, 10, None)
        .await
        .expect_status(200)
        .json();
    assert_eq!(more["stock"]["available"], 15);
    let fewer = admin
        .adjust_stock(lantern, -15, None)
        .await
        .expect_status(200)
        .json();
    assert_eq!(fewer["stock"]["available"], 0);
    admin
        .adjust_stock(lantern, -1, None)
        .await
        .expect_problem(409, "insufficient_stock");
    assert_eq!(admin.available(lantern).await, 0);
    admin
        .post(
            "/v1/products/4711/stock",
            &json!({"delta": 1, "reason": "found"}),
        )
        .await
        .expect_problem(404, "not_found");
    shop.audit().await;
}

#[tokio::test]
async fn products_answer_not_modified_while_their_etag_holds() {
    let shop = Shop::open().await;
    let lantern = shop.admin().product("LANTERN", 5).await;
    for path in ["/v1/products".to_owned(), format!("/v1/products/{lantern}")] {
        let first = shop.visitor().get(&path).await.expect_status(200);
        let etag = first.expect_header("ETag").to_owned();
        let unchanged = if_none_match(shop.visitor(), &path, &etag)
            .await
            .expect_status(304);
        assert_eq!(unchanged.text(), "");

        shop.admin()
            .adjust_stock(lantern, 1, None)
            .await
            .expect_status(200);
        let changed = if_none_match(shop.visitor(), &path, &etag)
            .await
            .expect_status(200);
        assert_ne!(changed.expect_header("ETag"), etag);
    }
}

async fn if_none_match(visitor: &Api, path: &str, etag: &str) -> Answer {
    visitor
        .send(
            visitor
                .request(Method::GET, path)
                .header("If-None-Match", etag),
        )
        .await
}

#[tokio::test]
async fn products_are_paged_newest_first_without_a_gap_or_a_repetition() {
    let shop = Shop::open().await;
    let mut newest_first = shop.admin().products(5, 1).await;
    newest_first.reverse();

    let first = shop
        .visitor()
        .get("/v1/products?limit=3")
        .await
        .expect_status(200)
        .json();
    assert_eq!(
        (ids(&first), &first["has_more"]),
        (newest_first[..3].to_vec(), &json!(true))
    );
    // A product that is made between two pages does not shift the second.
    shop.admin().product("LATE", 1).await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = shop
        .visitor()
        .get(&format!("/v1/products?limit=3&cursor={cursor}"))
        .await
        .expect_status(200)
        .json();
    assert_eq!(
        (ids(&second), &second["has_more"]),
        (newest_first[3..].to_vec(), &json!(false))
    );
    assert_eq!(second["next_cursor"], Value::Null);
}

fn ids(page: &Value) -> Vec<u64> {
    page["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["id"].as_u64().unwrap())
        .collect()
}

#[tokio::test]
async fn the_first_start_brings_a_demo_catalogue_that_can_be_ordered_and_no_later_one_repeats_it() {
    only_with!(Embedded, "`up` alone brings a catalogue");
    let mut shop = Shop::open_with(Setup {
        demo: true,
        ..Setup::default()
    })
    .await;
    let catalogue = shop.visitor().all("/v1/products").await;
    let skus: BTreeSet<&str> = catalogue
        .iter()
        .map(|product| product["sku"].as_str().unwrap())
        .collect();
    assert!(
        !skus.is_empty() && skus.len() == catalogue.len(),
        "{catalogue:#?}"
    );
    let product_id = catalogue[0]["id"].as_u64().unwrap();
    shop.customer("anna")
        .await
        .place(&Order::of(product_id, 1))
        .await
        .expect_status(201);

    shop.terminate().await;
    shop.restart().await;
    assert_eq!(
        shop.visitor().all("/v1/products").await.len(),
        catalogue.len()
    );
    shop.audit().await;
}
