//! Points in time on the command line: a time, or for how long.

use std::{str::FromStr, time::Duration};

use domain::Timestamp;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A point in time, as people name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SinceWhen {
    /// That time.
    Time(Timestamp),
    /// So long ago.
    Ago(Duration),
}

impl FromStr for SinceWhen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let seconds_of = |unit| match unit {
            's' => Some(1),
            'm' => Some(60),
            'h' => Some(3_600),
            'd' => Some(86_400),
            _ => None,
        };
        let last = text.chars().last().and_then(seconds_of);
        let number = text.get(..text.len().saturating_sub(1)).unwrap_or("");
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        if let (Some(seconds), true) = (last, is_number) {
            let number: u64 = number.parse().map_err(|_| "it is too long".to_owned())?;
            return Ok(Self::Ago(Duration::from_secs(
                number.saturating_mul(seconds),
            )));
        }
        let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| {
            "it is neither a time such as 2026-01-31T09:30:00Z nor a duration such as 90s, 30m, 24h or 7d"
                .to_owned()
        })?;
        let millis = i64::try_from(time.unix_timestamp_nanos() / 1_000_000);
        millis
            .map(|millis| Self::Time(Timestamp::from_millis(millis)))
            .map_err(|_| "it is too far away".to_owned())
    }
}

impl SinceWhen {
    /// The time that is meant by somebody who says so now.
    pub(crate) fn before(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Time(time) => time,
            Self::Ago(duration) => now.minus(duration),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_or_a_duration_is_understood() {
        let millis = |millis| Ok(SinceWhen::Time(Timestamp::from_millis(millis)));
        let secs = |secs| Ok(SinceWhen::Ago(Duration::from_secs(secs)));
        for (text, expected) in [
            ("90s", secs(90)),
            ("30m", secs(1_800)),
            ("24h", secs(86_400)),
            ("7d", secs(604_800)),
            ("1970-01-01T00:00:01Z", millis(1_000)),
            ("1970-01-01T01:00:01.5+01:00", millis(1_500)),
        ] {
            assert_eq!(text.parse::<SinceWhen>(), expected, "{text}");
        }
        for text in ["", "h", "24", "24 h", "-1h", "yesterday", "1970-01-01", "ä"] {
            assert!(text.parse::<SinceWhen>().is_err(), "{text}");
        }
    }
}
