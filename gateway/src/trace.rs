//! Trace ids: the name of one request, in the problem that a client sees and in the log line that an operator sees.

use std::fmt;

use actix_web::http::header::HeaderMap;
use storage::TraceContext;

/// The header of W3C Trace Context.
const TRACEPARENT: &str = "traceparent";
/// The only layout that exists; later versions may only add to its end.
const LENGTH_OF_VERSION_0: usize = 55;

/// 128 bits, shown as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TraceId(u128);

impl TraceId {
    /// The one that the caller sent in `traceparent`, or a new one.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut sent = headers.get_all(TRACEPARENT);
        match (sent.next(), sent.next()) {
            (Some(value), None) => value
                .to_str()
                .ok()
                .and_then(parse)
                .unwrap_or_else(Self::random),
            _ => Self::random(),
        }
    }

    /// A new one.
    pub(crate) fn random() -> Self {
        Self(rand::random::<u128>().max(1))
    }
}

/// The request that the caller says it is part of, to be carried on to whatever follows from this one.
pub(crate) fn of_caller(headers: &HeaderMap) -> Option<TraceContext> {
    let mut sent = headers.get_all(TRACEPARENT);
    match (sent.next(), sent.next()) {
        (Some(value), None) => actors::trace::parse(value.to_str().ok()?),
        _ => None,
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// `version-traceid-parentid-flags` in lower-case hexadecimal digits; neither id is zero and the version is not `ff`.
fn parse(text: &str) -> Option<TraceId> {
    let mut parts = text.splitn(5, '-');
    let version = hex(parts.next()?, 2)?;
    let trace = hex(parts.next()?, 32)?;
    let parent = hex(parts.next()?, 16)?;
    hex(parts.next()?, 2)?;
    let is_valid = version != 0xff
        && (version != 0 || text.len() == LENGTH_OF_VERSION_0)
        && trace != 0
        && parent != 0;
    is_valid.then_some(TraceId(trace))
}

fn hex(text: &str, digits: usize) -> Option<u128> {
    let allowed = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() == digits && text.bytes().all(allowed) {
        u128::from_str_radix(text, 16).ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn the_callers_trace_id_is_taken() {
        for text in [
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes-later",
        ] {
            assert_eq!(parse(text).unwrap().to_string(), TRACE, "{text}");
        }
    }

    #[test]
    fn a_malformed_traceparent_is_ignored() {
        for text in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
