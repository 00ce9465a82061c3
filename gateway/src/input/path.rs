//! Ids in paths.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use domain::{OrderId, ProductId};

use crate::problem::Problem;

/// The `{id}` of a path. What is no id of this kind is not there: 404.
pub(crate) struct Id<K>(pub(crate) K);

/// A kind of id that appears in paths.
pub(crate) trait PathId: Sized + 'static {
    /// What it names, for people.
    const WHAT: &'static str;

    /// The id with that number.
    fn of(number: u64) -> Option<Self>;
}

impl PathId for OrderId {
    const WHAT: &'static str = "order";

    fn of(number: u64) -> Option<Self> {
        Self::new(number)
    }
}

impl PathId for ProductId {
    const WHAT: &'static str = "product";

    fn of(number: u64) -> Option<Self> {
        Self::new(number)
    }
}

impl<K: PathId> FromRequest for Id<K> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = request
            .match_info()
            .get("id")
            .and_then(number)
            .and_then(K::of);
        ready(id.map(Self).ok_or_else(|| Problem::not_found(K::WHAT)))
    }
}

/// A number in its one plain form: digits without a sign and without leading zeros.
pub(crate) fn number(text: &str) -> Option<u64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    if is_plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_number_has_one_form() {
        assert_eq!(number("17"), Some(17));
        for text in [
            "",
            "0",
            "017",
            "+17",
            "-17",
            "1.0",
            "1e3",
            " 17",
            "0x11",
            "18446744073709551616",
            "١٧",
        ] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn ids_end_below_two_to_the_53rd() {
        assert!(OrderId::of((1 << 53) - 1).is_some());
        assert!(OrderId::of(1 << 53).is_none());
    }
}
