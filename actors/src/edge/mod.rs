//! What the two edges, HTTP and gRPC, have in common, so that they cannot disagree: the codes of problems, which code
//! a refusal has, what may come in, how much is given out, the form of cursors, and the fingerprints of requests.
//!
//! Deliberately absent: anything of HTTP, JSON or gRPC beyond the numbers of their statuses. How a value is read, and
//! how a refusal is told, is each edge's own.

mod code;
pub mod cursor;
mod flaw;
mod idempotency;
mod refusal;
pub mod rules;

use std::time::Duration;

pub use code::Code;
pub use idempotency::{Adjustment, Canonical, KEY_LENGTH_MAX, idempotency_key, key};
pub use refusal::Refusal;

/// Rows of a page unless asked otherwise.
pub const LIMIT_DEFAULT: usize = 50;
/// The most rows of a page.
pub const LIMIT_MAX: usize = 200;
/// The most entries of an order's history that are given at once. The longest history has some for each line, and is
/// shorter.
pub const HISTORY_LENGTH_MAX: usize = 1_000;
/// The largest request that is read, in bytes.
pub const REQUEST_BYTES_MAX: usize = 256 * 1_024;
/// How long an order's outcome is waited for unless asked otherwise.
pub const WAIT_DEFAULT: Duration = Duration::from_secs(5);
/// The longest that is waited for an order's outcome.
pub const WAIT_MAX: Duration = Duration::from_secs(30);

/// The token in the text of `authorization`, if its scheme is `Bearer`, whatever its case.
#[must_use]
pub fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_with_the_scheme_bearer() {
        for line in ["Bearer t.o.k", "bearer t.o.k", "BEARER  t.o.k "] {
            assert_eq!(bearer(line), Some("t.o.k"), "{line}");
        }
        for line in [
            "",
            "Bearer",
            "Bearer ",
            "Basic dTpw",
            "t.o.k",
            "Bearert.o.k",
        ] {
            assert_eq!(bearer(line), None, "{line}");
        }
    }
}
