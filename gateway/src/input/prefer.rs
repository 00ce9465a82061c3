//! `Prefer`, RFC 7240: how long a client wants to wait for the outcome of an order.

use std::{
    future::{Ready, ready},
    time::Duration,
};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header::{HeaderMap, HeaderValue},
};
use actors::edge::{WAIT_DEFAULT, WAIT_MAX};

/// How long an order's outcome is waited for unless asked otherwise.
const WAIT_DEFAULT_SECS: u64 = WAIT_DEFAULT.as_secs();
/// The longest that is waited for an order's outcome.
const WAIT_SECS_MAX: u64 = WAIT_MAX.as_secs();

/// What the client prefers. Preferences that are malformed or not known are ignored, as RFC 7240 has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Prefer {
    respond_async: bool,
    /// Already capped.
    wait_secs: Option<u64>,
}

impl Prefer {
    /// How long to wait. `respond-async` by itself asks not to wait at all; with `wait` it says what to do when the
    /// wait is over, which is what happens anyway.
    pub(crate) fn wait(self) -> Duration {
        Duration::from_secs(match (self.wait_secs, self.respond_async) {
            (Some(seconds), _) => seconds,
            (None, true) => 0,
            (None, false) => WAIT_DEFAULT_SECS,
        })
    }

    /// `Preference-Applied`: what was followed, and the wait as it was capped.
    pub(crate) fn applied(self) -> Option<HeaderValue> {
        let text = match (self.respond_async, self.wait_secs) {
            (false, None) => return None,
            (true, None) => "respond-async".to_owned(),
            (false, Some(seconds)) => format!("wait={seconds}"),
            (true, Some(seconds)) => format!("respond-async, wait={seconds}"),
        };
        HeaderValue::try_from(text).ok()
    }

    fn of(headers: &HeaderMap) -> Self {
        let mut prefer = Self::default();
        let lines = headers
            .get_all("prefer")
            .filter_map(|line| line.to_str().ok());
        for preference in lines.flat_map(|line| line.split(',')) {
            // Parameters after a semicolon belong to preferences that nobody has defined.
            let token = preference.split(';').next().unwrap_or_default();
            let (name, value) = match token.split_once('=') {
                Some((name, value)) => (name.trim(), value.trim().trim_matches('"')),
                None => (token.trim(), ""),
            };
            if name.eq_ignore_ascii_case("respond-async") && value.is_empty() {
                prefer.respond_async = true;
            } else if name.eq_ignore_ascii_case("wait") && prefer.wait_secs.is_none() {
                prefer.wait_secs = seconds(value);
            }
        }
        prefer
    }
}

/// A number of seconds, capped.
fn seconds(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX).min(WAIT_SECS_MAX))
}

impl FromRequest for Prefer {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request.headers())))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use actix_web::http::header::HeaderName;

    use super::*;

    fn prefer(lines: &[&'static str]) -> (u64, Option<String>) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(
                HeaderName::from_static("prefer"),
                HeaderValue::from_static(line),
            );
        }
        let prefer = Prefer::of(&headers);
        let applied = prefer
            .applied()
            .map(|value| value.to_str().unwrap().to_owned());
        (prefer.wait().as_secs(), applied)
    }

    #[test]
    fn preferences_are_followed_and_named() {
        for (lines, wait, applied) in [
            (&[][..], 5, None),
            (&["respond-async"], 0, Some("respond-async")),
            (&["Respond-Async"], 0, Some("respond-async")),
            (&["wait=10"], 10, Some("wait=10")),
            (&["wait=\"10\""], 10, Some("wait=10")),
            (&["wait = 0"], 0, Some("wait=0")),
            (&["wait=31"], 30, Some("wait=30")),
            (&["wait=99999999999999999999"], 30, Some("wait=30")),
            (&["wait=3; foo=bar, return=minimal"], 3, Some("wait=3")),
            (
                &["respond-async, wait=10"],
                10,
                Some("respond-async, wait=10"),
            ),
            (&["wait=3", "wait=4"], 3, Some("wait=3")),
            (
                &["return=minimal", "respond-async"],
                0,
                Some("respond-async"),
            ),
        ] {
            assert_eq!(
                prefer(lines),
                (wait, applied.map(str::to_owned)),
                "{lines:?}"
            );
        }
    }

    #[test]
    fn what_is_malformed_is_ignored() {
        for line in [
            "",
            "wait",
            "wait=",
            "wait=-1",
            "wait=+1",
            "wait=1.5",
            "wait=soon",
            ",,;=,",
            "handling=strict",
        ] {
            assert_eq!(prefer(&[line]), (5, None), "{line}");
        }
    }
}
