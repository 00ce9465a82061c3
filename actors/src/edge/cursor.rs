//! Cursors of lists: where a page ended, in a form that clients only pass on.
//!
//! A cursor carries its kind and a version, so one of another list, or of another layout, is refused and not
//! misunderstood. It is no secret and no capability: it names a position, and what may be seen from there is checked
//! as ever.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use domain::{OrderId, ProductId, Timestamp, ids::ID_BOUND, products::Product};
use serde::{Serialize, de::DeserializeOwned};

/// The most characters of a cursor; all of ours are shorter.
const LENGTH_MAX: usize = 100;

/// A position in a list.
pub trait Position: Sized {
    /// Which list.
    const KIND: u8;
    /// What is written.
    type Written: Serialize + DeserializeOwned;

    /// As it is written.
    fn written(&self) -> Self::Written;

    /// From what was written; a client may have made it up.
    fn checked(written: Self::Written) -> Option<Self>;
}

/// The cursor of a position.
#[must_use]
pub fn encode<P: Position>(position: &P) -> String {
    let bytes = storage::encoding::encode(&(P::KIND, position.written()));
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// The position of a cursor; `None` for what is no cursor of this list.
#[must_use]
pub fn decode<P: Position>(cursor: &str) -> Option<P> {
    if cursor.len() > LENGTH_MAX {
        return None;
    }
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (kind, written) = storage::encoding::decode::<(u8, P::Written)>(&bytes).ok()?;
    if kind == P::KIND {
        P::checked(written)
    } else {
        None
    }
}

/// The last product of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AfterProduct(
    /// When it was created.
    pub Timestamp,
    /// Its id.
    pub ProductId,
);

impl From<&Product> for AfterProduct {
    fn from(product: &Product) -> Self {
        Self(product.created_at, product.id)
    }
}

impl Position for AfterProduct {
    const KIND: u8 = 1;
    type Written = (i64, u64);

    fn written(&self) -> Self::Written {
        (self.0.as_millis(), self.1.get())
    }

    fn checked((millis, id): Self::Written) -> Option<Self> {
        Some(Self(Timestamp::from_millis(millis), ProductId::new(id)?))
    }
}

/// The last order of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BeforeOrder(pub OrderId);

impl Position for BeforeOrder {
    const KIND: u8 = 2;
    type Written = u64;

    fn written(&self) -> Self::Written {
        self.0.get()
    }

    fn checked(id: Self::Written) -> Option<Self> {
        OrderId::new(id).map(Self)
    }
}

/// The last notification of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BeforeNotification(pub u64);

impl Position for BeforeNotification {
    const KIND: u8 = 3;
    type Written = u64;

    fn written(&self) -> Self::Written {
        self.0
    }

    fn checked(id: Self::Written) -> Option<Self> {
        (id < ID_BOUND).then_some(Self(id))
    }
}

/// The last entry of a page of the activity log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BeforeEntry(pub u64);

impl Position for BeforeEntry {
    const KIND: u8 = 4;
    type Written = u64;

    fn written(&self) -> Self::Written {
        self.0
    }

    fn checked(id: Self::Written) -> Option<Self> {
        (id < ID_BOUND).then_some(Self(id))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_cursor_comes_back() {
        let order = BeforeOrder(OrderId::new((1 << 53) - 1).unwrap());
        assert_eq!(decode(&encode(&order)), Some(order));
        let product = AfterProduct(Timestamp::from_millis(1_234), ProductId::new(7).unwrap());
        assert_eq!(decode(&encode(&product)), Some(product));
    }

    #[test]
    fn a_cursor_needs_no_escaping_in_a_url() {
        let cursor = encode(&AfterProduct(
            Timestamp::from_millis(i64::MIN),
            ProductId::new(63).unwrap(),
        ));
        assert!(
            cursor
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        );
    }

    #[test]
    fn what_is_not_a_cursor_of_this_list_is_refused() {
        let of_another_list = encode(&BeforeEntry(7));
        let forged = BASE64_URL_SAFE_NO_PAD
            .encode(storage::encoding::encode(&(BeforeOrder::KIND, u64::MAX)));
        let of_another_version = BASE64_URL_SAFE_NO_PAD.encode([0xff, 2, 7]);
        let long = "A".repeat(100_000);
        for bad in [
            "",
            "!",
            "AA==",
            &of_another_list,
            &forged,
            &of_another_version,
            &long,
        ] {
            assert_eq!(decode::<BeforeOrder>(bad), None, "{bad:.20}");
        }
    }
}
