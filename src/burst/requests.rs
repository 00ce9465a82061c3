//! The bytes of requests. What is the same in all of them is put together once.

use std::io::Write;

use super::{args::Wait, plan::Plan};
use crate::http_client::Place;

/// What is the same in all requests of a run.
pub(super) struct Requests {
    place: Place,
    /// Of an order, up to its buyer's token.
    order: String,
    /// Of an order, from the token up to its number; empty without keys.
    key: String,
}

/// The buffers that a request is written in, kept for the next.
#[derive(Default)]
pub(super) struct Buffers {
    pub(super) request: Vec<u8>,
    body: Vec<u8>,
}

impl Requests {
    /// Requests of a run to a shop.
    pub(super) fn new(place: &Place, plan: &Plan, run: &str) -> Self {
        let prefer = match plan.wait {
            Wait::Outcome => "",
            Wait::Accept => "Prefer: respond-async\r\n",
        };
        let line = place.request_line("POST", "/v1/orders");
        let key = format!("\r\nIdempotency-Key: burst-{run}-");
        Self {
            place: place.clone(),
            order: format!(
                "{line}Content-Type: application/json\r\n{prefer}Authorization: Bearer "
            ),
            key: if plan.has_keys { key } else { String::new() },
        }
    }

    // Writing into memory does not fail.

    /// An order with this number.
    pub(super) fn order(
        &self,
        buffers: &mut Buffers,
        token: &str,
        number: u64,
        product_id: u64,
        pieces: u32,
    ) {
        let Buffers { request, body } = buffers;
        body.clear();
        let _ = write!(
            body,
            "{{\"lines\":[{{\"product_id\":{product_id},\"quantity\":{pieces}}}]}}"
        );
        request.clear();
        request.extend_from_slice(self.order.as_bytes());
        request.extend_from_slice(token.as_bytes());
        if !self.key.is_empty() {
            let _ = write!(request, "{}{number}", self.key);
        }
        let _ = write!(request, "\r\nContent-Length: {}\r\n\r\n", body.len());
        request.extend_from_slice(body);
    }

    /// Anything without a body; without a token as a visitor.
    pub(super) fn plain(&self, buffers: &mut Buffers, method: &str, path: &str, token: &str) {
        let request = &mut buffers.request;
        request.clear();
        let _ = write!(request, "{}", self.place.request_line(method, path));
        if !token.is_empty() {
            let _ = write!(request, "Authorization: Bearer {token}\r\n");
        }
        if method == "POST" {
            request.extend_from_slice(b"Content-Length: 0\r\n");
        }
        request.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::burst::plan::tests::plan;

    fn written(flags: &str) -> String {
        let place = Place::find("http://127.0.0.1:8000").unwrap();
        let requests = Requests::new(&place, &plan(flags).unwrap(), "r");
        let mut buffers = Buffers::default();
        requests.order(&mut buffers, "t", 12, 7, 3);
        String::from_utf8(buffers.request).unwrap()
    }

    #[test]
    fn an_order_is_written_as_it_is_wanted() {
        assert_eq!(
            written(""),
            "POST /v1/orders HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nContent-Type: application/json\r\n\
             Authorization: Bearer t\r\nIdempotency-Key: burst-r-12\r\nContent-Length: 41\r\n\r\n\
             {\"lines\":[{\"product_id\":7,\"quantity\":3}]}"
        );
        let bare = written("--no-idempotency-key --wait accept");
        assert!(!bare.contains("Idempotency-Key"), "{bare}");
        assert!(bare.contains("\r\nPrefer: respond-async\r\n"), "{bare}");
    }
}
