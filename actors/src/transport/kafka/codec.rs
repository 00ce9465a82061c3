//! A record as a message, and a message as a record.
//!
//! The value is the event's protobuf exactly as in the journal; everything else travels in headers, as CloudEvents'
//! Kafka binding has them. What is read here comes from outside: nothing of it is trusted, and each defect has a name.

use domain::{ShardRef, Timestamp};
use rdkafka::{
    Message,
    message::{Header, Headers, OwnedHeaders},
};
use storage::{TraceContext, incarnation::parse_source_name};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The version of CloudEvents.
const SPEC_VERSION: &str = "1.0";
/// What the value is.
const CONTENT_TYPE: &str = "application/protobuf";

/// Names of headers.
pub mod header {
    /// The version of CloudEvents.
    pub const SPEC_VERSION: &str = "ce_specversion";
    /// The position in the source's journal.
    pub const ID: &str = "ce_id";
    /// The source, `/orders/shards/7/<incarnation>`.
    pub const SOURCE: &str = "ce_source";
    /// The type of the event.
    pub const TYPE: &str = "ce_type";
    /// When it was decided, RFC 3339.
    pub const TIME: &str = "ce_time";
    /// The id of the aggregate.
    pub const SUBJECT: &str = "ce_subject";
    /// What the value is.
    pub const CONTENT_TYPE: &str = "content-type";
    /// The position before it on this link.
    pub const PREV: &str = "prev";
    /// The request it goes back to, as W3C Trace Context has it.
    pub const TRACE_PARENT: &str = "traceparent";
}

/// A record on its way, without the bytes of its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// The name of its source.
    pub source: &'a str,
    /// Its position there.
    pub position: u64,
    /// The position before it on this link.
    pub prev: u64,
    /// The type of the event.
    pub event_type: &'a str,
    /// The aggregate it is about.
    pub aggregate_id: u64,
    /// When it was decided.
    pub time: Timestamp,
    /// The request it goes back to.
    pub trace: Option<TraceContext>,
}

impl Envelope<'_> {
    /// The message's key: records of one aggregate stay together for whoever compacts or partitions anew.
    #[must_use]
    pub fn key(&self) -> String {
        self.aggregate_id.to_string()
    }

    /// The message's headers.
    #[must_use]
    pub fn headers(&self) -> OwnedHeaders {
        let subject = self.aggregate_id.to_string();
        let headers = OwnedHeaders::new_with_capacity(9)
            .insert(text(header::SPEC_VERSION, SPEC_VERSION))
            .insert(text(header::ID, &self.position.to_string()))
            .insert(text(header::SOURCE, self.source))
            .insert(text(header::TYPE, self.event_type))
            .insert(text(header::TIME, &time_text(self.time)))
            .insert(text(header::SUBJECT, &subject))
            .insert(text(header::CONTENT_TYPE, CONTENT_TYPE))
            .insert(text(header::PREV, &self.prev.to_string()));
        match &self.trace {
            Some(trace) => headers.insert(text(header::TRACE_PARENT, &trace_text(trace))),
            None => headers,
        }
    }
}

/// Which record a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Whose journal.
    pub source: ShardRef,
    /// In which life of it.
    pub incarnation: String,
    /// The position there.
    pub position: u64,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The type of the event.
    pub event_type: String,
    /// The aggregate it is about.
    pub aggregate_id: u64,
    /// When it was decided.
    pub time: Timestamp,
    /// The request it goes back to.
    pub trace: Option<TraceContext>,
    /// The event in protobuf.
    pub payload: Vec<u8>,
}

