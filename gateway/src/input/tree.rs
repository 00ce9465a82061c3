//! JSON as it was written: unlike `serde_json::Value`, objects keep fields that are there twice.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree {
    Null,
    Bool(bool),
    /// A number without a fraction and an exponent that fits.
    Integer(i64),
    /// Such a number above `i64::MAX`.
    LargeInteger(u64),
    /// Any other number.
    Float(f64),
    Text(String),
    Array(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl Tree {
    /// Parses a text. The parser bounds the depth.
    pub(crate) fn parse(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }

    /// What it is, for people.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Integer(_) | Self::LargeInteger(_) => "an integer",
            Self::Float(_) => "a number that is no integer",
            Self::Text(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(i64::try_from(value).map_or(Tree::LargeInteger(value), Tree::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Tree, E> {
        Ok(Tree::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Tree::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Tree::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_tree_keeps_what_was_written() {
        let tree =
            Tree::parse(r#"{"a":[1,-1,1.0,9223372036854775808,null,true,"t"],"a":{}}"#).unwrap();
        let items = vec![
            Tree::Integer(1),
            Tree::Integer(-1),
            Tree::Float(1.0),
            Tree::LargeInteger(1 << 63),
            Tree::Null,
            Tree::Bool(true),
            Tree::Text("t".to_owned()),
        ];
        let fields = vec![
            ("a".to_owned(), Tree::Array(items)),
            ("a".to_owned(), Tree::Object(Vec::new())),
        ];
        assert_eq!(tree, Tree::Object(fields));
    }

    #[test]
    fn deep_nesting_is_refused_and_does_not_overflow() {
        for text in ["[".repeat(100_000), r#"{"a":"#.repeat(100_000)] {
            assert!(Tree::parse(&text).is_err());
        }
        let closed = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
        assert!(Tree::parse(&closed).is_err());
    }
}
