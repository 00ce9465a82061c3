//! One thing that is wrong with the content of a request.

use std::{borrow::Cow, cell::RefCell};

use actors::edge::rules::FlawCode;
use serde::Serialize;
use utoipa::ToSchema;

/// The most faults of one request that are told. A body of nothing but mistakes must not make an endless answer.
pub(crate) const FAULTS_MAX: usize = 100;

/// What is wrong with one part of a request, as a client's program reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ProblemErrorCode)]
pub(crate) enum FaultCode {
    /// It is missing.
    Required,
    /// There is no field of that name.
    UnknownField,
    /// There is no parameter of that name.
    UnknownParameter,
    /// It is there more than once.
    Duplicate,
    /// It is a text where a number belongs, null where something belongs, and so on.
    WrongType,
    /// A number, or a number of items, that is too small or too large.
    OutOfRange,
    /// A text that is too short.
    TooShort,
    /// A text that is too long.
    TooLong,
    /// A text with characters, or of a shape, that do not belong here.
    InvalidFormat,
    /// A product that does not exist.
    UnknownProduct,
}

impl From<FlawCode> for FaultCode {
    fn from(code: FlawCode) -> Self {
        match code {
            FlawCode::Required => Self::Required,
            FlawCode::OutOfRange => Self::OutOfRange,
            FlawCode::TooShort => Self::TooShort,
            FlawCode::TooLong => Self::TooLong,
            FlawCode::InvalidFormat => Self::InvalidFormat,
            FlawCode::UnknownProduct => Self::UnknownProduct,
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ProblemError)]
pub(crate) struct Fault {
    /// Where: a JSON pointer into the body (`/lines/0/product_id`, empty for the whole body), `?` and the name of a
    /// query parameter, or `header:` and the name of a header.
    #[schema(example = "/lines/0/product_id")]
    pub(crate) pointer: String,
    /// What.
    pub(crate) code: FaultCode,
    /// The same for people.
    #[schema(value_type = String, example = "there is no product 4711")]
    pub(crate) detail: Cow<'static, str>,
}

impl Fault {
    /// A fault at that place.
    pub(crate) fn new(
        pointer: impl Into<String>,
        code: FaultCode,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            pointer: pointer.into(),
            code,
            detail: detail.into(),
        }
    }
}

/// Collects what is wrong while a request is read, so that all of it can be told at once.
#[derive(Debug, Default)]
pub(crate) struct Faults(RefCell<Vec<Fault>>);

impl Faults {
    /// Notes a fault, unless there are [`FAULTS_MAX`] already.
    pub(crate) fn note(&self, fault: Fault) {
        let mut faults = self.0.borrow_mut();
        if faults.len() < FAULTS_MAX {
            faults.push(fault);
        }
    }

    /// What was read if nothing is wrong with it, otherwise what is wrong.
    pub(crate) fn judge<T>(self, read: Option<T>) -> Result<T, Vec<Fault>> {
        let faults = self.0.into_inner();
        match read {
            Some(value) if faults.is_empty() => Ok(value),
            _ => Err(faults),
        }
    }
}
