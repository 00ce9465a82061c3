//! Until when a call is worth an answer: `grpc-timeout`, as the caller sent it.

use std::time::Duration;

use tokio::time::Instant;
use tonic::codegen::http::{Extensions, HeaderMap};

/// The header that carries it.
const HEADER: &str = "grpc-timeout";
/// The most digits that the protocol allows.
const DIGITS_MAX: usize = 8;
/// How long a call may take that has no deadline, or a later one. Every wait of a service is shorter.
pub(super) const CALL_MAX: Duration = Duration::from_secs(60);
/// What is kept of the time for giving the answer when a call waits for something as long as it can.
const ANSWER_MARGIN: Duration = Duration::from_millis(50);

/// When the caller gives up, if it says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// From the headers of a call that has just arrived. What is malformed is ignored.
    pub(super) fn of_headers(headers: &HeaderMap) -> Self {
        let timeout = headers
            .get(HEADER)
            .and_then(|value| parse(value.to_str().ok()?));
        // A time that the clock cannot hold is none.
        Self(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    /// The one that the guard has left in the call.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        extensions.get().copied().unwrap_or_default()
    }

    /// Whether it has passed.
    pub(crate) fn has_passed(self) -> bool {
        self.0.is_some_and(|at| at <= Instant::now())
    }

    /// When the handler has to have answered.
    pub(super) fn of_answer(self) -> Instant {
        let latest = Instant::now() + CALL_MAX;
        self.0.map_or(latest, |at| at.min(latest))
    }

    /// The time, or `other` if that is earlier.
    pub(crate) fn or_earlier(self, other: Instant) -> Instant {
        self.0.map_or(other, |at| at.min(other))
    }

    /// How long to wait for something: as long as is wished, but so that there is time left to answer.
    pub(crate) fn bounds(self, wait: Duration) -> Duration {
        let Some(at) = self.0 else {
            return wait;
        };
        let left = at.saturating_duration_since(Instant::now());
        wait.min(left.saturating_sub(ANSWER_MARGIN))
    }
}

/// At most eight digits and a unit.
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number || digits.len() > DIGITS_MAX {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3_600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_timeout_is_digits_and_a_unit() {
        for (text, expected) in [
            ("2H", Some(Duration::from_secs(7_200))),
            ("3M", Some(Duration::from_secs(180))),
            ("30S", Some(Duration::from_secs(30))),
            ("250m", Some(Duration::from_millis(250))),
            ("7u", Some(Duration::from_micros(7))),
            ("0n", Some(Duration::ZERO)),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3_600))),
            ("", None),
            ("S", None),
            ("1", None),
            ("-1S", None),
            ("1x", None),
            ("1é", None),
            ("123456789S", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn a_wait_leaves_time_for_the_answer() {
        let wait = Duration::from_secs(5);
        assert_eq!(Deadline(None).bounds(wait), wait);
        let soon = Deadline(Some(Instant::now() + Duration::from_secs(1)));
        assert!(soon.bounds(wait) < Duration::from_secs(1));
        let over = Deadline(Some(Instant::now()));
        assert!(over.has_passed());
        assert_eq!(over.bounds(wait), Duration::ZERO);
    }

    #[test]
    fn every_wait_of_a_service_fits_a_call() {
        assert!(crate::edge::WAIT_MAX < CALL_MAX);
        assert!(crate::runtime::shards::ANSWER_WAIT_MAX < CALL_MAX);
    }
}
