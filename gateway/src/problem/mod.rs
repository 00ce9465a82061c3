//! What goes wrong, as clients see it: `application/problem+json` of RFC 9457, with a stable code.
//!
//! Handlers and extractors fail with a [`Problem`]. It says nothing about its form: the middleware in [`crate::edge`]
//! knows the request, and so the trace id and whether an old client asks, and renders it ([`render`]). The text of an
//! internal error never becomes part of a problem; it goes to the log.

mod code;
mod errors;
mod fault;
mod render;

use std::{borrow::Cow, fmt};

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
};

pub(crate) use code::{Code, HttpCode};
pub(crate) use fault::{Fault, FaultCode, Faults};
pub(crate) use render::{Form, NotReadyBody, PROBLEM_JSON, ProblemBody, RefusalBody, render};

use crate::{dto, trace::TraceId};

/// Why a request is not answered as it was meant.
pub(crate) struct Problem(Box<Parts>);

struct Parts {
    code: Code,
    detail: Cow<'static, str>,
    faults: Vec<Fault>,
    more: Option<More>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// For the log only.
    cause: Option<String>,
}

/// Members that some problems have beyond the common ones.
#[derive(Debug, serde::Serialize)]
#[serde(untagged)]
pub(crate) enum More {
    /// The order was refused.
    Refusal(dto::Refusal),
    /// The program is not ready.
    NotReady(dto::Readiness),
}

impl Problem {
    /// A problem with a detail for people.
    pub(crate) fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Parts {
            code,
            detail: detail.into(),
            faults: Vec::new(),
            more: None,
            headers: Vec::new(),
            cause: None,
        }))
    }

    /// The content is wrong in these ways.
    pub(crate) fn invalid(faults: Vec<Fault>) -> Self {
        let detail: Cow<'static, str> = match faults.as_slice() {
            [only] => format!("{}: {}", place(&only.pointer), only.detail).into(),
            _ => "several things are wrong with the request, see errors".into(),
        };
        let mut problem = Self::new(Code::ValidationFailed, detail);
        problem.0.faults = faults;
        problem
    }

    /// The content is wrong in one way.
    pub(crate) fn invalid_at(
        pointer: impl Into<String>,
        code: FaultCode,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::invalid(vec![Fault::new(pointer, code, detail)])
    }

    /// There is no such thing, or the caller may not know of it.
    pub(crate) fn not_found(what: &'static str) -> Self {
        Self::new(Code::NotFound, format!("there is no such {what}"))
    }

    /// A fault of the program. The cause goes to the log and nowhere else.
    pub(crate) fn internal(cause: impl Into<String>) -> Self {
        let mut problem = Self::new(
            Code::Internal,
            "the request could not be carried out because of a fault of the program",
        );
        problem.0.cause = Some(cause.into());
        problem
    }

    /// With one more header.
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// With the time after which it is worth trying again.
    pub(crate) fn retry_after(self, seconds: u64) -> Self {
        self.with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// With more members.
    pub(crate) fn with(mut self, more: More) -> Self {
        self.0.more = Some(more);
        self
    }

    /// With a cause for the log.
    pub(crate) fn because(mut self, cause: impl Into<String>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// Its code.
    pub(crate) fn code(&self) -> Code {
        self.0.code
    }

    /// What is wrong with the content.
    #[cfg(test)]
    pub(crate) fn faults(&self) -> &[Fault] {
        &self.0.faults
    }

    /// What an operator should know and a client should not.
    pub(crate) fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }
}

/// The place of a fault, for people.
fn place(pointer: &str) -> &str {
    if pointer.is_empty() {
        "the body"
    } else {
        pointer
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Problem")
            .field("code", &self.0.code)
            .field("detail", &self.0.detail)
            .field("faults", &self.0.faults)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code.as_str(), self.0.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.0.code.status()
    }

    /// Only the status: the middleware, which knows the request, renders the rest.
    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status_code())
    }
}

/// A problem that leaves the server where no middleware sees it any more, because a handler panicked.
#[derive(Debug)]
pub(crate) struct Panicked;

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a handler panicked")
    }
}

impl ResponseError for Panicked {
    fn error_response(&self) -> HttpResponse {
        render(
            &Problem::internal(self.to_string()),
            TraceId::random(),
            Form::Problem,
        )
    }
}
