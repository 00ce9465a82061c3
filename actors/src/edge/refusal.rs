//! What the services of the shop turn down, with the code and the words that clients see.

use std::{borrow::Cow, time::Duration};

use super::Code;
use crate::{
    Unavailable,
    auth::{AuthError, TokenError},
    orders::OrdersError,
    products::ProductsError,
    system::{FaultError, ParkedError},
};

/// Why a request is turned down, apart from what is wrong with its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong, for programs.
    pub code: Code,
    /// What is wrong this time, for people.
    pub detail: Cow<'static, str>,
    /// When it is worth trying again, if waiting helps.
    pub retry_after: Option<Duration>,
    /// What an operator should know and a client should not.
    pub cause: Option<String>,
}

impl Refusal {
    /// A refusal that no waiting helps.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
            retry_after: None,
            cause: None,
        }
    }

    /// There is no such thing, or the caller may not know of it.
    #[must_use]
    pub fn not_found(what: &'static str) -> Self {
        Self::new(Code::NotFound, format!("there is no such {what}"))
    }

    /// Not for this caller.
    #[must_use]
    pub fn forbidden() -> Self {
        Self::new(Code::Forbidden, "this is for administrators")
    }

    /// The user of a good token is gone.
    #[must_use]
    pub fn unknown_user() -> Self {
        Self::new(Code::Unauthorized, "the user of this token does not exist")
    }

    fn key_reused() -> Self {
        Self::new(
            Code::IdempotencyKeyReused,
            "this idempotency key was used with another request; take a new key for a new request",
        )
    }
}

impl From<Unavailable> for Refusal {
    fn from(error: Unavailable) -> Self {
        let detail = match error {
            Unavailable::NotServing => {
                "this part of the shop is starting, recovering or stopping; try again soon"
            }
            Unavailable::Busy => "too many requests are waiting; try again soon",
            Unavailable::Restarted => "the request was not carried out; try again",
            Unavailable::CommitFailed => {
                "the request may or may not have been carried out; try again, with the same idempotency key if there was one"
            }
            Unavailable::Storage => "the store does not answer at the moment; try again soon",
        };
        Self {
            retry_after: Some(error.retry_after()),
            cause: Some(error.to_string()),
            ..Self::new(Code::Unavailable, detail)
        }
    }
}

impl From<TokenError> for Refusal {
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

impl From<AuthError> for Refusal {
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

/// Where a stock would be too large, the edge names the part of its request that asks for it.
impl From<ProductsError> for Refusal {
    fn from(error: ProductsError) -> Self {
        match error {
            ProductsError::SkuTaken => Self::new(Code::SkuTaken, "another product has this SKU"),
            ProductsError::NotFound => Self::not_found("product"),
            ProductsError::InsufficientStock { available } => Self::new(
                Code::InsufficientStock,
                format!("only {available} pieces are available"),
            ),
            ProductsError::StockTooLarge => Self::new(Code::ValidationFailed, error.to_string()),
            ProductsError::KeyReused => Self::key_reused(),
            ProductsError::Unavailable(error) => error.into(),
        }
    }
}

impl From<OrdersError> for Refusal {
    fn from(error: OrdersError) -> Self {
        match error {
            OrdersError::NotFound => Self::not_found("order"),
            OrdersError::NotCancellable { status } => Self::new(
                Code::NotCancellable,
                format!("an order that is {status} cannot be cancelled"),
            ),
            OrdersError::SoldOut(_) => {
                Self::new(Code::OutOfStock, "some product of the order is sold out")
            }
            OrdersError::KeyReused => Self::key_reused(),
            OrdersError::HistoryArchived => Self::new(
                Code::HistoryArchived,
                "the order is so old that its history was archived; the order itself can be read",
            ),
            OrdersError::Unavailable(error) => error.into(),
        }
    }
}

impl From<ParkedError> for Refusal {
    fn from(error: ParkedError) -> Self {
        match error {
            ParkedError::NotFound => Self::not_found("parked command"),
            ParkedError::NotFirst { first } => Self::new(
                Code::ParkedNotFirst,
                format!("parked command {first} about the same order has to be dealt with first"),
            ),
            ParkedError::FailedAgain { error } => Self {
                cause: Some(error),
                ..Self::new(
                    Code::ParkedFailedAgain,
                    "the command failed again and stays parked; GET /v1/system shows the error",
                )
            },
            ParkedError::Unavailable(error) => error.into(),
        }
    }
}

impl From<FaultError> for Refusal {
    fn from(error: FaultError) -> Self {
        match error {
            FaultError::NotAllowed => Self::new(
                Code::FaultsNotAllowed,
                "the configuration of this shop does not allow faults to be injected (faults.allowed)",
            ),
            FaultError::UnknownNode => Self::not_found("node"),
            FaultError::Unavailable(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_passes_by_itself_is_worth_waiting_for() {
        let unavailable = Refusal::from(OrdersError::from(Unavailable::Busy));
        assert_eq!(unavailable.code, Code::Unavailable);
        assert!(unavailable.retry_after.is_some_and(|wait| !wait.is_zero()));
        let reused = Refusal::from(OrdersError::KeyReused);
        assert_eq!(
            (reused.code, reused.retry_after),
            (Code::IdempotencyKeyReused, None)
        );
    }
}
