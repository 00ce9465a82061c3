//! What the services of the shop turn down, as problems. The code and the words are the same over gRPC.

use actors::{
    Unavailable,
    auth::{AuthError, TokenError},
    edge::{Code, Refusal},
    orders::OrdersError,
    products::ProductsError,
    system::{FaultError, ParkedError},
};

use super::{FaultCode, More, Problem};
use crate::dto;

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let problem = match refusal.code {
            // Where it is wrong depends on the request; its handler knows better.
            Code::ValidationFailed => Self::invalid_at("", FaultCode::OutOfRange, refusal.detail),
            code => Self::new(code, refusal.detail),
        };
        let problem = match refusal.retry_after {
            Some(wait) => {
                let seconds = wait.as_millis().div_ceil(1_000).max(1);
                problem.retry_after(u64::try_from(seconds).unwrap_or(u64::MAX))
            }
            None => problem,
        };
        match refusal.cause {
            Some(cause) => problem.because(cause),
            None => problem,
        }
    }
}

impl From<OrdersError> for Problem {
    fn from(error: OrdersError) -> Self {
        let sold_out = match &error {
            OrdersError::SoldOut(products) => Some(dto::Refusal::from(products.as_slice())),
            _ => None,
        };
        let problem = Self::from(Refusal::from(error));
        match sold_out {
            Some(refusal) => problem.with(More::Refusal(refusal)),
            None => problem,
        }
    }
}

macro_rules! refused {
    ($($error:ty),+) => {
        $(impl From<$error> for Problem {
            fn from(error: $error) -> Self {
                Refusal::from(error).into()
            }
        })+
    };
}

refused!(
    Unavailable,
    TokenError,
    AuthError,
    ProductsError,
    ParkedError,
    FaultError
);
