//! What is wrong with one value of a request.

use std::borrow::Cow;

use domain::{ProductId, products::STOCK_MAX};

/// What is wrong with a value, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlawCode {
    /// It is missing.
    Required,
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

impl FlawCode {
    /// Its stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::OutOfRange => "out_of_range",
            Self::TooShort => "too_short",
            Self::TooLong => "too_long",
            Self::InvalidFormat => "invalid_format",
            Self::UnknownProduct => "unknown_product",
        }
    }
}

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// For programs.
    pub code: FlawCode,
    /// For people; it follows the name of the value.
    pub detail: Cow<'static, str>,
}

impl Flaw {
    /// A flaw.
    #[must_use]
    pub fn new(code: FlawCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
        }
    }

    /// There is no product with that id.
    #[must_use]
    pub fn unknown_product(id: ProductId) -> Self {
        Self::new(
            FlawCode::UnknownProduct,
            format!("there is no product {id}"),
        )
    }

    /// A product would have too many pieces.
    #[must_use]
    pub fn stock_too_large() -> Self {
        Self::new(
            FlawCode::OutOfRange,
            format!("a product may have at most {STOCK_MAX} pieces, held ones included"),
        )
    }

    /// It has another shape than it should.
    pub(super) fn format(detail: &'static str) -> Self {
        Self::new(FlawCode::InvalidFormat, detail)
    }
}
