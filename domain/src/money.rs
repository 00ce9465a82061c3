//! Money as integer minor units of an ISO 4217 currency.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The largest amount of one price: 10^12 minor units, so that the total of the largest order still fits 64 bits.
pub const AMOUNT_MAX: i64 = 1_000_000_000_000;

/// Currencies without minor units, ISO 4217 (its list of 2024).
const WITHOUT_MINOR_UNITS: [&str; 16] = [
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND",
    "VUV", "XAF", "XOF",
];
/// Currencies with three digits of minor units.
const THREE_DIGITS: [&str; 7] = ["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"];

/// An ISO 4217 alphabetic code: three capital letters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The euro.
    pub const EUR: Self = Self(*b"EUR");

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }

    /// Digits of its minor unit: 2 for most.
    #[must_use]
    pub fn digits(self) -> u32 {
        if WITHOUT_MINOR_UNITS.contains(&self.as_str()) {
            0
        } else if THREE_DIGITS.contains(&self.as_str()) {
            3
        } else {
            2
        }
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Not three capital letters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a currency is an ISO 4217 code of three capital letters")]
pub struct InvalidCurrency;

impl FromStr for Currency {
    type Err = InvalidCurrency;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.as_bytes() {
            &[a, b, c] if [a, b, c].iter().all(u8::is_ascii_uppercase) => Ok(Self([a, b, c])),
            _ => Err(InvalidCurrency),
        }
    }
}

/// An amount of a currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    /// Minor units: cents for EUR, whole yen for JPY.
    pub amount: i64,
    /// Which currency.
    pub currency: Currency,
}

/// A price that is negative or above [`AMOUNT_MAX`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an amount is between 0 and {AMOUNT_MAX} minor units")]
pub struct InvalidAmount;

impl Money {
    /// A price: not negative, at most [`AMOUNT_MAX`] minor units.
    ///
    /// # Errors
    /// [`InvalidAmount`] outside of those bounds.
    pub fn price(amount: i64, currency: Currency) -> Result<Self, InvalidAmount> {
        if (0..=AMOUNT_MAX).contains(&amount) {
            Ok(Self { amount, currency })
        } else {
            Err(InvalidAmount)
        }
    }

    /// This price for so many pieces.
    #[must_use]
    pub fn times(self, quantity: u64) -> Self {
        let amount = i128::from(self.amount) * i128::from(quantity);
        Self {
            amount: i64::try_from(amount).unwrap_or(i64::MAX),
            currency: self.currency,
        }
    }

    /// The sum, or `None` where the currencies differ.
    #[must_use]
    pub fn plus(self, other: Self) -> Option<Self> {
        (self.currency == other.currency).then(|| Self {
            amount: self.amount.saturating_add(other.amount),
            currency: self.currency,
        })
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.currency.digits();
        if digits == 0 {
            return write!(f, "{} {}", self.amount, self.currency);
        }
        let unit = 10_i64.pow(digits);
        let sign = if self.amount < 0 { "-" } else { "" };
        let (whole, minor) = (
            (self.amount / unit).unsigned_abs(),
            (self.amount % unit).unsigned_abs(),
        );
        let width = digits as usize;
        write!(f, "{sign}{whole}.{minor:0width$} {}", self.currency)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn money_shows_the_digits_of_its_currency() {
        let show = |amount, code: &str| {
            Money {
                amount,
                currency: code.parse().unwrap(),
            }
            .to_string()
        };
        assert_eq!(show(1_999, "EUR"), "19.99 EUR");
        assert_eq!(show(-5, "EUR"), "-0.05 EUR");
        assert_eq!(show(1_999, "JPY"), "1999 JPY");
        assert_eq!(show(1_999, "KWD"), "1.999 KWD");
    }

    #[test]
    fn two_currencies_have_no_sum() {
        let euro = Money::price(1, Currency::EUR).unwrap();
        let yen = Money::price(1, "JPY".parse().unwrap()).unwrap();
        assert_eq!(euro.plus(yen), None);
    }

    #[test]
    fn the_largest_order_still_fits() {
        let price = Money::price(AMOUNT_MAX, Currency::EUR).unwrap();
        let total = price.times(1_000_000);
        assert_eq!(total.amount, 1_000_000_000_000_000_000);
    }

    #[test]
    fn a_price_is_not_negative() {
        assert_eq!(Money::price(-1, Currency::EUR), Err(InvalidAmount));
        assert_eq!(
            Money::price(AMOUNT_MAX + 1, Currency::EUR),
            Err(InvalidAmount)
        );
    }
}
