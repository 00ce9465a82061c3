//! What texts of requests must look like.

use std::{ops::RangeInclusive, sync::Arc};

use domain::{
    Currency, Money, Sku,
    money::AMOUNT_MAX,
    products::{DESCRIPTION_LENGTH_MAX, NAME_LENGTH_MAX, REASON_LENGTH_MAX},
    users::Username,
};

use super::Field;
use crate::problem::FaultCode;

/// The fewest characters of a password that is set under `/v1`.
pub(crate) const PASSWORD_LENGTH_MIN: usize = 8;
/// The most characters of a password.
pub(crate) const PASSWORD_LENGTH_MAX: usize = 128;
/// The most characters of an e-mail address, RFC 5321.
pub(crate) const EMAIL_LENGTH_MAX: usize = 254;
/// The most characters of a text that is searched for.
pub(crate) const SEARCH_LENGTH_MAX: usize = 200;

/// A name for a new user.
pub(crate) fn username(field: Field<'_>) -> Option<Username> {
    let text = field.text()?;
    text.parse().ok().or_else(|| {
        length(&field, text, Username::LENGTH_MIN..=Username::LENGTH_MAX)?;
        field.refuse(
            FaultCode::InvalidFormat,
            "may have characters of A-Z a-z 0-9 . _ @ - only",
        )
    })
}

/// A password for a new user.
pub(crate) fn password(field: Field<'_>) -> Option<String> {
    let text = field.text()?;
    length(&field, text, PASSWORD_LENGTH_MIN..=PASSWORD_LENGTH_MAX)?;
    Some(text.to_owned())
}

/// An e-mail address: one `@` with something on both sides, no blanks, no control characters. More is only known when
/// mail arrives.
pub(crate) fn email(field: Field<'_>) -> Option<Arc<str>> {
    let text = field.text()?;
    length(&field, text, 1..=EMAIL_LENGTH_MAX)?;
    let is_plain = !text.contains(|c: char| c.is_whitespace() || c.is_control());
    match text.split_once('@') {
        Some((local, host))
            if is_plain && !local.is_empty() && !host.is_empty() && !host.contains('@') =>
        {
            Some(text.into())
        }
        _ => field.refuse(FaultCode::InvalidFormat, "must be an e-mail address"),
    }
}

/// A product's SKU.
pub(crate) fn sku(field: Field<'_>) -> Option<Sku> {
    let text = field.text()?;
    text.parse().ok().or_else(|| {
        length(&field, text, 1..=Sku::LENGTH_MAX)?;
        field.refuse(
            FaultCode::InvalidFormat,
            "may have characters of A-Z a-z 0-9 . _ - only",
        )
    })
}

/// A product's name: one line, not blank.
pub(crate) fn name(field: Field<'_>) -> Option<Arc<str>> {
    line(&field, NAME_LENGTH_MAX)
}

/// The reason of a change: one line, not blank.
pub(crate) fn reason(field: Field<'_>) -> Option<Arc<str>> {
    line(&field, REASON_LENGTH_MAX)
}

/// A product's description: any number of lines, or nothing.
pub(crate) fn description(field: Field<'_>) -> Option<Arc<str>> {
    let text = field.text()?;
    length(&field, text, 0..=DESCRIPTION_LENGTH_MAX)?;
    if text.contains(|c: char| c.is_control() && c != '\n') {
        return field.refuse(
            FaultCode::InvalidFormat,
            "may not have control characters other than line feeds",
        );
    }
    Some(text.into())
}

/// A price: `{amount,currency}`.
pub(crate) fn price(field: Field<'_>) -> Option<Money> {
    let mut object = field.object()?;
    let amount = object.required("amount", |field| field.integer(0..=AMOUNT_MAX));
    let currency = object.required("currency", currency);
    object.close();
    Some(Money {
        amount: amount?,
        currency: currency?,
    })
}

fn currency(field: Field<'_>) -> Option<Currency> {
    field.text()?.parse().ok().or_else(|| {
        field.refuse(
            FaultCode::InvalidFormat,
            "must be an ISO 4217 code of three capital letters",
        )
    })
}

/// One line of text that is not blank.
fn line(field: &Field<'_>, length_max: usize) -> Option<Arc<str>> {
    let text = field.text()?;
    length(field, text, 1..=length_max)?;
    if text.contains(char::is_control) {
        return field.refuse(FaultCode::InvalidFormat, "may not have control characters");
    }
    if text.trim().is_empty() {
        return field.refuse(FaultCode::InvalidFormat, "may not be blank");
    }
    Some(text.into())
}

/// Refuses a text with too few or too many characters.
pub(crate) fn length(field: &Field<'_>, text: &str, allowed: RangeInclusive<usize>) -> Option<()> {
    let characters = text.chars().count();
    if characters < *allowed.start() {
        let detail = format!("must have at least {} characters", allowed.start());
        field.refuse(FaultCode::TooShort, detail)
    } else if characters > *allowed.end() {
        let detail = format!("may have at most {} characters", allowed.end());
        field.refuse(FaultCode::TooLong, detail)
    } else {
        Some(())
    }
}
