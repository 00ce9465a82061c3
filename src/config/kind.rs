//! What values there are, and how each is written in a text: an environment variable, a flag or a file of its own.

use std::collections::BTreeMap;

/// What a value must be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// An integer from `min` to `max`.
    Integer {
        /// The smallest that is allowed.
        min: u64,
        /// The largest that is allowed.
        max: u64,
    },
    /// `true` or `false`.
    Boolean,
    /// A text, not empty unless `check` says so.
    Text {
        /// What is allowed, in words that follow "must be".
        allowed: &'static str,
        /// Whether a text is.
        check: fn(&str) -> bool,
    },
    /// A list of texts; in one text they are separated by commas.
    List {
        /// What is allowed, in words that follow "must be".
        allowed: &'static str,
        /// Whether an entry is.
        check: fn(&str) -> bool,
    },
    /// Properties for librdkafka; in one text they are `name=value`, separated by commas or each on its line.
    Properties,
}

/// A value as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Raw {
    /// A text, an integer or a boolean.
    Text(String),
    /// A list.
    List(Vec<String>),
    /// Properties by name.
    Properties(BTreeMap<String, String>),
}

impl Kind {
    /// What is allowed, in words that follow "must be".
    pub(super) fn allowed(&self) -> String {
        match self {
            Self::Integer { min, max } => format!("an integer from {min} to {max}"),
            Self::Boolean => "true or false".to_owned(),
            Self::Text { allowed, .. } | Self::List { allowed, .. } => (*allowed).to_owned(),
            Self::Properties => "properties of librdkafka, name=value".to_owned(),
        }
    }

    /// The value that a text says; properties are separated by `separator`. `None` if it says none.
    pub(super) fn parse(&self, text: &str, separator: char) -> Option<Raw> {
        match self {
            Self::Integer { .. } | Self::Boolean | Self::Text { .. } => {
                Some(Raw::Text(text.to_owned()))
            }
            Self::List { .. } => Some(Raw::List(
                text.split(',')
                    .map(|entry| entry.trim().to_owned())
                    .filter(|entry| !entry.is_empty())
                    .collect(),
            )),
            Self::Properties => text
                .split(separator)
                .map(str::trim)
                .filter(|pair| !pair.is_empty())
                .map(|pair| {
                    let (name, value) = pair.split_once('=')?;
                    Some((name.trim().to_owned(), value.trim().to_owned()))
                })
                .collect::<Option<BTreeMap<_, _>>>()
                .map(Raw::Properties),
        }
    }

    /// Whether a value is allowed.
    pub(super) fn admits(&self, raw: &Raw) -> bool {
        match (self, raw) {
            (Self::Integer { min, max }, Raw::Text(text)) => text
                .parse()
                .is_ok_and(|number: u64| (*min..=*max).contains(&number)),
            (Self::Boolean, Raw::Text(text)) => text.parse::<bool>().is_ok(),
            (Self::Text { check, .. }, Raw::Text(text)) => printable(text) && check(text),
            (Self::List { check, .. }, Raw::List(list)) => {
                list.iter().all(|entry| printable(entry) && check(entry))
            }
            (Self::Properties, Raw::Properties(properties)) => {
                properties.keys().all(|name| property_name(name))
            }
            _ => false,
        }
    }
}

impl Raw {
    /// How it is shown in an error.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Text(text) if text.parse::<i64>().is_ok() => text.clone(),
            Self::Text(text) => format!("{text:?}"),
            Self::List(list) => format!("{list:?}"),
            Self::Properties(properties) => format!("{:?}", properties.keys()),
        }
    }
}

fn printable(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

/// Names of librdkafka's properties are words joined by dots and a few other signs.
fn property_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_integer_keeps_within_its_bounds() {
        let kind = Kind::Integer { min: 2, max: 9 };
        let admits = |text: &str| kind.admits(&kind.parse(text, ',').unwrap());
        assert!(admits("2") && admits("9"));
        for wrong in ["1", "10", "-3", "", "5s", "3.0"] {
            assert!(!admits(wrong), "{wrong:?} must not be allowed");
        }
    }

    #[test]
    fn a_list_in_one_text_is_separated_by_commas() {
        let kind = Kind::List {
            allowed: "",
            check: |_| true,
        };
        assert_eq!(
            kind.parse(" a, b,,c ", ','),
            Some(Raw::List(vec!["a".into(), "b".into(), "c".into()]))
        );
    }

    #[test]
    fn properties_are_pairs_and_only_the_first_sign_divides() {
        let one = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            Kind::Properties.parse("a.b=1, sasl.password=x=y", ','),
            Some(Raw::Properties(
                [one("a.b", "1"), one("sasl.password", "x=y")].into()
            ))
        );
        assert_eq!(
            Kind::Properties.parse("a=1,2\nb=3\n", '\n'),
            Some(Raw::Properties([one("a", "1,2"), one("b", "3")].into()))
        );
        assert_eq!(Kind::Properties.parse("a=1,b", ','), None);
    }
}
