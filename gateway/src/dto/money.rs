//! Money, in and out.

use domain::Currency;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

/// An amount of a currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!({"amount": 1999, "currency": "EUR"}))]
pub(crate) struct Money {
    /// Minor units: cents for EUR, whole yen for JPY. A price is not negative and at most 10^12.
    amount: i64,
    /// ISO 4217.
    #[serde(serialize_with = "code")]
    #[schema(value_type = String, pattern = "^[A-Z]{3}$")]
    currency: Currency,
}

impl From<domain::Money> for Money {
    fn from(money: domain::Money) -> Self {
        Self {
            amount: money.amount,
            currency: money.currency,
        }
    }
}

fn code<S: Serializer>(currency: &Currency, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(currency.as_str())
}
