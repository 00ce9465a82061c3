//! The routes of the Go demo that this project replaces keep working for its clients.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{ADMIN_PASSWORD, Answer, Api, Order, PASSWORD, Shop};

/// A client of the old demo: it knows cookies and nothing of bearer tokens.
struct OldClient {
    visitor: Api,
    cookie: Option<String>,
}

impl OldClient {
    fn stranger(shop: &Shop) -> Self {
        Self {
            visitor: shop.visitor().clone(),
            cookie: None,
        }
    }

    async fn logged_in(shop: &Shop, path: &str, username: &str, password: &str) -> Self {
        let mut client = Self::stranger(shop);
        let answer = client
            .post(path, &json!({"username": username, "password": password}))
            .await
            .expect_status(200);
        let body = answer.json();
        assert_eq!(body["status"], 200);
        let token = body["token"].as_str().expect("the login gives a token");
        let cookie = answer.expect_header("Set-Cookie");
        assert!(
            cookie.starts_with(&format!("Authorization={token};")),
            "{cookie}"
        );
        assert!(
            cookie.contains("HttpOnly") && cookie.contains("Max-Age=2592000"),
            "{cookie}"
        );
        client.cookie = Some(format!("Authorization={token}"));
        client
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let mut request = self.visitor.request(method, path);
        if let Some(cookie) = &self.cookie {
            request = request.header("Cookie", cookie);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        self.visitor.send(request).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }
}

#[track_caller]
fn expect_old_error(answer: Answer, status: u16) {
    let answer = answer.expect_status(status);
    let body = answer.json();
    assert_eq!(body["status"], status, "{}", answer.told());
    assert!(
        body["error"].as_str().is_some_and(|text| !text.is_empty()),
        "{}",
        answer.told()
    );
}

#[tokio::test]
async fn the_old_demos_clients_register_log_in_look_and_order() {
    let shop = Shop::open().await;
    let stranger = OldClient::stranger(&shop);
    let registered = stranger
        .post(
            "/auth/register",
            &json!({"username": "otto", "password": PASSWORD}),
        )
        .await;
    let registered = registered.expect_status(201).json();
    assert_eq!(registered["status"], 201);
    assert!(registered["id"].is_u64());

    let admin = OldClient::logged_in(&shop, "/admin/login", "admin", ADMIN_PASSWORD).await;
    let otto = OldClient::logged_in(&shop, "/auth/login", "otto", PASSWORD).await;
    let created = admin
        .post(
            "/product/",
            &json!({"name": "Lamp", "price": 12, "stock": 3}),
        )
        .await;
    let created = created.expect_status(200).json();
    assert_eq!(created["status"], 200);
    let product_id = created["id"].as_u64().unwrap();

    let lamp = json!({"id": product_id, "name": "Lamp", "price": 12, "stock": 3});
    assert_eq!(
        otto.get("/product/").await.expect_status(200).json(),
        json!({"products": [lamp]})
    );
    assert_eq!(
        otto.get(&format!("/product/{product_id}"))
            .await
            .expect_status(200)
            .json(),
        json!({"data": lamp})
    );

    let ordered = otto
        .post("/order/", &json!({"product_id": product_id, "quantity": 2}))
        .await;
    let ordered = ordered.expect_status(201).json();
    assert_eq!(ordered["status"], 201);
    let order = shop.admin().order(ordered["id"].as_u64().unwrap()).await;
    assert_eq!(
        (&order["status"], &order["user_id"]),
        (&json!("confirmed"), &registered["id"])
    );
    expect_old_error(
        otto.post("/order/", &json!({"product_id": product_id, "quantity": 2}))
            .await,
        409,
    );
    assert_eq!(shop.admin().available(product_id).await, 1);
    shop.audit().await;
}

#[tokio::test]
async fn the_old_routes_ask_for_the_cookie_and_for_the_admin_where_they_did() {
    let shop = Shop::open().await;
    let product_id = shop.admin().product("LAMP", 3).await;
    shop.customer("otto").await;
    let stranger = OldClient::stranger(&shop);
    let otto = OldClient::logged_in(&shop, "/auth/login", "otto", PASSWORD).await;
    let admin = OldClient::logged_in(&shop, "/admin/login", "admin", ADMIN_PASSWORD).await;
    let new_product = json!({"name": "Lamp", "price": 12, "stock": 3});
    let new_order = json!({"product_id": product_id, "quantity": 1});
    let new_admin = json!({"username": "second", "password": PASSWORD});

    expect_old_error(stranger.get("/product/").await, 401);
    expect_old_error(stranger.get(&format!("/product/{product_id}")).await, 401);
    expect_old_error(stranger.post("/product/", &new_product).await, 401);
    expect_old_error(stranger.post("/order/", &new_order).await, 401);
    expect_old_error(stranger.post("/admin/register", &new_admin).await, 401);
    expect_old_error(otto.post("/product/", &new_product).await, 403);
    expect_old_error(otto.post("/admin/register", &new_admin).await, 403);
    expect_old_error(otto.get("/product/4711").await, 404);
    let wrong = json!({"username": "otto", "password": "not his password"});
    expect_old_error(stranger.post("/auth/login", &wrong).await, 401);

    admin
        .post("/admin/register", &new_admin)
        .await
        .expect_status(201);
    let second = OldClient::logged_in(&shop, "/admin/login", "second", PASSWORD).await;
    second
        .post("/product/", &new_product)
        .await
        .expect_status(200);
}

#[tokio::test]
async fn the_cookie_of_the_old_routes_is_not_accepted_under_v1() {
    let shop = Shop::open().await;
    let product_id = shop.admin().product("LAMP", 3).await;
    shop.customer("otto").await;
    let otto = OldClient::logged_in(&shop, "/auth/login", "otto", PASSWORD).await;
    otto.get("/product/").await.expect_status(200);
    otto.get("/v1/auth/me")
        .await
        .expect_problem(401, "unauthorized");
    otto.get("/v1/orders")
        .await
        .expect_problem(401, "unauthorized");
    otto.post("/v1/orders", &Order::of(product_id, 1).body())
        .await
        .expect_problem(401, "unauthorized");
    assert_eq!(shop.admin().available(product_id).await, 3);
}
