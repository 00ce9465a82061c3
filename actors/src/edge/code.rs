//! The codes of problems: few, stable, each with one status of HTTP and one of gRPC. This is the only table of them.
//!
//! gRPC tells the code as the `reason` of a `google.rpc.ErrorInfo` whose domain is `stampede`. A refused order
//! (`out_of_stock`, `currency_mismatch`, `expired`) is a problem over HTTP and an answer over gRPC, so the gRPC status
//! of those is not seen today; neither is that of codes that are about JSON and HTTP itself.

use tonic::Code as Grpc;

/// What is wrong, as a client's program reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
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
    /// Faults cannot be injected here, because the configuration does not allow it.
    FaultsNotAllowed,
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
    /// The beginning of an order's history was archived.
    HistoryArchived,
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
    pub const ALL: [Self; 28] = [
        Self::BadRequest,
        Self::InvalidJson,
        Self::InvalidUtf8,
        Self::Unauthorized,
        Self::TokenExpired,
        Self::InvalidCredentials,
        Self::InvalidRefreshToken,
        Self::Forbidden,
        Self::FaultsNotAllowed,
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
        Self::HistoryArchived,
        Self::BodyTooLarge,
        Self::UnsupportedMediaType,
        Self::ValidationFailed,
        Self::IdempotencyKeyReused,
        Self::Internal,
        Self::Unavailable,
    ];

    /// Its stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status that goes with it.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        self.row().1
    }

    /// The gRPC status that goes with it.
    #[must_use]
    pub const fn grpc_status(self) -> Grpc {
        self.row().2
    }

    /// What it means in a few words, the same for every occurrence.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.row().3
    }

    /// Whether the same request may succeed later without anybody changing anything.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Unavailable | Self::RequestTimeout)
    }

    /// Its name, its HTTP status, its gRPC status and its title.
    const fn row(self) -> (&'static str, u16, Grpc, &'static str) {
        match self {
            Self::BadRequest => (
                "bad_request",
                400,
                Grpc::InvalidArgument,
                "The request is malformed",
            ),
            Self::InvalidJson => (
                "invalid_json",
                400,
                Grpc::InvalidArgument,
                "The body is not valid JSON",
            ),
            Self::InvalidUtf8 => (
                "invalid_utf8",
                400,
                Grpc::InvalidArgument,
                "The body is not valid UTF-8",
            ),
            Self::Unauthorized => (
                "unauthorized",
                401,
                Grpc::Unauthenticated,
                "A valid access token is needed",
            ),
            Self::TokenExpired => (
                "token_expired",
                401,
                Grpc::Unauthenticated,
                "The access token has expired",
            ),
            Self::InvalidCredentials => (
                "invalid_credentials",
                401,
                Grpc::Unauthenticated,
                "The username or the password is wrong",
            ),
            Self::InvalidRefreshToken => (
                "invalid_refresh_token",
                401,
                Grpc::Unauthenticated,
                "The refresh token is not valid",
            ),
            Self::Forbidden => ("forbidden", 403, Grpc::PermissionDenied, "Not allowed"),
            Self::FaultsNotAllowed => (
                "faults_not_allowed",
                403,
                Grpc::FailedPrecondition,
                "Faults are not allowed here",
            ),
            Self::NotFound => ("not_found", 404, Grpc::NotFound, "Not found"),
            Self::MethodNotAllowed => (
                "method_not_allowed",
                405,
                Grpc::Unimplemented,
                "The method is not allowed here",
            ),
            Self::RequestTimeout => (
                "request_timeout",
                408,
                Grpc::DeadlineExceeded,
                "The body took too long to arrive",
            ),
            Self::UsernameTaken => (
                "username_taken",
                409,
                Grpc::AlreadyExists,
                "The username is taken",
            ),
            Self::SkuTaken => ("sku_taken", 409, Grpc::AlreadyExists, "The SKU is taken"),
            Self::InsufficientStock => (
                "insufficient_stock",
                409,
                Grpc::FailedPrecondition,
                "There is not enough stock",
            ),
            Self::OutOfStock => (
                "out_of_stock",
                409,
                Grpc::FailedPrecondition,
                "Out of stock",
            ),
            Self::CurrencyMismatch => (
                "currency_mismatch",
                409,
                Grpc::FailedPrecondition,
                "More than one currency in one order",
            ),
            Self::Expired => (
                "expired",
                409,
                Grpc::FailedPrecondition,
                "The order was given up",
            ),
            Self::NotCancellable => (
                "not_cancellable",
                409,
                Grpc::FailedPrecondition,
                "The order cannot be cancelled",
            ),
            Self::ParkedNotFirst => (
                "parked_not_first",
                409,
                Grpc::FailedPrecondition,
                "Another parked command comes first",
            ),
            Self::ParkedFailedAgain => (
                "parked_failed_again",
                409,
                Grpc::Aborted,
                "The parked command failed again",
            ),
            Self::HistoryArchived => (
                "history_archived",
                410,
                Grpc::OutOfRange,
                "The beginning of the history was archived",
            ),
            Self::BodyTooLarge => (
                "body_too_large",
                413,
                Grpc::ResourceExhausted,
                "The body is too large",
            ),
            Self::UnsupportedMediaType => (
                "unsupported_media_type",
                415,
                Grpc::InvalidArgument,
                "The body must be application/json",
            ),
            Self::ValidationFailed => (
                "validation_failed",
                422,
                Grpc::InvalidArgument,
                "The request is not valid",
            ),
            Self::IdempotencyKeyReused => (
                "idempotency_key_reused",
                422,
                Grpc::InvalidArgument,
                "The idempotency key was used with another request",
            ),
            Self::Internal => ("internal", 500, Grpc::Internal, "Something went wrong"),
            Self::Unavailable => (
                "unavailable",
                503,
                Grpc::Unavailable,
                "Not available at the moment",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_has_a_name_of_its_own_and_error_statuses() {
        let names: HashSet<_> = Code::ALL.into_iter().map(Code::as_str).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!((400..600).contains(&code.http_status()), "{code:?}");
            assert_ne!(code.grpc_status(), Grpc::Ok, "{code:?}");
        }
    }

    #[test]
    fn codes_are_listed_by_status() {
        assert!(Code::ALL.is_sorted_by_key(|code| code.http_status()));
    }

    #[test]
    fn the_client_is_at_fault_in_both_or_in_none() {
        for code in Code::ALL {
            let is_ours = matches!(code.grpc_status(), Grpc::Internal | Grpc::Unavailable);
            assert_eq!(code.http_status() >= 500, is_ours, "{code:?}");
        }
    }
}
