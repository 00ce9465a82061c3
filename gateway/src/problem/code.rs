//! The codes of problems: few, stable, each with one status.

use actix_web::http::StatusCode;

/// What is wrong, as a client's program reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Code {
    /// The request is not one that HTTP or this API knows, and no other code says more.
    BadRequest,
    /// The body is not JSON.
    InvalidJson,
    /// The body is not UTF-8.
    InvalidUtf8,
    /// No access token, or none that is ours.
    Unauthorized,
    /// The access token was ours and its time is over.
    TokenExpired,
    /// A login with a wrong name or password.
    InvalidCredentials,
    /// A refresh token that is unknown, used, expired or revoked.
    InvalidRefreshToken,
    /// Somebody who may not do this.
    Forbidden,
    /// Nothing there, or nothing that the caller may see.
    NotFound,
    /// Something is there, but does not take this method.
    MethodNotAllowed,
    /// The body did not arrive in time.
    RequestTimeout,
    /// Somebody else has the name.
    UsernameTaken,
    /// Another product has the SKU.
    SkuTaken,
    /// More would be taken out of a stock than is available.
    InsufficientStock,
    /// The order was rejected because pieces were missing.
    OutOfStock,
    /// The order was rejected because its products are priced in several currencies.
    CurrencyMismatch,
    /// The order was given up because its products did not answer in time.
    Expired,
    /// The order is settled in a way that cannot be undone.
    NotCancellable,
    /// Another parked command has to be dealt with first.
    ParkedNotFirst,
    /// A parked command failed again and stays parked.
    ParkedFailedAgain,
    /// The body is larger than the limit.
    BodyTooLarge,
    /// The body is not declared to be JSON.
    UnsupportedMediaType,
    /// The content is wrong; `errors` says where.
    ValidationFailed,
    /// The idempotency key was used with another request.
    IdempotencyKeyReused,
    /// A fault of the program.
    Internal,
    /// Not now.
    Unavailable,
}

impl Code {
    /// All of them, by status.
    pub(crate) const ALL: [Self; 26] = [
        Self::BadRequest,
        Self::InvalidJson,
        Self::InvalidUtf8,
        Self::Unauthorized,
        Self::TokenExpired,
        Self::InvalidCredentials,
        Self::InvalidRefreshToken,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::UsernameTaken,
        Self::SkuTaken,
        Self::InsufficientStock,
        Self::OutOfStock,
        Self::CurrencyMismatch,
        Self::Expired,
        Self::NotCancellable,
        Self::ParkedNotFirst,
        Self::ParkedFailedAgain,
        Self::BodyTooLarge,
        Self::UnsupportedMediaType,
        Self::ValidationFailed,
        Self::IdempotencyKeyReused,
        Self::Internal,
        Self::Unavailable,
    ];

    /// Its stable name.
    pub(crate) const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status that goes with it.
    pub(crate) const fn status(self) -> StatusCode {
        self.row().1
    }

