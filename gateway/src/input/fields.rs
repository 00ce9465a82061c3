//! Reading a JSON tree field by field, noting everything that is wrong on the way.
//!
//! A reader returns `None` for what it has noted a fault about, and the whole is refused if there was any; so a reader
//! of an object asks for all its fields first and gives up (`?`) only then.

use std::{borrow::Cow, ops::RangeInclusive};

use super::tree::Tree;
use crate::problem::{Fault, FaultCode, Faults};

/// A value and its place.
#[derive(Clone)]
pub(crate) struct Field<'a> {
    tree: &'a Tree,
    pointer: String,
    faults: &'a Faults,
    /// Whether unknown fields are passed over.
    lenient: bool,
}

impl<'a> Field<'a> {
    /// The whole body. With `lenient`, fields that nobody asks for are passed over.
    pub(crate) fn root(tree: &'a Tree, faults: &'a Faults, lenient: bool) -> Self {
        Self {
            tree,
            pointer: String::new(),
            faults,
            lenient,
        }
    }

    /// Notes a fault here.
    pub(crate) fn refuse<T>(
        &self,
        code: FaultCode,
        detail: impl Into<Cow<'static, str>>,
    ) -> Option<T> {
        self.faults
            .note(Fault::new(self.pointer.clone(), code, detail));
        None
    }

    /// Whether it is null.
    pub(crate) fn is_null(&self) -> bool {
        *self.tree == Tree::Null
    }

    /// An object.
    pub(crate) fn object(self) -> Option<Object<'a>> {
        let Tree::Object(fields) = self.tree else {
            return self.wrong_type("an object");
        };
        Some(Object {
            place: self,
            fields,
            asked: Vec::new(),
        })
    }

    /// An array with that many items.
    pub(crate) fn array(self, length: RangeInclusive<usize>) -> Option<Vec<Self>> {
        let Tree::Array(items) = self.tree else {
            return self.wrong_type("an array");
        };
        if !length.contains(&items.len()) {
            let (least, most) = length.into_inner();
            let detail = format!("must have {least} to {most} items, not {}", items.len());
            return self.refuse(FaultCode::OutOfRange, detail);
        }
        let item = |(index, tree)| Self {
            tree,
            pointer: format!("{}/{index}", self.pointer),
            ..self
        };
        Some(items.iter().enumerate().map(item).collect())
    }

    /// An integer within those bounds. `1.0` and `1e3` are not integers here: what a client means to count, it writes
    /// as a count.
    pub(crate) fn integer(&self, range: RangeInclusive<i64>) -> Option<i64> {
        match *self.tree {
            Tree::Integer(number) if range.contains(&number) => Some(number),
            Tree::Integer(_) | Tree::LargeInteger(_) => self.out_of_range(&range),
            // So large that the parser could not keep it as an integer.
            Tree::Float(number) if number.abs() >= 2_f64.powi(63) => self.out_of_range(&range),
            _ => self.wrong_type("an integer"),
        }
    }

    /// A number from 0 to 1.
    pub(crate) fn probability(&self) -> Option<f64> {
        let number = match *self.tree {
            Tree::Float(number) => number,
            Tree::Integer(0) => 0.0,
            Tree::Integer(1) => 1.0,
            _ => return self.wrong_type("a number from 0 to 1"),
        };
        if (0.0..=1.0).contains(&number) {
            Some(number)
        } else {
            self.refuse(FaultCode::OutOfRange, "must be between 0 and 1")
        }
    }

    /// A text.
    pub(crate) fn text(&self) -> Option<&'a str> {
        match self.tree {
            Tree::Text(text) => Some(text),
            _ => self.wrong_type("a string"),
        }
    }

    fn out_of_range<T>(&self, range: &RangeInclusive<i64>) -> Option<T> {
        let detail = format!("must be between {} and {}", range.start(), range.end());
        self.refuse(FaultCode::OutOfRange, detail)
    }

    fn wrong_type<T>(&self, expected: &str) -> Option<T> {
        let detail = format!("must be {expected}, not {}", self.tree.kind());
        self.refuse(FaultCode::WrongType, detail)
    }
}

/// An object that is being read.
pub(crate) struct Object<'a> {
    place: Field<'a>,
    fields: &'a [(String, Tree)],
    asked: Vec<&'static str>,
}

impl<'a> Object<'a> {
    /// A field that must be there.
    pub(crate) fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(Field<'a>) -> Option<T>,
    ) -> Option<T> {
        match self.find(name) {
            Some(field) => read(field),
            None => self
                .child(name, self.place.tree)
                .refuse(FaultCode::Required, "is missing"),
        }
    }

