//! Entity tags: a client that has the answer already is told so in a few bytes.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderValue},
    web::Bytes,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::problem::Problem;

/// Keep it, but ask every time whether it still holds: stock changes with every order.
pub(crate) const REVALIDATE: &str = "no-cache";

/// JSON with a strong entity tag made from its bytes, or 304 if the client has it.
pub(crate) fn json<T: Serialize>(request: &HttpRequest, body: &T) -> Result<HttpResponse, Problem> {
    let bytes = serde_json::to_vec(body).map_err(|error| Problem::internal(error.to_string()))?;
    Ok(tagged(request, bytes.into()))
}

/// The same for JSON that has its bytes already.
pub(crate) fn tagged(request: &HttpRequest, json: Bytes) -> HttpResponse {
    let tag = tag(&json);
    let is_known = is_known(request, &tag);
    let mut answer = if is_known {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    if let Ok(value) = HeaderValue::try_from(&tag) {
        answer.insert_header((header::ETAG, value));
    }
    answer.insert_header((header::CACHE_CONTROL, HeaderValue::from_static(REVALIDATE)));
    if is_known {
        return answer.finish();
    }
    answer.insert_header((
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    ));
    answer.body(json)
}

fn tag(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    format!("\"{}\"", BASE64_URL_SAFE_NO_PAD.encode(&digest[..16]))
}

/// Whether `If-None-Match` names this tag. The comparison is the weak one, as RFC 9110 has it for this header.
fn is_known(request: &HttpRequest, tag: &str) -> bool {
    let lines = request.headers().get_all(header::IF_NONE_MATCH);
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .any(|sent| sent == "*" || sent.strip_prefix("W/").unwrap_or(sent) == tag)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use actix_web::{http::StatusCode, test::TestRequest};

    use super::*;

    fn status(if_none_match: &str) -> StatusCode {
        let request = TestRequest::default()
            .insert_header((header::IF_NONE_MATCH, if_none_match))
            .to_http_request();
        json(&request, &[1, 2]).unwrap().status()
    }

    #[test]
    fn a_client_that_has_it_is_told_so() {
        let plain = TestRequest::default().to_http_request();
        let answer = json(&plain, &[1, 2]).unwrap();
        let tag = answer
            .headers()
            .get(header::ETAG)
            .unwrap()
            .to_str()
            .unwrap();
        assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag}");
        for known in [tag, "*", &format!("W/{tag}"), &format!("\"other\", {tag}")] {
            assert_eq!(status(known), StatusCode::NOT_MODIFIED, "{known}");
        }
        for other in ["", "\"other\"", tag.trim_matches('"')] {
            assert_eq!(status(other), StatusCode::OK, "{other}");
        }
    }

    #[test]
    fn other_content_has_another_tag() {
        assert_ne!(tag(b"[1,2]"), tag(b"[1,3]"));
    }
}
