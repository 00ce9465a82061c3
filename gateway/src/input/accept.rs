//! What a client of an order's history wants: JSON, or a stream of server-sent events from some point on.

use std::future::{Ready, ready};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header::{self, HeaderMap},
};

use domain::ids::ID_BOUND;

use super::path;
use crate::problem::{FaultCode, Problem};

/// The name of the header with which a stream is resumed.
const LAST_EVENT_ID: &str = "last-event-id";
/// Where faults of the header are.
const POINTER: &str = "header:Last-Event-ID";

/// The form in which an order's history is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HistoryForm {
    /// As JSON, once.
    Json,
    /// As a stream, after the entry with that number.
    Stream {
        /// The last one that the client has.
        after_seq: u64,
    },
}

impl HistoryForm {
    fn read(headers: &HeaderMap) -> Result<Self, Problem> {
        if !wants_stream(headers) {
            return Ok(Self::Json);
        }
        let after_seq = match headers.get(LAST_EVENT_ID).map(|value| value.to_str()) {
            None | Some(Ok("" | "0")) => Some(0),
            Some(Ok(text)) => path::number(text).filter(|seq| *seq < ID_BOUND),
            Some(Err(_)) => None,
        };
        let after_seq = after_seq.ok_or_else(|| {
            let detail = "must be the id of an event of this stream";
            Problem::invalid_at(POINTER, FaultCode::InvalidFormat, detail)
        })?;
        Ok(Self::Stream { after_seq })
    }
}

/// Whether `text/event-stream` is named in `Accept`, and not with a quality of zero. A wildcard means JSON.
fn wants_stream(headers: &HeaderMap) -> bool {
    let lines = headers
        .get_all(header::ACCEPT)
        .filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_stream = parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case("text/event-stream"));
        is_stream && !parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

impl FromRequest for HistoryForm {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::read(request.headers()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn form(accept: &'static str, last: Option<&'static str>) -> Result<HistoryForm, Problem> {
        let mut headers = HeaderMap::new();
        headers.append(header::ACCEPT, HeaderValue::from_static(accept));
        if let Some(last) = last {
            headers.append(
                HeaderName::from_static(LAST_EVENT_ID),
                HeaderValue::from_static(last),
            );
        }
        HistoryForm::read(&headers)
    }

    #[test]
    fn a_stream_is_asked_for_by_name() {
        for accept in [
            "",
            "*/*",
            "application/json",
            "text/event-stream;q=0",
            "text/html",
        ] {
            assert_eq!(
                form(accept, Some("x")).unwrap(),
                HistoryForm::Json,
                "{accept}"
            );
        }
        for accept in [
            "text/event-stream",
            "application/json, Text/Event-Stream;q=0.5",
        ] {
            assert_eq!(
                form(accept, None).unwrap(),
                HistoryForm::Stream { after_seq: 0 },
                "{accept}"
            );
        }
    }

    #[test]
    fn a_stream_resumes_after_the_last_event_seen() {
        let resumed = form("text/event-stream", Some("17")).unwrap();
        assert_eq!(resumed, HistoryForm::Stream { after_seq: 17 });
        for last in ["-1", "seventeen", "99999999999999999999999"] {
            assert!(form("text/event-stream", Some(last)).is_err(), "{last}");
        }
    }
}
