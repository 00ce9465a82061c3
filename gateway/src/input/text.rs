//! Texts of requests, read from their fields. What they must look like is said in [`actors::edge::rules`].

use std::{ops::RangeInclusive, sync::Arc};

pub(crate) use actors::edge::rules::PASSWORD_LENGTH_MAX;
use actors::edge::rules::{self, Flaw};
use domain::{Currency, Money, Sku, money::AMOUNT_MAX, users::Username};

use super::Field;

/// A name for a new user.
pub(crate) fn username(field: Field<'_>) -> Option<Username> {
    judged(&field, rules::username)
}

/// A password for a new user.
pub(crate) fn password(field: Field<'_>) -> Option<String> {
    judged(&field, rules::password)
}

/// An e-mail address.
pub(crate) fn email(field: Field<'_>) -> Option<Arc<str>> {
    judged(&field, rules::email)
}

/// A product's SKU.
pub(crate) fn sku(field: Field<'_>) -> Option<Sku> {
    judged(&field, rules::sku)
}

/// A product's name: one line, not blank.
pub(crate) fn name(field: Field<'_>) -> Option<Arc<str>> {
    judged(&field, rules::name)
}

/// The reason of a change: one line, not blank.
pub(crate) fn reason(field: Field<'_>) -> Option<Arc<str>> {
    judged(&field, rules::reason)
}

/// A product's description: any number of lines, or nothing.
pub(crate) fn description(field: Field<'_>) -> Option<Arc<str>> {
    judged(&field, rules::description)
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
    judged(&field, rules::currency)
}

/// Refuses a text with too few or too many characters.
pub(crate) fn length(field: &Field<'_>, text: &str, allowed: RangeInclusive<usize>) -> Option<()> {
    accepted(field, rules::length(text, allowed))
}

/// The text of a field, by a rule.
fn judged<T>(field: &Field<'_>, rule: impl FnOnce(&str) -> Result<T, Flaw>) -> Option<T> {
    accepted(field, rule(field.text()?))
}

/// What a rule makes of a field's value, its flaw noted.
pub(crate) fn accepted<T>(field: &Field<'_>, judged: Result<T, Flaw>) -> Option<T> {
    match judged {
        Ok(value) => Some(value),
        Err(flaw) => field.refuse(flaw.code.into(), flaw.detail),
    }
}