    /// A field that may be missing: `Some(None)` if it is.
    #[expect(
        clippy::option_option,
        reason = "the outer one says whether it could be read"
    )]
    pub(crate) fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(Field<'a>) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.find(name) {
            Some(field) => read(field).map(Some),
            None => Some(None),
        }
    }

    /// A field that may be missing or null.
    #[expect(
        clippy::option_option,
        reason = "the outer one says whether it could be read"
    )]
    pub(crate) fn nullable<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(Field<'a>) -> Option<T>,
    ) -> Option<Option<T>> {
        self.optional(name, |field| {
            if field.is_null() {
                Some(None)
            } else {
                read(field).map(Some)
            }
        })
        .map(Option::flatten)
    }

    /// Refuses the fields that nobody asked for, and those that are there twice.
    pub(crate) fn close(self) -> Field<'a> {
        for (index, (name, tree)) in self.fields.iter().enumerate() {
            let is_known = self.asked.contains(&name.as_str());
            let is_first = self.fields[..index].iter().all(|(other, _)| other != name);
            if !is_known && !self.place.lenient {
                self.child(name, tree)
                    .refuse::<()>(FaultCode::UnknownField, "is not a field of this request");
            } else if is_known && !is_first {
                self.child(name, tree)
                    .refuse::<()>(FaultCode::Duplicate, "is there more than once");
            }
            if index > FIELDS_MAX {
                break;
            }
        }
        self.place
    }

    fn find(&mut self, name: &'static str) -> Option<Field<'a>> {
        self.asked.push(name);
        let (_, tree) = self.fields.iter().find(|(other, _)| other == name)?;
        Some(self.child(name, tree))
    }

    fn child(&self, name: &str, tree: &'a Tree) -> Field<'a> {
        Field {
            tree,
            pointer: format!("{}/{}", self.place.pointer, escaped(name)),
            ..self.place
        }
    }
}

/// Fields of one object that are looked at for being unknown or doubled; looking costs the square of their number.
const FIELDS_MAX: usize = 200;

/// A name as RFC 6901 writes it in a pointer.
fn escaped(name: &str) -> Cow<'_, str> {
    if name.contains(['~', '/']) {
        name.replace('~', "~0").replace('/', "~1").into()
    } else {
        name.into()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn faults<T>(
        text: &str,
        read: impl FnOnce(Field<'_>) -> Option<T>,
    ) -> Vec<(String, FaultCode)> {
        let faults = Faults::default();
        let tree = Tree::parse(text).unwrap();
        let value = read(Field::root(&tree, &faults, false));
        match faults.judge(value) {
            Ok(_) => Vec::new(),
            Err(faults) => faults
                .into_iter()
                .map(|fault| (fault.pointer, fault.code))
                .collect(),
        }
    }

    fn point(field: Field<'_>) -> Option<(i64, Option<i64>)> {
        let mut object = field.object()?;
        let x = object.required("x", |field| field.integer(1..=5));
        let y = object.optional("y", |field| field.integer(1..=5));
        object.close();
        Some((x?, y?))
    }

    #[test]
    fn everything_wrong_is_told_at_once_with_its_place() {
        use FaultCode::*;
        for (text, expected) in [
            (r#"{"x":1}"#, vec![]),
            (r#"{"x":1,"y":5}"#, vec![]),
            ("null", vec![("", WrongType)]),
            ("[]", vec![("", WrongType)]),
            ("{}", vec![("/x", Required)]),
            (
                r#"{"x":0,"y":"1","z":1}"#,
                vec![("/x", OutOfRange), ("/y", WrongType), ("/z", UnknownField)],
            ),
            (r#"{"x":1,"x":1}"#, vec![("/x", Duplicate)]),
            (r#"{"x":1,"y":null}"#, vec![("/y", WrongType)]),
            (r#"{"x":1,"a/b~":1}"#, vec![("/a~1b~0", UnknownField)]),
        ] {
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(pointer, code)| (pointer.to_owned(), code))
                .collect();
            assert_eq!(faults(text, point), expected, "{text}");
        }
    }

    #[test]
    fn an_integer_is_written_as_one() {
        use FaultCode::*;
        for (text, code) in [
            ("1.0", WrongType),
            ("1e0", WrongType),
            ("1.5", WrongType),
            (r#""1""#, WrongType),
            ("true", WrongType),
            ("null", WrongType),
            ("0", OutOfRange),
            ("-1", OutOfRange),
            ("9007199254740992", OutOfRange),
            ("18446744073709551615", OutOfRange),
            ("18446744073709551616", OutOfRange),
            ("-99999999999999999999999999", OutOfRange),
        ] {
            let found = faults(text, |field| field.integer(1..=5));
            assert_eq!(found, [(String::new(), code)], "{text}");
        }
    }

    #[test]
    fn the_number_of_faults_is_bounded() {
        let fields: Vec<String> = (0..1_000)
            .map(|number| format!(r#""f{number}":1"#))
            .collect();
        let found = faults(&format!("{{{}}}", fields.join(",")), point);
        assert_eq!(found.len(), 100);
    }
}
