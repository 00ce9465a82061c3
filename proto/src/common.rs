//! What the conversions share: how a field is refused, and how ids, text, money and lists are read.

use std::{fmt::Display, str::FromStr};

use domain::{
    Currency, Money, Quantity,
    money::{AMOUNT_MAX, InvalidAmount},
    orders::LINES_MAX,
    products::STOCK_MAX,
};

use crate::v1;

/// The most pieces of one product that one order can ask for: all its lines at their most.
pub const PIECES_MAX: u64 = LINES_MAX as u64 * Quantity::MAX as u64;

/// The largest total of an order: [`PIECES_MAX`] pieces at the highest price.
#[allow(clippy::cast_possible_wrap)] // a million
pub const TOTAL_MAX: i64 = AMOUNT_MAX * PIECES_MAX as i64;

/// A field of a message with a value that the domain does not accept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct InvalidField {
    /// Where it is: `lines.3.quantity`.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

impl InvalidField {
    /// This field is wrong for that reason.
    pub(crate) fn new(field: &str, reason: impl Display) -> Self {
        Self {
            field: field.to_owned(),
            reason: reason.to_string(),
        }
    }

    /// The same, seen from the message that holds this one as `field`.
    pub(crate) fn within(mut self, field: &str) -> Self {
        self.field = if self.field.is_empty() {
            field.to_owned()
        } else {
            format!("{field}.{}", self.field)
        };
        self
    }
}

/// An id, by the constructor of its kind.
pub(crate) fn id<T>(
    new: fn(u64) -> Option<T>,
    number: u64,
    field: &str,
) -> Result<T, InvalidField> {
    new(number).ok_or_else(|| InvalidField::new(field, "an id is between 1 and 2^53 - 1"))
}

/// An id that has no type of its own.
pub(crate) fn number(number: u64, field: &str) -> Result<u64, InvalidField> {
    id(
        |number| {
            (1..domain::ids::ID_BOUND)
                .contains(&number)
                .then_some(number)
        },
        number,
        field,
    )
}

/// Text that follows a rule.
pub(crate) fn text<T: FromStr<Err: Display>>(text: &str, field: &str) -> Result<T, InvalidField> {
    text.parse()
        .map_err(|error| InvalidField::new(field, error))
}

/// Bytes of a fixed length.
pub(crate) fn bytes<const LENGTH: usize>(
    bytes: &[u8],
    field: &str,
) -> Result<[u8; LENGTH], InvalidField> {
    bytes
        .try_into()
        .map_err(|_| InvalidField::new(field, format_args!("{LENGTH} bytes are expected")))
}

/// A value of an enumeration `W`, as one of the domain's.
pub(crate) fn choice<W, T>(value: i32, field: &str) -> Result<T, InvalidField>
where
    W: TryFrom<i32>,
    T: TryFrom<W, Error = InvalidField>,
{
    W::try_from(value)
        .map_err(|_| InvalidField::new(field, format_args!("{value} is no known value")))
        .and_then(|value| T::try_from(value).map_err(|error| error.within(field)))
}

/// A part that must be there.
pub(crate) fn required<T>(value: Option<T>, field: &str) -> Result<T, InvalidField> {
    value.ok_or_else(|| InvalidField::new(field, "it is missing"))
}

/// A message that must be there.
pub(crate) fn message<W, T>(value: Option<W>, field: &str) -> Result<T, InvalidField>
where
    T: TryFrom<W, Error = InvalidField>,
{
    T::try_from(required(value, field)?).map_err(|error| error.within(field))
}

/// A message that may be missing.
pub(crate) fn optional<W, T>(value: Option<W>, field: &str) -> Result<Option<T>, InvalidField>
where
    T: TryFrom<W, Error = InvalidField>,
{
    value
        .map(|value| T::try_from(value).map_err(|error| error.within(field)))
        .transpose()
}

/// A list of messages.
pub(crate) fn list<W, T>(values: Vec<W>, field: &str) -> Result<Vec<T>, InvalidField>
where
    T: TryFrom<W, Error = InvalidField>,
{
    values
        .into_iter()
        .enumerate()
        .map(|(index, value)| {
            T::try_from(value).map_err(|error| error.within(&index.to_string()).within(field))
        })
        .collect()
}

/// Pieces of one product that an order asks for or gives back.
pub(crate) fn pieces(quantity: u64, field: &str) -> Result<u64, InvalidField> {
    if (1..=PIECES_MAX).contains(&quantity) {
        Ok(quantity)
    } else {
        Err(InvalidField::new(
            field,
            format_args!("an order takes between 1 and {PIECES_MAX} pieces of a product"),
        ))
    }
}

/// Pieces of a product that are left.
pub(crate) fn left(available: u64, field: &str) -> Result<u64, InvalidField> {
    if available <= STOCK_MAX {
        Ok(available)
    } else {
        Err(InvalidField::new(
            field,
            format_args!("a product has at most {STOCK_MAX} pieces"),
        ))
    }
}

/// A price that must be there.
pub(crate) fn price(value: Option<v1::Money>, field: &str) -> Result<Money, InvalidField> {
    let money: Money = message(value, field)?;
    Money::price(money.amount, money.currency)
        .map_err(|error: InvalidAmount| InvalidField::new("amount", error).within(field))
}

impl From<Money> for v1::Money {
    fn from(money: Money) -> Self {
        Self {
            amount: money.amount,
            currency: money.currency.as_str().to_owned(),
        }
    }
}

/// Any money there can be, a price or a total.
impl TryFrom<v1::Money> for Money {
    type Error = InvalidField;

    fn try_from(money: v1::Money) -> Result<Self, Self::Error> {
        let currency: Currency = text(&money.currency, "currency")?;
        if !(0..=TOTAL_MAX).contains(&money.amount) {
            return Err(InvalidField::new(
                "amount",
                format_args!("an amount is between 0 and {TOTAL_MAX} minor units"),
            ));
        }
        Ok(Self {
            amount: money.amount,
            currency,
        })
    }
}

/// Both directions between an enumeration of the wire and one of the domain, whose values have the same names. The
/// wire's `Unspecified` is a value that was left out.
macro_rules! same_values {
    ($wire:ty, $domain:ty, $($value:ident),+) => {
        impl From<$domain> for $wire {
            fn from(value: $domain) -> Self {
                match value {
                    $(<$domain>::$value => Self::$value,)+
                }
            }
        }

        impl TryFrom<$wire> for $domain {
            type Error = $crate::InvalidField;

            fn try_from(value: $wire) -> Result<Self, Self::Error> {
                match value {
                    <$wire>::Unspecified => Err($crate::InvalidField::new("", "it is missing")),
                    $(<$wire>::$value => Ok(Self::$value),)+
                }
            }
        }
    };
}
pub(crate) use same_values;
