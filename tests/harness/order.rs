//! What a customer asks for.

use reqwest::RequestBuilder;
use serde_json::{Value, json};

/// The body and headers of one `POST /v1/orders`. Unless told otherwise it waits for the outcome as long as the API
/// allows, so that a slow machine does not turn a 201 into a 202.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    lines: Vec<(u64, u64)>,
    idempotency_key: Option<String>,
    prefer: Option<String>,
}

impl Order {
    /// An order of `quantity` pieces of one product.
    pub(crate) fn of(product_id: u64, quantity: u64) -> Self {
        Self {
            lines: vec![(product_id, quantity)],
            idempotency_key: None,
            prefer: Some("wait=30".to_owned()),
        }
    }

    /// With one more line.
    pub(crate) fn and(mut self, product_id: u64, quantity: u64) -> Self {
        self.lines.push((product_id, quantity));
        self
    }

    /// With an `Idempotency-Key`.
    pub(crate) fn key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// With another `Prefer` header than `wait=30`.
    pub(crate) fn prefer(mut self, preference: &str) -> Self {
        self.prefer = Some(preference.to_owned());
        self
    }

    /// Answered as soon as it is durable, settled or not.
    pub(crate) fn respond_async(self) -> Self {
        self.prefer("respond-async")
    }

    /// The JSON that is sent.
    pub(crate) fn body(&self) -> Value {
        let lines: Vec<Value> = self
            .lines
            .iter()
            .map(|(product_id, quantity)| json!({"product_id": product_id, "quantity": quantity}))
            .collect();
        json!({"lines": lines})
    }

    /// Puts headers and body into a request.
    pub(crate) fn write_to(&self, mut request: RequestBuilder) -> RequestBuilder {
        if let Some(key) = &self.idempotency_key {
            request = request.header("Idempotency-Key", key);
        }
        if let Some(preference) = &self.prefer {
            request = request.header("Prefer", preference);
        }
        request.json(&self.body())
    }
}

/// Whether an order, as the API shows it, has come to its end.
pub(crate) fn is_settled(order: &Value) -> bool {
    matches!(
        order["status"].as_str(),
        Some("confirmed" | "rejected" | "cancelled" | "expired")
    )
}
