//! Bodies: read up to a limit, and turned into what a handler works with.
//!
//! What is wrong is told in this order: the media type (415), the size (413), the encoding (400 `invalid_utf8`), the
//! syntax (400 `invalid_json`), and then everything wrong with the content at once (422).

use std::{future::Future, pin::Pin, time::Duration};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header::{self, HeaderMap},
    web::{Bytes, BytesMut},
};
use futures::StreamExt;

use super::{Field, tree::Tree};
use crate::{
    edge::Edge,
    problem::{Code, FaultCode, Faults, Problem},
};

/// How long a client may take to send a body.
const BODY_READ_TIMEOUT: Duration = Duration::from_secs(30);

/// What a handler works with, read from a body of JSON.
pub(crate) struct Body<T>(pub(crate) T);

/// What can be read from a body.
pub(crate) trait FromBody: Sized + 'static {
    /// Whether the old demo's clients send it: its server looked at no media type and passed over unknown fields.
    const LENIENT: bool = false;

    /// Reads a good body without building a tree. Where this gives up, [`FromBody::read`] says what is wrong; so what
    /// this accepts, that must accept too.
    fn read_fast(_body: &[u8]) -> Option<Self> {
        None
    }

    /// Reads a body and notes everything that is wrong with it.
    fn read(body: Field<'_>) -> Option<Self>;
}

impl<T: FromBody> FromRequest for Body<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let checked = check_head::<T>(request);
        let payload = payload.take();
        Box::pin(async move {
            let limit = checked?;
            let reading = tokio::time::timeout(BODY_READ_TIMEOUT, read_bytes(payload, limit));
            let body = reading.await.unwrap_or_else(|_| Err(too_slow()))?;
            parse(&body).map(Self)
        })
    }
}

/// What the headers say about the body: its limit, or why it is refused unread.
fn check_head<T: FromBody>(request: &HttpRequest) -> Result<usize, Problem> {
    let edge = Edge::of(request)?;
    if !T::LENIENT && !is_json(request.headers()) {
        return Err(Problem::new(
            Code::UnsupportedMediaType,
            "send the body as application/json",
        ));
    }
    let limit = edge.config.body_limit_bytes;
    let declared = request.headers().get(header::CONTENT_LENGTH);
    let declared = declared.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    Ok(limit)
}

/// `application/json`, by itself or with UTF-8 as its charset, and no coding such as gzip.
fn is_json(headers: &HeaderMap) -> bool {
    if headers
        .get(header::CONTENT_ENCODING)
        .is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        return false;
    }
    let mut types = headers.get_all(header::CONTENT_TYPE);
    let (Some(media_type), None) = (types.next(), types.next()) else {
        return false;
    };
    if media_type.as_bytes() == b"application/json" {
        return true;
    }
    let Ok(media_type) = media_type.to_str() else {
        return false;
    };
    let mut parts = media_type.split(';').map(str::trim);
    parts
        .next()
        .is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"))
        && parts.filter(|part| !part.is_empty()).all(is_utf8_charset)
}

fn is_utf8_charset(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else {
        return false;
    };
    let value = value.trim().trim_matches('"');
    name.trim().eq_ignore_ascii_case("charset") && value.eq_ignore_ascii_case("utf-8")
}

/// The whole body. Stops as soon as it is larger than the limit.
async fn read_bytes(mut payload: Payload, limit: usize) -> Result<Bytes, Problem> {
    let mut whole = match payload.next().await {
        None => return Ok(Bytes::new()),
        Some(chunk) => chunk.map_err(cut_off)?,
    };
    let mut gathered: Option<BytesMut> = None;
    loop {
        let length = gathered.as_ref().map_or(whole.len(), BytesMut::len);
        if length > limit {
            return Err(too_large(limit));
        }
        match payload.next().await {
            None => break,
            Some(chunk) => {
                let chunk = chunk.map_err(cut_off)?;
                gathered
                    .get_or_insert_with(|| BytesMut::from(whole.as_ref()))
                    .extend_from_slice(&chunk);
            }
        }
    }
    if let Some(gathered) = gathered {
        whole = gathered.freeze();
    }
    Ok(whole)
}

