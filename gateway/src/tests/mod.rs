//! The routes as a whole, without a shop behind them: everything that is decided before the shop is asked.
//!
//! What the shop answers is tested from outside, against the running program.

#![allow(clippy::unwrap_used)]

mod bodies;
mod documented;
mod errors;
mod legacy;
mod orders;

use actix_web::{
    http::{Method, StatusCode, header::HeaderMap},
    test::{self, TestRequest},
    web::Data,
};
use serde_json::Value;

use crate::{Config, edge::Edge, server::app};

/// An answer, read to its end.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        Some(self.headers.get(name)?.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", self.text()))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Fails unless this is a complete problem with that status and code.
    #[track_caller]
    fn expect_problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{}",
            self.text()
        );
        let problem = self.json();
        assert_eq!(
            (&problem["status"], &problem["code"]),
            (&status.into(), &code.into()),
            "{problem:#}"
        );
        assert_eq!(problem["type"], format!("urn:stampede:problem:{code}"));
        for text in ["title", "detail", "trace_id"] {
            assert!(
                problem[text].as_str().is_some_and(|text| !text.is_empty()),
                "{problem:#}"
            );
        }
        assert_eq!(problem["trace_id"].as_str(), self.header("x-trace-id"));
        assert!(
            problem["errors"].is_array() && problem["retryable"].is_boolean(),
            "{problem:#}"
        );
        problem
    }

    /// Fails unless this is an error in the form of the old demo.
    #[track_caller]
    fn expect_legacy_error(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        assert_eq!(
            self.header("content-type"),
            Some("application/json"),
            "{}",
            self.text()
        );
        let body = self.json();
        assert_eq!(body.as_object().unwrap().len(), 2, "{body:#}");
        assert_eq!(body["status"], status);
        body["error"].as_str().unwrap().to_owned()
    }
}

/// A request to the gateway without a shop.
fn request(method: Method, path: &str) -> TestRequest {
    TestRequest::with_uri(path).method(method)
}

/// The answer of a gateway that has no shop.
async fn send(request: TestRequest) -> Answer {
    let edge = Data::new(Edge::new(Config::default()));
    let app = test::init_service(app(edge)).await;
    let answer = test::call_service(&app, request.to_request()).await;
    Answer {
        status: answer.status(),
        headers: answer.headers().clone(),
        body: test::read_body(answer).await.to_vec(),
    }
}

/// A POST of JSON.
async fn post(path: &str, body: &str) -> Answer {
    let request = request(Method::POST, path)
        .insert_header(("content-type", "application/json"))
        .set_payload(body.to_owned());
    send(request).await
}