    /// What it means in a few words, the same for every occurrence.
    pub(crate) const fn title(self) -> &'static str {
        self.row().2
    }

    /// Whether the same request may succeed later without anybody changing anything.
    pub(crate) const fn is_retryable(self) -> bool {
        matches!(self, Self::Unavailable | Self::RequestTimeout)
    }

    /// The code for an error that the HTTP library made.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::REQUEST_TIMEOUT => Self::RequestTimeout,
            StatusCode::PAYLOAD_TOO_LARGE => Self::BodyTooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::UnsupportedMediaType,
            StatusCode::SERVICE_UNAVAILABLE => Self::Unavailable,
            status if status.is_client_error() => Self::BadRequest,
            _ => Self::Internal,
        }
    }

    const fn row(self) -> (&'static str, StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::BadRequest => ("bad_request", S::BAD_REQUEST, "The request is malformed"),
            Self::InvalidJson => ("invalid_json", S::BAD_REQUEST, "The body is not valid JSON"),
            Self::InvalidUtf8 => (
                "invalid_utf8",
                S::BAD_REQUEST,
                "The body is not valid UTF-8",
            ),
            Self::Unauthorized => (
                "unauthorized",
                S::UNAUTHORIZED,
                "A valid access token is needed",
            ),
            Self::TokenExpired => (
                "token_expired",
                S::UNAUTHORIZED,
                "The access token has expired",
            ),
            Self::InvalidCredentials => (
                "invalid_credentials",
                S::UNAUTHORIZED,
                "The username or the password is wrong",
            ),
            Self::InvalidRefreshToken => (
                "invalid_refresh_token",
                S::UNAUTHORIZED,
                "The refresh token is not valid",
            ),
            Self::Forbidden => ("forbidden", S::FORBIDDEN, "Not allowed"),
            Self::NotFound => ("not_found", S::NOT_FOUND, "Not found"),
            Self::MethodNotAllowed => (
                "method_not_allowed",
                S::METHOD_NOT_ALLOWED,
                "The method is not allowed here",
            ),
            Self::RequestTimeout => (
                "request_timeout",
                S::REQUEST_TIMEOUT,
                "The body took too long to arrive",
            ),
            Self::UsernameTaken => ("username_taken", S::CONFLICT, "The username is taken"),
            Self::SkuTaken => ("sku_taken", S::CONFLICT, "The SKU is taken"),
            Self::InsufficientStock => (
                "insufficient_stock",
                S::CONFLICT,
                "There is not enough stock",
            ),
            Self::OutOfStock => ("out_of_stock", S::CONFLICT, "Out of stock"),
            Self::CurrencyMismatch => (
                "currency_mismatch",
                S::CONFLICT,
                "More than one currency in one order",
            ),
            Self::Expired => ("expired", S::CONFLICT, "The order was given up"),
            Self::NotCancellable => (
                "not_cancellable",
                S::CONFLICT,
                "The order cannot be cancelled",
            ),
            Self::ParkedNotFirst => (
                "parked_not_first",
                S::CONFLICT,
                "Another parked command comes first",
            ),
            Self::ParkedFailedAgain => (
                "parked_failed_again",
                S::CONFLICT,
                "The parked command failed again",
            ),
            Self::BodyTooLarge => (
                "body_too_large",
                S::PAYLOAD_TOO_LARGE,
                "The body is too large",
            ),
            Self::UnsupportedMediaType => (
                "unsupported_media_type",
                S::UNSUPPORTED_MEDIA_TYPE,
                "The body must be application/json",
            ),
            Self::ValidationFailed => (
                "validation_failed",
                S::UNPROCESSABLE_ENTITY,
                "The request is not valid",
            ),
            Self::IdempotencyKeyReused => (
                "idempotency_key_reused",
                S::UNPROCESSABLE_ENTITY,
                "The idempotency key was used with another request",
            ),
            Self::Internal => ("internal", S::INTERNAL_SERVER_ERROR, "Something went wrong"),
            Self::Unavailable => (
                "unavailable",
                S::SERVICE_UNAVAILABLE,
                "Not available at the moment",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_has_a_name_of_its_own_and_an_error_status() {
        let names: HashSet<_> = Code::ALL.into_iter().map(Code::as_str).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(code.status().is_client_error() || code.status().is_server_error());
        }
    }

    #[test]
    fn codes_are_listed_by_status() {
        assert!(Code::ALL.is_sorted_by_key(|code| code.status().as_u16()));
    }

    #[test]
    fn what_the_http_library_refuses_stays_the_clients_fault() {
        assert_eq!(Code::of_status(StatusCode::BAD_REQUEST), Code::BadRequest);
        assert_eq!(Code::of_status(StatusCode::IM_A_TEAPOT), Code::BadRequest);
        assert_eq!(Code::of_status(StatusCode::BAD_GATEWAY), Code::Internal);
    }
}