/// The value in a body, or what is wrong with it.
pub(crate) fn parse<T: FromBody>(body: &[u8]) -> Result<T, Problem> {
    if let Some(value) = T::read_fast(body) {
        return Ok(value);
    }
    let text = std::str::from_utf8(body).map_err(|error| {
        let at = error.valid_up_to();
        Problem::new(
            Code::InvalidUtf8,
            format!("the body stops being UTF-8 at byte {at}"),
        )
    })?;
    let tree = Tree::parse(text).map_err(|error| syntax(text, &error))?;
    let faults = Faults::default();
    let read = T::read(Field::root(&tree, &faults, T::LENIENT));
    faults.judge(read).map_err(|faults| {
        if faults.is_empty() {
            Problem::internal("a reader refused a body and noted no fault")
        } else {
            Problem::invalid(faults)
        }
    })
}

fn syntax(text: &str, error: &serde_json::Error) -> Problem {
    if text.trim().is_empty() {
        return Problem::new(Code::InvalidJson, "the body is empty");
    }
    let (line, column) = (error.line(), error.column());
    // The parser's own words for valid JSON that it cannot keep: a number beyond all floating-point numbers.
    if error.to_string().starts_with("number out of range") {
        let detail = format!("the number at line {line}, column {column} is out of range");
        return Problem::invalid_at("", FaultCode::OutOfRange, detail);
    }
    Problem::new(
        Code::InvalidJson,
        format!("the body is not JSON from line {line}, column {column} on"),
    )
}

fn too_large(limit: usize) -> Problem {
    Problem::new(
        Code::BodyTooLarge,
        format!("a body may have at most {limit} bytes"),
    )
}

fn too_slow() -> Problem {
    let seconds = BODY_READ_TIMEOUT.as_secs();
    Problem::new(
        Code::RequestTimeout,
        format!("the body has to arrive within {seconds} s"),
    )
}

fn cut_off(_: actix_web::error::PayloadError) -> Problem {
    Problem::new(
        Code::BadRequest,
        "the body ended early or was framed wrongly",
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(name.clone(), HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn json_is_declared_by_its_media_type() {
        for good in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
            "application/json;",
        ] {
            assert!(is_json(&headers(&[(header::CONTENT_TYPE, good)])), "{good}");
        }
        for bad in [
            "",
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/json; charset=latin1",
            "application/json; charset",
            "application/jsonp",
            "application/problem+json",
        ] {
            assert!(!is_json(&headers(&[(header::CONTENT_TYPE, bad)])), "{bad}");
        }
        let json = (header::CONTENT_TYPE, "application/json");
        assert!(!is_json(&headers(&[])));
        assert!(!is_json(&headers(&[json.clone(), json.clone()])));
        assert!(!is_json(&headers(&[
            json,
            (header::CONTENT_ENCODING, "gzip")
        ])));
    }

    struct Anything;

    impl FromBody for Anything {
        fn read(_: Field<'_>) -> Option<Self> {
            Some(Self)
        }
    }

    #[test]
    fn what_is_no_json_is_told_by_its_kind() {
        for (body, code) in [
            (&b""[..], Code::InvalidJson),
            (b"  \n", Code::InvalidJson),
            (b"{", Code::InvalidJson),
            (b"{} {}", Code::InvalidJson),
            (b"{'a':1}", Code::InvalidJson),
            (b"NaN", Code::InvalidJson),
            (b"01", Code::InvalidJson),
            (b"\"\\ud800\"", Code::InvalidJson),
            (b"\"a\nb\"", Code::InvalidJson),
            (b"\xef\xbb\xbf{}", Code::InvalidJson),
            (b"\"\xff\"", Code::InvalidUtf8),
            (b"{\"a\xc3\":1}", Code::InvalidUtf8),
            (b"1e400", Code::ValidationFailed),
        ] {
            let problem = parse::<Anything>(body).err().unwrap();
            assert_eq!(problem.code(), code, "{}", String::from_utf8_lossy(body));
        }
        assert!(parse::<Anything>(b" {\"a\":[1]} ").is_ok());
    }

    #[test]
    fn a_deep_body_is_refused() {
        let body = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(
            parse::<Anything>(body.as_bytes()).err().unwrap().code(),
            Code::InvalidJson
        );
    }
}