/// What is wrong with a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A header is missing.
    #[error("header {0} is missing")]
    Missing(&'static str),
    /// A header is not UTF-8.
    #[error("header {0} is not utf-8")]
    NotText(&'static str),
    /// A header does not say what it should.
    #[error("header {0} is {1:?}")]
    Invalid(&'static str, String),
    /// Its source is no shard of this shop.
    #[error("there is no shard {0}")]
    UnknownShard(ShardRef),
    /// It is in a partition where records of its source do not belong.
    #[error("records of {0} do not belong here")]
    Misplaced(ShardRef),
}

/// Which record a message is.
///
/// # Errors
/// [`Malformed`] if `ce_source` or `ce_id` is missing or wrong.
pub fn address(message: &impl Message) -> Result<Address, Malformed> {
    let name = required(message, header::SOURCE)?;
    let (source, incarnation) =
        parse_source_name(name).ok_or_else(|| invalid(header::SOURCE, name))?;
    let position = number(message, header::ID)?;
    if position == 0 {
        return Err(invalid(header::ID, "0"));
    }
    Ok(Address {
        source,
        incarnation: incarnation.to_owned(),
        position,
    })
}

/// The position before a message's record on its link.
///
/// # Errors
/// [`Malformed`] if `prev` is missing, no number or not before `position`.
pub fn prev(message: &impl Message, position: u64) -> Result<u64, Malformed> {
    let prev = number(message, header::PREV)?;
    if prev < position {
        Ok(prev)
    } else {
        Err(invalid(header::PREV, &prev.to_string()))
    }
}

/// What a message says.
///
/// # Errors
/// [`Malformed`] if one of the other headers is missing or wrong. A `traceparent` that is wrong is as good as none.
pub fn content(message: &impl Message) -> Result<Content, Malformed> {
    let time = required(message, header::TIME)?;
    Ok(Content {
        event_type: required(message, header::TYPE)?.to_owned(),
        aggregate_id: number(message, header::SUBJECT)?,
        time: parse_time(time).ok_or_else(|| invalid(header::TIME, time))?,
        trace: find(message, header::TRACE_PARENT)
            .and_then(|value| std::str::from_utf8(value).ok())
            .and_then(parse_trace),
        payload: message.payload().unwrap_or_default().to_vec(),
    })
}

fn text<'a>(key: &'a str, value: &'a str) -> Header<'a, &'a str> {
    Header {
        key,
        value: Some(value),
    }
}

fn invalid(name: &'static str, value: &str) -> Malformed {
    /// As much of a value as is worth telling, in characters.
    const TOLD_MAX: usize = 100;
    Malformed::Invalid(name, value.chars().take(TOLD_MAX).collect())
}

fn find<'a>(message: &'a impl Message, name: &str) -> Option<&'a [u8]> {
    message
        .headers()?
        .iter()
        .find(|header| header.key == name)
        .and_then(|header| header.value)
}

fn required<'a>(message: &'a impl Message, name: &'static str) -> Result<&'a str, Malformed> {
    let value = find(message, name).ok_or(Malformed::Missing(name))?;
    std::str::from_utf8(value).map_err(|_| Malformed::NotText(name))
}

fn number(message: &impl Message, name: &'static str) -> Result<u64, Malformed> {
    let value = required(message, name)?;
    // `parse` alone would also take a leading plus sign.
    if value.starts_with(|first: char| first.is_ascii_digit()) {
        value.parse().map_err(|_| invalid(name, value))
    } else {
        Err(invalid(name, value))
    }
}

fn time_text(time: Timestamp) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(time.as_millis()) * 1_000_000)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        // Years beyond 9999 have no such text; no clock shows them.
        .unwrap_or_else(|| "9999-12-31T23:59:59.999Z".to_owned())
}

fn parse_time(text: &str) -> Option<Timestamp> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000))
        .ok()
        .map(Timestamp::from_millis)
}

fn trace_text(trace: &TraceContext) -> String {
    format!(
        "00-{:032x}-{:016x}-01",
        u128::from_be_bytes(trace.trace_id),
        u64::from_be_bytes(trace.span_id)
    )
}

