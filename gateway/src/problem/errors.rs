//! What the services of the shop turn down, as problems.

use actors::{
    Unavailable,
    auth::{AuthError, TokenError},
    orders::OrdersError,
    products::ProductsError,
    system::ParkedError,
};

use super::{Code, FaultCode, Problem};

impl From<Unavailable> for Problem {
    fn from(error: Unavailable) -> Self {
        let detail = match error {
            Unavailable::NotServing => {
                "this part of the shop is starting, recovering or stopping; try again soon"
            }
            Unavailable::Busy => "too many requests are waiting; try again soon",
            Unavailable::Restarted => "the request was not carried out; try again",
            Unavailable::CommitFailed => {
                "the request may or may not have been carried out; try again, with the same Idempotency-Key if there was one"
            }
            Unavailable::Storage => "the store does not answer at the moment; try again soon",
        };
        let seconds = error.retry_after().as_millis().div_ceil(1_000).max(1);
        Self::new(Code::Unavailable, detail)
            .retry_after(u64::try_from(seconds).unwrap_or(u64::MAX))
            .because(error.to_string())
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Invalid => Self::new(Code::Unauthorized, "the access token is not valid"),
            TokenError::Expired => Self::new(
                Code::TokenExpired,
                "the access token has expired; exchange the refresh token or log in again",
            ),
        }
    }
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::UsernameTaken => {
                Self::new(Code::UsernameTaken, "another user has this name")
            }
            AuthError::InvalidCredentials => Self::new(
                Code::InvalidCredentials,
                "there is no such user, or the password is another",
            ),
            AuthError::InvalidRefreshToken => Self::new(
                Code::InvalidRefreshToken,
                "the refresh token is unknown, used, expired or revoked; log in again",
            ),
            AuthError::Unavailable(error) => error.into(),
        }
    }
}

impl From<ProductsError> for Problem {
    fn from(error: ProductsError) -> Self {
        match error {
            ProductsError::SkuTaken => Self::new(Code::SkuTaken, "another product has this SKU"),
            ProductsError::NotFound => Self::not_found("product"),
            ProductsError::InsufficientStock { available } => Self::new(
                Code::InsufficientStock,
                format!("only {available} pieces are available"),
            ),
            // Where it is too large depends on the request; its handler knows better.
            ProductsError::StockTooLarge => {
                Self::invalid_at("", FaultCode::OutOfRange, error.to_string())
            }
            ProductsError::KeyReused => key_reused(),
            ProductsError::Unavailable(error) => error.into(),
        }
    }
}

impl From<OrdersError> for Problem {
    fn from(error: OrdersError) -> Self {
        match error {
            OrdersError::NotFound => Self::not_found("order"),
            OrdersError::NotCancellable { status } => Self::new(
                Code::NotCancellable,
                format!("an order that is {status} cannot be cancelled"),
            ),
            OrdersError::KeyReused => key_reused(),
            OrdersError::Unavailable(error) => error.into(),
        }
    }
}

impl From<ParkedError> for Problem {
    fn from(error: ParkedError) -> Self {
        match error {
            ParkedError::NotFound => Self::not_found("parked command"),
            ParkedError::NotFirst { first } => Self::new(
                Code::ParkedNotFirst,
                format!("parked command {first} about the same order has to be dealt with first"),
            ),
            ParkedError::FailedAgain { error } => Self::new(
                Code::ParkedFailedAgain,
                "the command failed again and stays parked; GET /v1/system shows the error",
            )
            .because(error),
            ParkedError::Unavailable(error) => error.into(),
        }
    }
}

fn key_reused() -> Problem {
    Problem::new(
        Code::IdempotencyKeyReused,
        "this Idempotency-Key was used with another request; take a new key for a new request",
    )
}
