//! Idempotency keys: a client's name for a request that it may have to repeat, with a hash of what the request says.
//!
//! The hash is made of the parsed request, so the same request written otherwise, or sent the other way, is the same.

use domain::{
    ProductId,
    orders::{IdempotencyKey, RequestedLine},
};
use sha2::{Digest, Sha256};

use super::rules::{Flaw, FlawCode};

/// The most characters of a key.
pub const KEY_LENGTH_MAX: usize = 255;

/// A request that has one form in bytes. These bytes must never change: what was hashed before an upgrade is compared
/// with what is hashed after it.
pub trait Canonical {
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

/// An adjustment of a product's stock.
#[derive(Clone, Copy, Debug)]
pub struct Adjustment<'a> {
    /// Which product.
    pub product_id: ProductId,
    /// Pieces; below zero to take out.
    pub delta: i64,
    /// Why.
    pub reason: &'a str,
}

impl Canonical for Adjustment<'_> {
    fn write(&self, sink: &mut dyn FnMut(&[u8])) {
        sink(b"stock.v1\n");
        sink(&self.product_id.get().to_be_bytes());
        sink(&self.delta.to_be_bytes());
        sink(self.reason.as_bytes());
    }
}

/// A key as a client may send it.
///
/// # Errors
/// [`Flaw`] unless it has 1 to [`KEY_LENGTH_MAX`] visible ASCII characters.
pub fn key(text: &[u8]) -> Result<&str, Flaw> {
    let is_visible = text.iter().all(u8::is_ascii_graphic);
    match std::str::from_utf8(text) {
        Ok(text) if is_visible && (1..=KEY_LENGTH_MAX).contains(&text.len()) => Ok(text),
        _ => Err(Flaw::new(
            FlawCode::InvalidFormat,
            format!("must have 1 to {KEY_LENGTH_MAX} visible ASCII characters"),
        )),
    }
}

/// A key together with what the request under it says.
#[must_use]
pub fn idempotency_key<C: Canonical + ?Sized>(key: &str, request: &C) -> IdempotencyKey {
    IdempotencyKey {
        key: key.into(),
        fingerprint: fingerprint(request),
    }
}

/// The first half of SHA-256 of its form.
fn fingerprint<C: Canonical + ?Sized>(request: &C) -> [u8; 16] {
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

    use domain::Quantity;

    use super::*;

    #[test]
    fn a_key_has_1_to_255_visible_characters() {
        assert_eq!(key(b"order-1"), Ok("order-1"));
        assert!(key("k".repeat(255).as_bytes()).is_ok());
        for bad in [
            &b""[..],
            b"a b",
            b"a\tb",
            "schlüssel".as_bytes(),
            "k".repeat(256).as_bytes(),
        ] {
            assert!(key(bad).is_err(), "{bad:?}");
        }
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
        assert_eq!(hex(fingerprint([line(7, 2), line(8, 1)].as_slice())), ORDER);
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
        let base = fingerprint([line(7, 2), line(8, 1)].as_slice());
        for other in [
            vec![line(8, 1), line(7, 2)],
            vec![line(7, 2)],
            vec![line(7, 2), line(8, 2)],
        ] {
            assert_ne!(fingerprint(other.as_slice()), base);
        }
    }
}
