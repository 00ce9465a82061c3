//! Somebody in front of the counter: a visitor, a customer or the admin, with one method per thing they can ask.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use super::stream::EventStream;
use super::{Answer, Order};

/// The password of every customer that a test registers.
pub(crate) const PASSWORD: &str = "correct horse battery staple 42";

/// Longer than any answer may take; a request that needs more hangs.
const TIMEOUT: Duration = Duration::from_secs(120);
/// The longest page the API gives.
const PAGE_MAX: usize = 200;

/// A client of one shop. Clones share the connections and the shop's address, which changes with every restart.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    address: Arc<Mutex<String>>,
    http: Client,
    token: Option<String>,
    user_id: u64,
}

impl Api {
    /// A visitor without a token.
    pub(crate) fn visitor(address: Arc<Mutex<String>>) -> Self {
        let http = Client::builder()
            .no_proxy()
            .timeout(TIMEOUT)
            .build()
            .unwrap();
        Self {
            address,
            http,
            token: None,
            user_id: 0,
        }
    }

    /// The same client as somebody else.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..self.clone()
        }
    }

    /// The access token this client shows.
    pub(crate) fn token(&self) -> &str {
        self.token.as_deref().expect("a visitor has no token")
    }

    /// The id of the customer this client belongs to.
    pub(crate) fn user_id(&self) -> u64 {
        self.user_id
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn base_url(&self) -> String {
        self.address.lock().unwrap().clone()
    }

    // Plain requests.

    /// A request that carries the token and nothing else.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self
            .http
            .request(method, format!("{}{path}", self.base_url()));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request that may be cut off.
    pub(crate) async fn try_send(&self, request: RequestBuilder) -> Result<Answer, reqwest::Error> {
        let request = request.build()?;
        let asked = format!("{} {}", request.method(), request.url());
        let response = self.http.execute(request).await?;
        Answer::read(asked, response).await
    }

    /// Sends a request that must be answered.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Answer {
        self.try_send(request).await.expect("the shop answers")
    }

    /// GET.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// POST of a JSON body.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// PATCH with a JSON body.
    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::PATCH, path).json(body))
            .await
    }

    /// POST without a body.
    pub(crate) async fn command(&self, path: &str) -> Answer {
        self.send(self.request(Method::POST, path)).await
    }

    /// Every item of a list, following its cursors. `path` may have a query.
    pub(crate) async fn all(&self, path: &str) -> Vec<Value> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let first = format!("{path}{separator}limit={PAGE_MAX}");
        let mut items = Vec::new();
        let mut next = Some(first.clone());
        while let Some(page_path) = next {
            let page = self.get(&page_path).await.expect_status(200).json();
            items.extend(
                page["data"]
                    .as_array()
                    .expect("a list has data")
                    .iter()
                    .cloned(),
            );
            let cursor = page["next_cursor"]
                .as_str()
                .filter(|_| page["has_more"] == true);
            next = cursor.map(|cursor| format!("{first}&cursor={}", percent_encoded(cursor)));
        }
        items
    }

    // Accounts.

    /// Asks for an account.
    pub(crate) async fn register(&self, username: &str) -> Answer {
        let email = format!("{username}@example.com");
        self.post(
            "/v1/auth/register",
            &json!({"username": username, "email": email, "password": PASSWORD}),
        )
        .await
    }

    /// Asks for tokens.
    pub(crate) async fn login(&self, username: &str, password: &str) -> Answer {
        self.post(
            "/v1/auth/login",
            &json!({"username": username, "password": password}),
        )
        .await
    }

    /// Exchanges a refresh token.
    pub(crate) async fn refresh(&self, refresh_token: &str) -> Answer {
        self.post("/v1/auth/refresh", &json!({"refresh_token": refresh_token}))
            .await
    }

    /// Registers and logs in; returns the new customer's client.
    pub(crate) async fn customer(&self, username: &str) -> Self {
        let user_id = self.register(username).await.expect_status(201).id();
        Self {
            user_id,
            ..self.logged_in(username, PASSWORD).await
        }
    }

    /// Logs in; returns that user's client.
    pub(crate) async fn logged_in(&self, username: &str, password: &str) -> Self {
        let tokens = self
            .login(username, password)
            .await
            .expect_status(200)
            .json();
        self.with_token(
            tokens["access_token"]
                .as_str()
                .expect("login gives an access token"),
        )
    }

    // Products.

    /// Asks for a new product of 12.50 EUR a piece.
    pub(crate) async fn offer(&self, sku: &str, stock: u64) -> Answer {
        let price = json!({"amount": 1250, "currency": "EUR"});
        let body =
            json!({"sku": sku, "name": format!("The {sku}"), "price": price, "stock": stock});
        self.post("/v1/products", &body).await
    }

    /// Creates a product; returns its id.
    pub(crate) async fn product(&self, sku: &str, stock: u64) -> u64 {
        self.offer(sku, stock).await.expect_status(201).id()
    }

    /// Creates `count` products with the same stock; returns their ids.
    pub(crate) async fn products(&self, count: usize, stock: u64) -> Vec<u64> {
        let mut ids = Vec::with_capacity(count);
        for number in 0..count {
            ids.push(self.product(&format!("SKU-{number}"), stock).await);
        }
        ids
    }

    /// How many pieces a product still has for sale.
    pub(crate) async fn available(&self, product_id: u64) -> u64 {
        let product = self
            .get(&format!("/v1/products/{product_id}"))
            .await
            .expect_status(200)
            .json();
        product["stock"]["available"]
            .as_u64()
            .expect("stock is never below zero")
    }

    /// Asks to add pieces to a product's stock, or to take some.
    pub(crate) async fn adjust_stock(
        &self,
        product_id: u64,
        delta: i64,
        key: Option<&str>,
    ) -> Answer {
        let mut request = self.request(Method::POST, &format!("/v1/products/{product_id}/stock"));
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        self.send(request.json(&json!({"delta": delta, "reason": "counted again"})))
            .await
    }

    // Orders.

    /// Places an order that must be answered.
    pub(crate) async fn place(&self, order: &Order) -> Answer {
        self.try_place(order)
            .await
            .expect("the shop answers an order")
    }

    /// Places an order whose answer may be cut off.
    pub(crate) async fn try_place(&self, order: &Order) -> Result<Answer, reqwest::Error> {
        self.try_send(order.write_to(self.request(Method::POST, "/v1/orders")))
            .await
    }

    /// Reads one order.
    pub(crate) async fn order(&self, order_id: u64) -> Value {
        self.get(&format!("/v1/orders/{order_id}"))
            .await
            .expect_status(200)
            .json()
    }

    /// Reads every order of this customer.
    pub(crate) async fn orders(&self) -> Vec<Value> {
        self.all("/v1/orders").await
    }

    /// Asks to cancel an order.
    pub(crate) async fn cancel(&self, order_id: u64) -> Answer {
        self.command(&format!("/v1/orders/{order_id}/cancel")).await
    }

    /// The history of an order.
    pub(crate) async fn events(&self, order_id: u64) -> Vec<Value> {
        let history = self
            .get(&format!("/v1/orders/{order_id}/events"))
            .await
            .expect_status(200)
            .json();
        history["data"]
            .as_array()
            .expect("a history has data")
            .clone()
    }

    /// The history of an order as a live stream, from the start or after an event that was seen.
    pub(crate) async fn event_stream(
        &self,
        order_id: u64,
        last_event_id: Option<u64>,
    ) -> EventStream {
        let mut request = self
            .request(Method::GET, &format!("/v1/orders/{order_id}/events"))
            .header("Accept", "text/event-stream");
        if let Some(seen) = last_event_id {
            request = request.header("Last-Event-ID", seen.to_string());
        }
        EventStream::open(request.send().await.expect("the stream opens"))
    }

    // What follows from orders.

    /// The notifications about one order.
    pub(crate) async fn notifications_of(&self, order_id: u64) -> Vec<Value> {
        let mut items = self.all("/v1/notifications").await;
        items.retain(|item| item["order_id"] == order_id);
        items
    }

    /// The activity log of one order.
    pub(crate) async fn logs_of(&self, order_id: u64) -> Vec<Value> {
        self.all(&format!("/v1/logs?order_id={order_id}")).await
    }

    /// What `/v1/system` tells the admin.
    pub(crate) async fn system(&self) -> Value {
        self.get("/v1/system").await.expect_status(200).json()
    }
}

/// A text as it may stand in a query.
pub(crate) fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