fn parse_trace(text: &str) -> Option<TraceContext> {
    let mut parts = text.split('-');
    let (version, trace_id, span_id) = (parts.next()?, parts.next()?, parts.next()?);
    if version.len() != 2 || trace_id.len() != 32 || span_id.len() != 16 {
        return None;
    }
    let trace_id = u128::from_str_radix(trace_id, 16).ok()?;
    let span_id = u64::from_str_radix(span_id, 16).ok()?;
    (trace_id != 0 && span_id != 0).then(|| TraceContext {
        trace_id: trace_id.to_be_bytes(),
        span_id: span_id.to_be_bytes(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use domain::Domain;
    use proptest::prelude::*;
    use rdkafka::message::{OwnedMessage, Timestamp as MessageTime};
    use storage::incarnation::source_name;

    use super::*;

    fn message(headers: OwnedHeaders, payload: Vec<u8>) -> OwnedMessage {
        OwnedMessage::new(
            Some(payload),
            None,
            "events.orders".to_owned(),
            MessageTime::NotAvailable,
            0,
            0,
            Some(headers),
        )
    }

    fn envelope(source: &str) -> Envelope<'_> {
        Envelope {
            source,
            position: 9,
            prev: 4,
            event_type: "order.created.v1",
            aggregate_id: 77,
            time: Timestamp::from_millis(1_700_000_000_123),
            trace: None,
        }
    }

    fn with(name: &str, value: Option<&[u8]>) -> OwnedMessage {
        let whole = envelope("/orders/shards/3/abc").headers();
        let mut headers = OwnedHeaders::new();
        for kept in whole.iter().filter(|header| header.key != name) {
            headers = headers.insert(kept);
        }
        if let Some(value) = value {
            headers = headers.insert(Header {
                key: name,
                value: Some(value),
            });
        }
        message(headers, Vec::new())
    }

    #[test]
    fn headers_are_those_of_cloud_events() {
        let headers = envelope("/orders/shards/3/abc").headers();
        let told: Vec<(String, String)> = headers
            .iter()
            .map(|header| {
                let value = String::from_utf8(header.value.unwrap().to_vec()).unwrap();
                (header.key.to_owned(), value)
            })
            .collect();
        let expected = [
            ("ce_specversion", "1.0"),
            ("ce_id", "9"),
            ("ce_source", "/orders/shards/3/abc"),
            ("ce_type", "order.created.v1"),
            ("ce_time", "2023-11-14T22:13:20.123Z"),
            ("ce_subject", "77"),
            ("content-type", "application/protobuf"),
            ("prev", "4"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(told, expected);
    }

    #[test]
    fn a_message_that_is_not_addressed_says_why() {
        assert_eq!(
            address(&with("ce_id", None)),
            Err(Malformed::Missing("ce_id"))
        );
        for wrong in ["", "-1", "+1", "1x", "0", "99999999999999999999"] {
            let refused = address(&with("ce_id", Some(wrong.as_bytes())));
            assert!(
                matches!(refused, Err(Malformed::Invalid("ce_id", _))),
                "{wrong}"
            );
        }
        assert_eq!(
            address(&with("ce_source", Some(b"\xff"))),
            Err(Malformed::NotText("ce_source"))
        );
        assert!(matches!(
            address(&with("ce_source", Some(b"/orders/shards/3"))),
            Err(Malformed::Invalid("ce_source", _))
        ));
        assert!(matches!(
            prev(&with("prev", Some(b"9")), 9),
            Err(Malformed::Invalid("prev", _))
        ));
        assert!(matches!(
            content(&with("ce_time", Some(b"yesterday"))),
            Err(Malformed::Invalid("ce_time", _))
        ));
    }

    #[test]
    fn a_trace_that_is_wrong_is_as_good_as_none() {
        for wrong in [
            "",
            "00-1-2-01",
            "00-00000000000000000000000000000000-0000000000000001-01",
        ] {
            let read = content(&with("traceparent", Some(wrong.as_bytes()))).unwrap();
            assert_eq!(read.trace, None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            domain in prop::sample::select(Domain::ALL.to_vec()),
            shard: u16,
            incarnation in "[0-9a-f]{16}",
            (position, prev_position) in (1_u64..).prop_flat_map(|position| (Just(position), 0..position)),
            event_type in "[a-z]{1,12}\\.[a-z_]{1,12}\\.v[1-9]",
            aggregate_id: u64,
            millis in 0_i64..253_402_300_799_999,
            trace: Option<([u8; 16], [u8; 8])>,
            payload: Vec<u8>,
        ) {
            let source = ShardRef { domain, shard };
            let trace = trace
                .filter(|(trace_id, span_id)| *trace_id != [0; 16] && *span_id != [0; 8])
                .map(|(trace_id, span_id)| TraceContext { trace_id, span_id });
            let time = Timestamp::from_millis(millis);
            let name = source_name(source, &incarnation);
            let written = Envelope {
                source: &name,
                position,
                prev: prev_position,
                event_type: &event_type,
                aggregate_id,
                time,
                trace,
            };
            let message = message(written.headers(), payload.clone());
            prop_assert_eq!(address(&message).unwrap(), Address { source, incarnation, position });
            prop_assert_eq!(prev(&message, position).unwrap(), prev_position);
            prop_assert_eq!(
                content(&message).unwrap(),
                Content { event_type: event_type.clone(), aggregate_id, time, trace, payload }
            );
            prop_assert_eq!(written.key(), aggregate_id.to_string());
        }

        #[test]
        fn no_header_makes_it_panic(name in "(ce_id|ce_source|ce_type|ce_time|ce_subject|prev|traceparent)", value: Vec<u8>) {
            let message = with(&name, Some(&value));
            let _ = (address(&message), prev(&message, 5), content(&message));
        }
    }
}
