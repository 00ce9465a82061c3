//! Points in time: RFC 3339, UTC, milliseconds.

use domain::Timestamp;
use serde::{Serialize, Serializer};
use time::{OffsetDateTime, UtcDateTime, format_description::well_known::Rfc3339};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, schema::Type},
};

/// `2025-01-31T09:30:00.000Z` is that many bytes long.
const LENGTH: usize = 24;

/// A point in time as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Time(Timestamp);

impl From<Timestamp> for Time {
    fn from(timestamp: Timestamp) -> Self {
        Self(timestamp)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Every order shows two of them, so this writes digits and not a format description.
        let text = format(self.0);
        serializer.serialize_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some("RFC 3339, UTC, with milliseconds."))
            .examples(["2025-01-31T09:30:00.000Z"])
            .into()
    }
}

impl ToSchema for Time {}

/// The time as text. Times beyond the years 0 to 9999 are shown as the nearest that there is.
fn format(timestamp: Timestamp) -> [u8; LENGTH] {
    const FIRST: i64 = -62_167_219_200_000;
    const LAST: i64 = 253_402_300_799_999;
    let millis = timestamp.as_millis().clamp(FIRST, LAST);
    let time = UtcDateTime::from_unix_timestamp(millis.div_euclid(1_000))
        .unwrap_or(UtcDateTime::UNIX_EPOCH);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    digits(&mut text[0..4], time.year().unsigned_abs());
    digits(&mut text[5..7], u8::from(time.month()).into());
    digits(&mut text[8..10], time.day().into());
    digits(&mut text[11..13], time.hour().into());
    digits(&mut text[14..16], time.minute().into());
    digits(&mut text[17..19], time.second().into());
    digits(
        &mut text[20..23],
        u32::try_from(millis.rem_euclid(1_000)).unwrap_or(0),
    );
    text
}

/// Writes a number into its place, from its last digit to the first.
fn digits(place: &mut [u8], mut number: u32) {
    for digit in place.iter_mut().rev() {
        *digit = b"0123456789"[(number % 10) as usize];
        number /= 10;
    }
}

/// The time that a text of RFC 3339 names, in whichever offset. What is finer than a millisecond is cut off.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    let millis = time.unix_timestamp_nanos().div_euclid(1_000_000);
    i64::try_from(millis).ok().map(Timestamp::from_millis)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn show(millis: i64) -> String {
        String::from_utf8(format(Timestamp::from_millis(millis)).to_vec()).unwrap()
    }

    #[test]
    fn times_are_shown_in_utc_with_milliseconds() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_738_315_800_007, "2025-01-31T09:30:00.007Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
            (i64::MAX, "9999-12-31T23:59:59.999Z"),
            (i64::MIN, "0000-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(show(millis), text);
        }
    }

    #[test]
    fn times_are_read_in_any_offset() {
        for (text, millis) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T01:00:00.0019+01:00", 1),
            ("2025-01-31T09:30:00.007Z", 1_738_315_800_007),
        ] {
            assert_eq!(parse(text), Some(Timestamp::from_millis(millis)), "{text}");
        }
        for text in [
            "",
            "2025-01-31",
            "2025-01-31T09:30:00",
            "2025-02-30T00:00:00Z",
            "now",
            "1738315800",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_can_be_read(millis in -62_167_219_200_000_i64..=253_402_300_799_999) {
            prop_assert_eq!(parse(&show(millis)), Some(Timestamp::from_millis(millis)));
        }
    }
}
