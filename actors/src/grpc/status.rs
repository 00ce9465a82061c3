//! How a refusal is told: a status, with details of `google.rpc` for programs.
//!
//! Every refusal of a service carries an `ErrorInfo` whose `reason` is the code that HTTP has for the same, whose
//! domain is `stampede`; what is worth trying again carries a `RetryInfo`, and what is wrong with the content is in a
//! `BadRequest`, each violation with the path of its field (`lines[0].product_id`, indices from zero). Which code goes
//! with which status is said in [`Code`].

use tonic::Status;
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::{
    auth::{AuthError, TokenError},
    edge::{Code, Refusal, rules::Flaw},
    orders::OrdersError,
    products::ProductsError,
};

/// The domain of all reasons.
const DOMAIN: &str = "stampede";

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let mut details = details(refusal.code);
        if let Some(wait) = refusal.retry_after {
            details.set_retry_info(Some(wait));
        }
        Self::with_error_details(refusal.code.grpc_status(), refusal.detail, details)
    }
}

impl From<TokenError> for Status {
    fn from(error: TokenError) -> Self {
        Refusal::from(error).into()
    }
}

impl From<AuthError> for Status {
    fn from(error: AuthError) -> Self {
        Refusal::from(error).into()
    }
}

impl From<ProductsError> for Status {
    fn from(error: ProductsError) -> Self {
        Refusal::from(error).into()
    }
}

impl From<OrdersError> for Status {
    fn from(error: OrdersError) -> Self {
        Refusal::from(error).into()
    }
}

/// The content is wrong in these ways, at least one.
pub(super) fn invalid(violations: Vec<FieldViolation>) -> Status {
    let code = Code::ValidationFailed;
    let message = match violations.as_slice() {
        [only] => format!("{}: {}", only.field, only.description),
        _ => "several things are wrong with the request, see the details".to_owned(),
    };
    let mut details = details(code);
    details.set_bad_request(violations);
    Status::with_error_details(code.grpc_status(), message, details)
}

/// The content is wrong in one way.
pub(crate) fn invalid_at(field: &str, flaw: Flaw) -> Status {
    invalid(vec![violation(field, flaw)])
}

/// What is wrong with one field.
pub(super) fn violation(field: impl Into<String>, flaw: Flaw) -> FieldViolation {
    FieldViolation {
        field: field.into(),
        description: flaw.detail.into_owned(),
        reason: flaw.code.as_str().to_owned(),
        localized_message: None,
    }
}

/// The time of a call is over.
pub(crate) fn deadline_exceeded() -> Status {
    let code = Code::RequestTimeout;
    let detail = "the deadline of the call has passed; it may or may not have been carried out";
    Status::with_error_details(code.grpc_status(), detail, details(code))
}

/// A fault of the program.
pub(crate) fn internal() -> Status {
    let code = Code::Internal;
    let detail = "the call could not be carried out because of a fault of the program";
    Status::with_error_details(code.grpc_status(), detail, details(code))
}

fn details(code: Code) -> ErrorDetails {
    ErrorDetails::with_error_info(code.as_str(), DOMAIN, [])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::*;
    use crate::edge::rules::FlawCode;

    #[test]
    fn a_refusal_has_its_code_as_reason() {
        let status = Status::from(OrdersError::KeyReused);
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
        let info = status.get_details_error_info().unwrap();
        assert_eq!(
            (info.reason.as_str(), info.domain.as_str()),
            ("idempotency_key_reused", "stampede")
        );
        assert!(status.get_details_retry_info().is_none());
    }

    #[test]
    fn what_may_be_tried_again_says_when() {
        let status = Status::from(Refusal::from(crate::Unavailable::Busy));
        assert_eq!(status.code(), tonic::Code::Unavailable);
        let retry = status.get_details_retry_info().unwrap();
        assert_eq!(retry.retry_delay, Some(Duration::from_secs(1)));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let flaw = Flaw::new(FlawCode::OutOfRange, "must be between 1 and 10000");
        let status = invalid_at("lines[0].quantity", flaw);
        assert_eq!(
            status.message(),
            "lines[0].quantity: must be between 1 and 10000"
        );
        let violations = status.get_details_bad_request().unwrap().field_violations;
        assert_eq!(violations.len(), 1);
        assert_eq!(violations[0].reason, "out_of_range");
    }
}
