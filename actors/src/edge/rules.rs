//! What the values of a request must look like, whichever way it came.

use std::{ops::RangeInclusive, sync::Arc};

use domain::{
    Currency, ProductId, Quantity, Sku,
    ids::ID_BOUND,
    products::{DESCRIPTION_LENGTH_MAX, NAME_LENGTH_MAX, REASON_LENGTH_MAX, STOCK_MAX},
    users::Username,
};

pub use super::flaw::{Flaw, FlawCode};

/// The fewest characters of a password that is set.
pub const PASSWORD_LENGTH_MIN: usize = 8;
/// The most characters of a password.
pub const PASSWORD_LENGTH_MAX: usize = 128;
/// The most characters of an e-mail address, RFC 5321.
pub const EMAIL_LENGTH_MAX: usize = 254;
/// The most characters of a text that is searched for.
pub const SEARCH_LENGTH_MAX: usize = 200;
/// The most characters of a name that is filtered by.
pub const FILTER_LENGTH_MAX: usize = 64;
/// The most bytes of a refresh token; what is longer is none.
const REFRESH_TOKEN_LENGTH_MAX: usize = 1_024;

/// A name for a new user.
///
/// # Errors
/// [`Flaw`].
pub fn username(text: &str) -> Result<Username, Flaw> {
    text.parse().or_else(|_| {
        length(text, Username::LENGTH_MIN..=Username::LENGTH_MAX)?;
        Err(Flaw::format(
            "may have characters of A-Z a-z 0-9 . _ @ - only",
        ))
    })
}

/// A password for a new user.
///
/// # Errors
/// [`Flaw`].
pub fn password(text: &str) -> Result<String, Flaw> {
    length(text, PASSWORD_LENGTH_MIN..=PASSWORD_LENGTH_MAX)?;
    Ok(text.to_owned())
}

/// Whether such a user and password can exist. What cannot is a wrong login like any other.
#[must_use]
pub fn is_possible_login(username: &str, password: &str) -> bool {
    username.parse::<Username>().is_ok()
        && (1..=PASSWORD_LENGTH_MAX).contains(&password.chars().count())
}

/// Whether such a refresh token can exist.
#[must_use]
pub const fn is_possible_refresh_token(text: &str) -> bool {
    text.len() <= REFRESH_TOKEN_LENGTH_MAX
}

/// An e-mail address: one `@` with something on both sides, no blanks, no control characters. More is only known when
/// mail arrives.
///
/// # Errors
/// [`Flaw`].
pub fn email(text: &str) -> Result<Arc<str>, Flaw> {
    length(text, 1..=EMAIL_LENGTH_MAX)?;
    let is_plain = !text.contains(|c: char| c.is_whitespace() || c.is_control());
    match text.split_once('@') {
        Some((local, host))
            if is_plain && !local.is_empty() && !host.is_empty() && !host.contains('@') =>
        {
            Ok(text.into())
        }
        _ => Err(Flaw::format("must be an e-mail address")),
    }
}

/// A product's SKU.
///
/// # Errors
/// [`Flaw`].
pub fn sku(text: &str) -> Result<Sku, Flaw> {
    text.parse().or_else(|_| {
        length(text, 1..=Sku::LENGTH_MAX)?;
        Err(Flaw::format(
            "may have characters of A-Z a-z 0-9 . _ - only",
        ))
    })
}

/// A product's name: one line, not blank.
///
/// # Errors
/// [`Flaw`].
pub fn name(text: &str) -> Result<Arc<str>, Flaw> {
    line(text, NAME_LENGTH_MAX)
}

/// The reason of a change: one line, not blank.
///
/// # Errors
/// [`Flaw`].
pub fn reason(text: &str) -> Result<Arc<str>, Flaw> {
    line(text, REASON_LENGTH_MAX)
}

/// A product's description: any number of lines, or nothing.
///
/// # Errors
/// [`Flaw`].
pub fn description(text: &str) -> Result<Arc<str>, Flaw> {
    length(text, 0..=DESCRIPTION_LENGTH_MAX)?;
    if text.contains(|c: char| c.is_control() && c != '\n') {
        return Err(Flaw::format(
            "may not have control characters other than line feeds",
        ));
    }
    Ok(text.into())
}

/// The currency of a price.
///
/// # Errors
/// [`Flaw`].
pub fn currency(text: &str) -> Result<Currency, Flaw> {
    text.parse()
        .map_err(|_| Flaw::format("must be an ISO 4217 code of three capital letters"))
}

/// A text that is searched for, or filtered by.
///
/// # Errors
/// [`Flaw`].
pub fn plain(text: &str, length_max: usize) -> Result<String, Flaw> {
    length(text, 0..=length_max)?;
    if text.contains(char::is_control) {
        return Err(Flaw::format("may not have control characters"));
    }
    Ok(text.to_owned())
}

