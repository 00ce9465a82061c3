//! Reading a request field by field, noting everything that is wrong on the way, so that all of it is told at once.

use proto::v1;
use tonic::Status;
use tonic_types::FieldViolation;

use super::status;
use crate::edge::rules::{self, Flaw, FlawCode};

/// The most violations of one request that are told. A request of nothing but mistakes must not make an endless answer.
const VIOLATIONS_MAX: usize = 100;

/// What is wrong with a request so far.
#[derive(Debug, Default)]
pub(crate) struct Violations(Vec<FieldViolation>);

/// What a reader makes of a request, or everything that is wrong with it. A reader checks all its fields first and
/// gives up (`?`) only then.
pub(crate) fn read<T>(reader: impl FnOnce(&mut Violations) -> Option<T>) -> Result<T, Status> {
    let mut found = Violations::default();
    match reader(&mut found) {
        Some(value) if found.0.is_empty() => Ok(value),
        _ => Err(status::invalid(found.0)),
    }
}

impl Violations {
    /// A value, or nothing with its flaw noted.
    pub(crate) fn check<T>(
        &mut self,
        field: impl Into<String>,
        judged: Result<T, Flaw>,
    ) -> Option<T> {
        match judged {
            Ok(value) => Some(value),
            Err(flaw) => {
                if self.0.len() < VIOLATIONS_MAX {
                    self.0.push(status::violation(field, flaw));
                }
                None
            }
        }
    }

    /// A value that may be missing: `Some(None)` if it is.
    #[expect(
        clippy::option_option,
        reason = "the outer one says whether it could be read"
    )]
    pub(crate) fn optional<V, T>(
        &mut self,
        field: &'static str,
        value: Option<V>,
        rule: impl FnOnce(V) -> Result<T, Flaw>,
    ) -> Option<Option<T>> {
        match value {
            Some(value) => self.check(field, rule(value)).map(Some),
            None => Some(None),
        }
    }

    /// A price that must be there.
    pub(crate) fn price(
        &mut self,
        field: &'static str,
        price: Option<v1::Money>,
    ) -> Option<domain::Money> {
        let Some(price) = price else {
            return self.check(field, Err(Flaw::new(FlawCode::Required, "is missing")));
        };
        let amount = rules::integer(price.amount, 0..=domain::money::AMOUNT_MAX);
        let amount = self.check(format!("{field}.amount"), amount);
        let currency = self.check(
            format!("{field}.currency"),
            rules::currency(&price.currency),
        );
        Some(domain::Money {
            amount: amount?,
            currency: currency?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tonic_types::StatusExt;

    use super::*;

    #[test]
    fn everything_wrong_is_told_at_once() {
        let price = v1::Money {
            amount: -1,
            currency: "eur".to_owned(),
        };
        let status = read(|found| {
            let name = found.check("name", rules::name(" "));
            let price = found.price("price", Some(price));
            Some((name?, price?))
        })
        .unwrap_err();
        let bad = status.get_details_bad_request().unwrap();
        let fields: Vec<_> = bad
            .field_violations
            .iter()
            .map(|violation| violation.field.as_str())
            .collect();
        assert_eq!(fields, ["name", "price.amount", "price.currency"]);
    }

    #[test]
    fn the_number_of_violations_is_bounded() {
        let status = read(|found| {
            for _ in 0..1_000 {
                found.check("name", rules::name(""));
            }
            Some(())
        })
        .unwrap_err();
        let bad = status.get_details_bad_request().unwrap();
        assert_eq!(bad.field_violations.len(), VIOLATIONS_MAX);
    }
}
