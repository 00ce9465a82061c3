//! `Idempotency-Key`: the client's name for a request that it may have to repeat.

use std::{
    future::{Ready, ready},
    sync::Arc,
};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header::HeaderMap};
use domain::{
    ProductId,
    orders::{IdempotencyKey, RequestedLine},
};
use sha2::{Digest, Sha256};

use crate::problem::{FaultCode, Problem};

/// The name of the header.
const HEADER: &str = "idempotency-key";
/// Where faults of the header are.
const POINTER: &str = "header:Idempotency-Key";
/// The most characters of a key.
pub(crate) const KEY_LENGTH_MAX: usize = 255;

/// The key, if the client sent one.
#[derive(Debug)]
pub(crate) struct Key(Option<Arc<str>>);

impl Key {
    /// The key with a hash of what the request says. The same request written otherwise has the same hash.
    pub(crate) fn of(self, request: &impl Canonical) -> Option<IdempotencyKey> {
        self.0.map(|key| IdempotencyKey {
            key,
            fingerprint: fingerprint(request),
        })
    }

    fn read(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut sent = headers.get_all(HEADER);
        let Some(value) = sent.next() else {
            return Ok(Self(None));
        };
        if sent.next().is_some() {
            return Err(Problem::invalid_at(
                POINTER,
                FaultCode::Duplicate,
                "is there more than once",
            ));
        }
        let bytes = value.as_bytes();
        let is_visible = bytes.iter().all(u8::is_ascii_graphic);
        match std::str::from_utf8(bytes) {
            Ok(text) if is_visible && (1..=KEY_LENGTH_MAX).contains(&text.len()) => {
                Ok(Self(Some(text.into())))
            }
            _ => Err(Problem::invalid_at(
                POINTER,
                FaultCode::InvalidFormat,
                format!("must have 1 to {KEY_LENGTH_MAX} visible ASCII characters"),
            )),
        }
    }
}

impl FromRequest for Key {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::read(request.headers()))
    }
}

/// A request that has one form in bytes. These bytes must never change: what was hashed before an upgrade is compared
/// with what is hashed after it.
pub(crate) trait Canonical {
    /// Hands the form out piece by piece.
    fn write(&self, sink: &mut dyn FnMut(&[u8]));
}

/// An order: its lines in their order.
impl Canonical for [RequestedLine] {
    fn write(&self, sink: &mut dyn FnMut(&[u8])) {
        sink(b"order.v1\n");
        for line in self {
            sink(&line.product_id.get().to_be_bytes());
            sink(&line.quantity.get().to_be_bytes());
        }
    }
}

impl Canonical for Vec<RequestedLine> {
    fn write(&self, sink: &mut dyn FnMut(&[u8])) {
        self.as_slice().write(sink);
    }
}

/// An adjustment of a product's stock.
pub(crate) struct Adjustment<'a> {
    pub(crate) product_id: ProductId,
    pub(crate) delta: i64,
    pub(crate) reason: &'a str,
}

impl Canonical for Adjustment<'_> {
    fn write(&self, sink: &mut dyn FnMut(&[u8])) {
        sink(b"stock.v1\n");
        sink(&self.product_id.get().to_be_bytes());
        sink(&self.delta.to_be_bytes());
        sink(self.reason.as_bytes());
    }
}

/// The first half of SHA-256 of its form.
fn fingerprint(request: &impl Canonical) -> [u8; 16] {
    let mut hash = Sha256::new();
    request.write(&mut |bytes| hash.update(bytes));
    let digest = hash.finalize();
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    half
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use actix_web::http::header::{HeaderName, HeaderValue};
    use domain::Quantity;

    use super::*;

    fn read(values: &[&[u8]]) -> Result<Option<Arc<str>>, Problem> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(
                HeaderName::from_static(HEADER),
                HeaderValue::from_bytes(value).unwrap(),
            );
        }
        Key::read(&headers).map(|key| key.0)
    }

    #[test]
    fn a_key_has_1_to_255_visible_characters() {
        assert_eq!(read(&[]).unwrap(), None);
        assert_eq!(read(&[b"order-1"]).unwrap().as_deref(), Some("order-1"));
        assert!(read(&["k".repeat(255).as_bytes()]).is_ok());
        for bad in [
            &b""[..],
            b"a b",
            b"a\tb",
            "schlüssel".as_bytes(),
            "k".repeat(256).as_bytes(),
        ] {
            let problem = read(&[bad]).unwrap_err();
            assert!(format!("{problem:?}").contains(POINTER), "{problem:?}");
        }
        assert!(read(&[b"a", b"b"]).is_err());
    }

    fn line(product: u64, quantity: u64) -> RequestedLine {
        RequestedLine {
            product_id: ProductId::new(product).unwrap(),
            quantity: Quantity::new(quantity).unwrap(),
        }
    }

    #[test]
    fn the_fingerprint_of_a_request_never_changes() {
        let hex = |bytes: [u8; 16]| bytes.map(|byte| format!("{byte:02x}")).concat();
        assert_eq!(hex(fingerprint(&vec![line(7, 2), line(8, 1)])), ORDER);
        let adjustment = Adjustment {
            product_id: ProductId::new(7).unwrap(),
            delta: -3,
            reason: "broken",
        };
        assert_eq!(hex(fingerprint(&adjustment)), STOCK);
    }

    const ORDER: &str = "3f625180b4a3a40fcea45254c87a812e";
    const STOCK: &str = "f1a6cb44b4b5240022cc89bd856d1d2f";

    #[test]
    fn different_requests_have_different_fingerprints() {
        let base = fingerprint(&vec![line(7, 2), line(8, 1)]);
        for other in [
            vec![line(8, 1), line(7, 2)],
            vec![line(7, 2)],
            vec![line(7, 2), line(8, 2)],
        ] {
            assert_ne!(fingerprint(&other), base);
        }
    }
}
