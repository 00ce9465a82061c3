//! What the shop said, and the checks that every answer of one kind must pass.

use reqwest::Url;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde_json::Value;

/// One HTTP answer, read to its end, with the request it belongs to so that a failed check can name it.
#[derive(Debug)]
pub(crate) struct Answer {
    asked: String,
    url: Url,
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    /// Reads a response to its end.
    pub(crate) async fn read(
        asked: String,
        response: reqwest::Response,
    ) -> Result<Self, reqwest::Error> {
        let url = response.url().clone();
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = response.bytes().await?.to_vec();
        Ok(Self {
            asked,
            url,
            status,
            headers,
            body,
        })
    }

    /// The status code.
    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// Where the answer came from, after redirects.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The value of a header that must be there.
    #[track_caller]
    pub(crate) fn expect_header(&self, name: &str) -> &str {
        self.header(name)
            .unwrap_or_else(|| panic!("no header {name}: {}", self.told()))
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.told()))
    }

    /// The `id` of the resource in the body.
    #[track_caller]
    pub(crate) fn id(&self) -> u64 {
        self.json()["id"]
            .as_u64()
            .unwrap_or_else(|| panic!("no integer id: {}", self.told()))
    }

    /// Whether this repeats an answer that was given before.
    pub(crate) fn is_replay(&self) -> bool {
        self.header("Idempotent-Replayed") == Some("true")
    }

    /// Fails unless the status is this one.
    #[track_caller]
    pub(crate) fn expect_status(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.told());
        self
    }

    /// Fails unless this is a well-formed problem with this status and code; returns the problem.
    #[track_caller]
    pub(crate) fn expect_problem(&self, status: u16, code: &str) -> Value {
        let problem = self.expect_any_problem();
        assert_eq!(
            (self.status, problem["code"].as_str()),
            (status, Some(code)),
            "{}",
            self.told()
        );
        problem
    }

    /// Fails unless this is a problem with this status and code whose first error is about the field at `pointer`.
    #[track_caller]
    pub(crate) fn expect_problem_at(&self, status: u16, code: &str, pointer: &str) -> Value {
        let problem = self.expect_problem(status, code);
        assert_eq!(
            problem["errors"][0]["pointer"].as_str(),
            Some(pointer),
            "{}",
            self.told()
        );
        problem
    }

    /// Fails unless this is the program's own "not now": 503, retryable, saying when to come back.
    #[track_caller]
    pub(crate) fn expect_unavailable(&self) {
        let problem = self.expect_problem(503, "unavailable");
        assert_eq!(problem["retryable"], true, "{}", self.told());
        let pause = self
            .headers
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok());
        assert!(
            pause.is_some_and(|seconds| seconds.parse::<u32>().is_ok()),
            "no Retry-After: {}",
            self.told()
        );
    }

    /// Fails unless this is an error in the form that RFC 9457 and the design ask for, and one of the client's or a 503.
    #[track_caller]
    pub(crate) fn expect_any_problem(&self) -> Value {
        let told = self.told();
        assert!(
            (400..500).contains(&self.status) || self.status == 503,
            "not a refusal: {told}"
        );
        let content_type = self.header("Content-Type").unwrap_or_default();
        assert!(
            content_type.starts_with("application/problem+json"),
            "content type {content_type:?}: {told}"
        );
        let problem = self.json();
        assert_eq!(
            problem["status"].as_u64(),
            Some(u64::from(self.status)),
            "{told}"
        );
        for text in ["type", "title", "code", "detail", "trace_id"] {
            assert!(problem[text].is_string(), "{text} is no text: {told}");
        }
        assert!(problem["retryable"].is_boolean(), "{told}");
        problem
    }

    /// The whole exchange in one paragraph, for a failure message.
    pub(crate) fn told(&self) -> String {
        format!("{} answered {}: {}", self.asked, self.status, self.text())
    }
}
