//! `Idempotency-Key`: the client's name for a request that it may have to repeat.

use std::{
    future::{Ready, ready},
    sync::Arc,
};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header::HeaderMap};
use actors::edge::{self, Canonical};
use domain::orders::IdempotencyKey;

use crate::problem::{FaultCode, Problem};

/// The name of the header.
const HEADER: &str = "idempotency-key";
/// Where faults of the header are.
const POINTER: &str = "header:Idempotency-Key";

/// The key, if the client sent one.
#[derive(Debug)]
pub(crate) struct Key(Option<Arc<str>>);

impl Key {
    /// The key with a hash of what the request says. The same request written otherwise has the same hash.
    pub(crate) fn of<C: Canonical + ?Sized>(self, request: &C) -> Option<IdempotencyKey> {
        self.0.map(|key| edge::idempotency_key(&key, request))
    }

    fn read(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut sent = headers.get_all(HEADER);
        let Some(value) = sent.next() else {
            return Ok(Self(None));
        };
        if sent.next().is_some() {
            return Err(Problem::invalid_at(
                POINTER,
                FaultCode::Duplicate,
                "is there more than once",
            ));
        }
        match edge::key(value.as_bytes()) {
            Ok(text) => Ok(Self(Some(text.into()))),
            Err(flaw) => Err(Problem::invalid_at(POINTER, flaw.code.into(), flaw.detail)),
        }
    }
}

impl FromRequest for Key {
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

    fn read(values: &[&[u8]]) -> Result<Option<Arc<str>>, Problem> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(
                HeaderName::from_static(HEADER),
                HeaderValue::from_bytes(value).unwrap(),
            );
        }
        Key::read(&headers).map(|key| key.0)
    }

    #[test]
    fn a_key_has_1_to_255_visible_characters() {
        assert_eq!(read(&[]).unwrap(), None);
        assert_eq!(read(&[b"order-1"]).unwrap().as_deref(), Some("order-1"));
        assert!(read(&["k".repeat(255).as_bytes()]).is_ok());
        for bad in [
            &b""[..],
            b"a b",
            b"a\tb",
            "schlüssel".as_bytes(),
            "k".repeat(256).as_bytes(),
        ] {
            let problem = read(&[bad]).unwrap_err();
            assert!(format!("{problem:?}").contains(POINTER), "{problem:?}");
        }
        assert!(read(&[b"a", b"b"]).is_err());
    }
}
