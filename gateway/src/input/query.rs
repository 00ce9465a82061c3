//! Query parameters: known names only, each at most once.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    future::{Ready, ready},
};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use actors::edge::{
    LIMIT_DEFAULT, LIMIT_MAX,
    rules::{self, FILTER_LENGTH_MAX, SEARCH_LENGTH_MAX},
};
use domain::{OrderId, Timestamp, UserId};

use super::path;
use crate::{
    cursor::{self, Position},
    dto,
    problem::{Fault, FaultCode, Faults, Problem},
};

/// What a handler works with, read from the query string.
pub(crate) struct Params<T>(pub(crate) T);

/// What can be read from a query string.
pub(crate) trait FromQuery: Sized + 'static {
    /// Takes the parameters that it knows.
    fn read(pairs: &mut Pairs) -> Option<Self>;
}

impl<T: FromQuery> FromRequest for Params<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(parse(request.query_string()).map(Self))
    }
}

/// The parameters in a query string, or what is wrong with them.
pub(crate) fn parse<T: FromQuery>(query: &str) -> Result<T, Problem> {
    let mut pairs = Pairs::of(query);
    let read = T::read(&mut pairs);
    pairs.close().judge(read).map_err(Problem::invalid)
}

/// The parameters of a query string.
pub(crate) struct Pairs {
    pairs: Vec<(String, String)>,
    asked: Vec<&'static str>,
    faults: Faults,
}

impl Pairs {
    fn of(query: &str) -> Self {
        let pairs = web::Query::<Vec<(String, String)>>::from_query(query);
        Self {
            pairs: pairs.map(web::Query::into_inner).unwrap_or_default(),
            asked: Vec::new(),
            faults: Faults::default(),
        }
    }

    /// A parameter that may be missing: `Some(None)` if it is.
    #[expect(
        clippy::option_option,
        reason = "the outer one says whether it could be read"
    )]
    pub(crate) fn take<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, (FaultCode, Cow<'static, str>)>,
    ) -> Option<Option<T>> {
        self.asked.push(name);
        let Some((_, value)) = self.pairs.iter().find(|(other, _)| other == name) else {
            return Some(None);
        };
        match read(value) {
            Ok(value) => Some(Some(value)),
            Err((code, detail)) => {
                self.faults
                    .note(Fault::new(format!("?{name}"), code, detail));
                None
            }
        }
    }

    /// `limit`: rows of a page.
    pub(crate) fn limit(&mut self) -> Option<usize> {
        let limit = self.take("limit", |text| {
            match path::number(text).map(usize::try_from) {
                Some(Ok(limit @ 1..=LIMIT_MAX)) => Ok(limit),
                _ => Err((
                    FaultCode::OutOfRange,
                    format!("must be an integer from 1 to {LIMIT_MAX}").into(),
                )),
            }
        })?;
        Some(limit.unwrap_or(LIMIT_DEFAULT))
    }

    /// `cursor`: where the page before ended.
    #[expect(
        clippy::option_option,
        reason = "the outer one says whether it could be read"
    )]
    pub(crate) fn cursor<P: Position>(&mut self) -> Option<Option<P>> {
        self.take("cursor", |text| {
            let detail = "must be the next_cursor of a page of this list; begin again without one";
            cursor::decode(text).ok_or((FaultCode::InvalidFormat, detail.into()))
        })
    }

    /// A text to search for. An empty one looks for nothing.
    #[expect(
        clippy::option_option,
        reason = "the outer one says whether it could be read"
    )]
    pub(crate) fn search(&mut self, name: &'static str) -> Option<Option<String>> {
        let found = self.take(name, |text| plain(text, SEARCH_LENGTH_MAX))?;
        Some(found.filter(|text| !text.is_empty()))
    }

    /// A name to filter by.
    #[expect(
        clippy::option_option,
        reason = "the outer one says whether it could be read"
    )]
    pub(crate) fn name(&mut self, name: &'static str) -> Option<Option<String>> {
        self.take(name, |text| plain(text, FILTER_LENGTH_MAX))
    }

    /// A user to filter by.
    #[expect(
        clippy::option_option,
        reason = "the outer one says whether it could be read"
    )]
    pub(crate) fn user(&mut self, name: &'static str) -> Option<Option<UserId>> {
        self.take(name, |text| id(path::number(text).and_then(UserId::new)))
    }

    /// An order to filter by.
    #[expect(
        clippy::option_option,
        reason = "the outer one says whether it could be read"
    )]
    pub(crate) fn order(&mut self, name: &'static str) -> Option<Option<OrderId>> {
        self.take(name, |text| id(path::number(text).and_then(OrderId::new)))
    }

    /// A point in time, RFC 3339.
    #[expect(
        clippy::option_option,
        reason = "the outer one says whether it could be read"
    )]
    pub(crate) fn time(&mut self, name: &'static str) -> Option<Option<Timestamp>> {
        self.take(name, |text| {
            let detail = "must be a time of RFC 3339 such as 2025-01-31T09:30:00Z";
            dto::time::parse(text).ok_or((FaultCode::InvalidFormat, detail.into()))
        })
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, name: &'static str) -> Option<bool> {
        let flag = self.take(name, |text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err((FaultCode::InvalidFormat, "must be true or false".into())),
        })?;
        Some(flag.unwrap_or(false))
    }

    /// Refuses the parameters that nobody asked for, and those that are there twice.
    fn close(self) -> Faults {
        let mut seen = BTreeSet::new();
        for (name, _) in &self.pairs {
            let fault = if !self.asked.contains(&name.as_str()) {
                Some((
                    FaultCode::UnknownParameter,
                    "is not a parameter of this request",
                ))
            } else if !seen.insert(name) {
                Some((FaultCode::Duplicate, "is there more than once"))
            } else {
                None
            };
            if let Some((code, detail)) = fault {
                self.faults
                    .note(Fault::new(format!("?{name}"), code, detail));
            }
        }
        self.faults
    }
}

