//! The two forms of an error: RFC 9457, and that of the demo which this project replaces.

use std::borrow::Cow;

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::header::{self, HeaderValue},
};
use serde::Serialize;
use utoipa::{ToSchema, openapi::Object};

use super::{Code, Fault, HttpCode, More, Problem};
use crate::{dto, trace::TraceId};

/// The media type of RFC 9457.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";
/// Names the request in an error; the same value is in the log.
const TRACE_HEADER: &str = "x-trace-id";

/// How errors look to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `application/problem+json`.
    Problem,
    /// `{status,error}`, for the old demo's clients.
    Legacy,
}

/// An error, RFC 9457.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody<'a> {
    /// Identifies the kind of problem; the same text as `code`, as a URI.
    #[serde(rename = "type")]
    #[schema(example = "urn:stampede:problem:validation_failed")]
    kind: String,
    /// What it means in a few words.
    #[schema(example = "The request is not valid")]
    title: &'a str,
    /// The HTTP status.
    #[schema(example = 422)]
    status: u16,
    /// The kind of problem, stable.
    #[schema(schema_with = codes)]
    code: &'a str,
    /// What happened this time, for people.
    #[schema(example = "/lines/0/quantity: must be between 1 and 10000")]
    detail: &'a str,
    /// What is wrong with the content, all of it at once; empty unless the code is `validation_failed`.
    errors: &'a [Fault],
    /// Names this request; the log has the same.
    #[schema(example = "4bf92f3577b34da6a3ce929d0e0e4736")]
    trace_id: String,
    /// Whether the same request may succeed later.
    retryable: bool,
    #[serde(flatten)]
    #[schema(ignore)]
    more: Option<&'a More>,
}

fn codes() -> Object {
    dto::schema::one_of("The kind of problem, stable.", Code::ALL.map(Code::as_str))
}

/// The problem of an order that was refused.
#[derive(Serialize, ToSchema)]
#[schema(as = OrderRefusedProblem)]
pub(crate) struct RefusalBody<'a> {
    #[serde(flatten)]
    problem: ProblemBody<'a>,
    #[serde(flatten)]
    refusal: dto::Refusal,
}

/// The problem of a program that is not ready.
#[derive(Serialize, ToSchema)]
#[schema(as = NotReadyProblem)]
pub(crate) struct NotReadyBody<'a> {
    #[serde(flatten)]
    problem: ProblemBody<'a>,
    #[serde(flatten)]
    readiness: dto::Readiness,
}

/// The answer that tells of a problem.
pub(crate) fn render(problem: &Problem, trace: TraceId, form: Form) -> HttpResponse {
    let parts = &problem.0;
    let code = parts.code;
    let mut answer = HttpResponse::build(code.status());
    for (name, value) in &parts.headers {
        answer.append_header((name.clone(), value.clone()));
    }
    answer.insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")));
    answer.insert_header((TRACE_HEADER, trace.to_string()));
    match form {
        Form::Problem => problem_json(&mut answer, problem, trace),
        Form::Legacy => answer.json(dto::legacy::Error {
            status: code.status().as_u16(),
            error: legacy_text(problem),
        }),
    }
}

fn problem_json(
    answer: &mut HttpResponseBuilder,
    problem: &Problem,
    trace: TraceId,
) -> HttpResponse {
    let parts = &problem.0;
    let code = parts.code;
    if let Some(challenge) = challenge(code) {
        answer.insert_header((
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static(challenge),
        ));
    }
    answer.insert_header((header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON)));
    answer.json(ProblemBody {
        kind: format!("urn:stampede:problem:{}", code.as_str()),
        title: code.title(),
        status: code.status().as_u16(),
        code: code.as_str(),
        detail: &parts.detail,
        errors: &parts.faults,
        trace_id: trace.to_string(),
        retryable: code.is_retryable(),
        more: parts.more.as_ref(),
    })
}

/// One line that says it all: this form has no place for more.
fn legacy_text(problem: &Problem) -> Cow<'static, str> {
    let faults = &problem.0.faults;
    if faults.len() < 2 {
        return problem.0.detail.clone();
    }
    let texts: Vec<String> = faults
        .iter()
        .map(|fault| format!("{}: {}", super::place(&fault.pointer), fault.detail))
        .collect();
    texts.join("; ").into()
}

/// What a 401 asks for, RFC 6750.
fn challenge(code: Code) -> Option<&'static str> {
    match code {
        Code::Unauthorized | Code::InvalidCredentials | Code::InvalidRefreshToken => {
            Some(r#"Bearer realm="stampede""#)
        }
        Code::TokenExpired => Some(
            r#"Bearer realm="stampede", error="invalid_token", error_description="the access token expired""#,
        ),
        _ => None,
    }
}