/// The id of a product that may exist.
///
/// # Errors
/// [`Flaw`].
pub fn product_id(number: u64) -> Result<ProductId, Flaw> {
    ProductId::new(number).ok_or_else(|| out_of_range(1, ID_BOUND - 1))
}

/// Pieces of one line.
///
/// # Errors
/// [`Flaw`].
pub fn quantity(pieces: u64) -> Result<Quantity, Flaw> {
    Quantity::new(pieces).map_err(|_| out_of_range(1, Quantity::MAX))
}

/// Pieces to put in or take out: not zero, and no more than a product may have.
///
/// # Errors
/// [`Flaw`].
pub fn stock_delta(pieces: i64) -> Result<i64, Flaw> {
    let most = STOCK_MAX.cast_signed();
    match integer(pieces, -most..=most)? {
        0 => Err(Flaw::new(FlawCode::OutOfRange, "may not be zero")),
        delta => Ok(delta),
    }
}

/// A number within those bounds.
///
/// # Errors
/// [`Flaw`].
pub fn integer(number: i64, range: RangeInclusive<i64>) -> Result<i64, Flaw> {
    if range.contains(&number) {
        Ok(number)
    } else {
        Err(out_of_range(range.start(), range.end()))
    }
}

/// So many items.
///
/// # Errors
/// [`Flaw`].
pub fn item_count(count: usize, allowed: RangeInclusive<usize>) -> Result<(), Flaw> {
    if allowed.contains(&count) {
        return Ok(());
    }
    let (least, most) = allowed.into_inner();
    Err(Flaw::new(
        FlawCode::OutOfRange,
        format!("must have {least} to {most} items, not {count}"),
    ))
}

/// A text of so many characters.
///
/// # Errors
/// [`Flaw`].
pub fn length(text: &str, allowed: RangeInclusive<usize>) -> Result<(), Flaw> {
    let characters = text.chars().count();
    let (least, most) = allowed.into_inner();
    if characters < least {
        let detail = format!("must have at least {least} characters");
        Err(Flaw::new(FlawCode::TooShort, detail))
    } else if characters > most {
        let detail = format!("may have at most {most} characters");
        Err(Flaw::new(FlawCode::TooLong, detail))
    } else {
        Ok(())
    }
}

/// One line of text that is not blank.
fn line(text: &str, length_max: usize) -> Result<Arc<str>, Flaw> {
    length(text, 1..=length_max)?;
    if text.contains(char::is_control) {
        return Err(Flaw::format("may not have control characters"));
    }
    if text.trim().is_empty() {
        return Err(Flaw::format("may not be blank"));
    }
    Ok(text.into())
}

fn out_of_range(least: impl std::fmt::Display, most: impl std::fmt::Display) -> Flaw {
    Flaw::new(
        FlawCode::OutOfRange,
        format!("must be between {least} and {most}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code<T>(judged: Result<T, Flaw>) -> Option<FlawCode> {
        judged.err().map(|flaw| flaw.code)
    }

    #[test]
    fn texts_are_judged_by_length_first() {
        use FlawCode::*;
        for (judged, expected) in [
            (code(username("ann")), None),
            (code(username("an")), Some(TooShort)),
            (code(username("a b")), Some(InvalidFormat)),
            (code(password("seven77")), Some(TooShort)),
            (code(password("eight888")), None),
            (code(password(&"x".repeat(129))), Some(TooLong)),
            (code(email("ann@example.com")), None),
            (code(email("ann@b@c")), Some(InvalidFormat)),
            (code(email("")), Some(TooShort)),
            (code(sku("A B")), Some(InvalidFormat)),
            (code(name("   ")), Some(InvalidFormat)),
            (code(name("two\nlines")), Some(InvalidFormat)),
            (code(description("two\nlines")), None),
            (code(description("a\ttab")), Some(InvalidFormat)),
            (code(currency("eur")), Some(InvalidFormat)),
            (code(plain("", 3)), None),
            (code(plain("four", 3)), Some(TooLong)),
        ] {
            assert_eq!(judged, expected);
        }
    }

    #[test]
    fn numbers_are_within_their_bounds() {
        assert!(quantity(10_000).is_ok() && quantity(1).is_ok());
        for bad in [0, 10_001, u64::MAX] {
            assert_eq!(code(quantity(bad)), Some(FlawCode::OutOfRange));
        }
        assert!(stock_delta(-1_000_000_000).is_ok());
        for bad in [0, 1_000_000_001, i64::MIN] {
            assert_eq!(code(stock_delta(bad)), Some(FlawCode::OutOfRange));
        }
        assert_eq!(code(product_id(1 << 53)), Some(FlawCode::OutOfRange));
        assert_eq!(code(item_count(101, 1..=100)), Some(FlawCode::OutOfRange));
    }
}