fn id<T>(id: Option<T>) -> Result<T, (FaultCode, Cow<'static, str>)> {
    id.ok_or((
        FaultCode::OutOfRange,
        "must be an id: an integer from 1 to below 2^53".into(),
    ))
}

fn plain(text: &str, length_max: usize) -> Result<String, (FaultCode, Cow<'static, str>)> {
    rules::plain(text, length_max).map_err(|flaw| (flaw.code.into(), flaw.detail))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[derive(Debug, PartialEq)]
    struct Sample {
        limit: usize,
        q: Option<String>,
        stuck: bool,
    }

    impl FromQuery for Sample {
        fn read(pairs: &mut Pairs) -> Option<Self> {
            let (limit, q, stuck) = (pairs.limit(), pairs.search("q"), pairs.flag("stuck"));
            Some(Self {
                limit: limit?,
                q: q?,
                stuck: stuck?,
            })
        }
    }

    fn refused(query: &str) -> String {
        format!("{:?}", parse::<Sample>(query).unwrap_err())
    }

    #[test]
    fn parameters_are_decoded() {
        let expected = |limit, q: Option<&str>, stuck| Sample {
            limit,
            q: q.map(str::to_owned),
            stuck,
        };
        for (query, sample) in [
            ("", expected(50, None, false)),
            (
                "limit=200&q=a%20b+c&stuck=true",
                expected(200, Some("a b c"), true),
            ),
            ("q=", expected(50, None, false)),
            ("&&limit=1&", expected(1, None, false)),
        ] {
            assert_eq!(parse::<Sample>(query).unwrap(), sample, "{query}");
        }
    }

    #[test]
    fn bad_parameters_are_named() {
        for (query, pointer, code) in [
            ("limit=0", "?limit", "OutOfRange"),
            ("limit=201", "?limit", "OutOfRange"),
            ("limit=-1", "?limit", "OutOfRange"),
            ("limit=ten", "?limit", "OutOfRange"),
            ("limit=", "?limit", "OutOfRange"),
            ("limit", "?limit", "OutOfRange"),
            ("limit=99999999999999999999999", "?limit", "OutOfRange"),
            ("limit=1&limit=2", "?limit", "Duplicate"),
            ("stuck=1", "?stuck", "InvalidFormat"),
            ("q=%00", "?q", "InvalidFormat"),
            ("page=2", "?page", "UnknownParameter"),
        ] {
            let told = refused(query);
            assert!(
                told.contains(&format!("{pointer:?}")) && told.contains(code),
                "{query}: {told}"
            );
        }
        let told = refused("limit=0&page=2&stuck=x");
        assert!(
            ["?limit", "?page", "?stuck"]
                .iter()
                .all(|place| told.contains(place)),
            "{told}"
        );
    }
}
