//! What a run has to come to: `throughput>=5000`, `p99<=50ms`, `errors=0`.

use std::{fmt, str::FromStr};

/// One expectation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Expectation {
    pub(super) name: Name,
    comparison: Comparison,
    /// In milliseconds where it is a time.
    value: f64,
    text: String,
}

/// What can be expected something of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// Orders a second.
    Throughput,
    /// Orders answered 201 or 202.
    Accepted,
    /// Orders answered 201.
    Confirmed,
    /// Orders answered 409 `out_of_stock`.
    SoldOut,
    /// Latencies.
    P50,
    P90,
    P99,
    P999,
    Max,
    /// Requests without an answer, or with one that must not be.
    Errors,
    /// Requests that were put off.
    Refused,
    /// Requests that were due and never sent.
    Unsent,
    /// Of the books.
    Violations,
}

impl Name {
    const ALL: [(&'static str, Self); 13] = [
        ("throughput", Self::Throughput),
        ("accepted", Self::Accepted),
        ("confirmed", Self::Confirmed),
        ("sold-out", Self::SoldOut),
        ("p50", Self::P50),
        ("p90", Self::P90),
        ("p99", Self::P99),
        ("p999", Self::P999),
        ("max", Self::Max),
        ("errors", Self::Errors),
        ("refused", Self::Refused),
        ("unsent", Self::Unsent),
        ("violations", Self::Violations),
    ];

    const fn is_time(self) -> bool {
        matches!(
            self,
            Self::P50 | Self::P90 | Self::P99 | Self::P999 | Self::Max
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    AtLeast,
    AtMost,
    Above,
    Below,
    Equal,
}

impl Comparison {
    /// The longer signs first, so that `>=` is not read as `>`.
    const ALL: [(&'static str, Self); 6] = [
        (">=", Self::AtLeast),
        ("<=", Self::AtMost),
        ("==", Self::Equal),
        (">", Self::Above),
        ("<", Self::Below),
        ("=", Self::Equal),
    ];
}

impl Expectation {
    /// Whether a figure is as expected. A figure that there is not, because nothing was measured, never is.
    pub(super) fn is_met(&self, figure: Option<f64>) -> bool {
        figure.is_some_and(|figure| match self.comparison {
            Comparison::AtLeast => figure >= self.value,
            Comparison::AtMost => figure <= self.value,
            Comparison::Above => figure > self.value,
            Comparison::Below => figure < self.value,
            Comparison::Equal => (figure - self.value).abs() < f64::EPSILON,
        })
    }

    /// The figure for people, with its unit.
    pub(super) fn told(&self, figure: Option<f64>) -> String {
        match figure {
            None => "nothing was measured".to_owned(),
            Some(figure) if self.name.is_time() => format!("it was {figure:.3} ms"),
            Some(figure) if self.name == Name::Throughput => format!("it was {figure:.1}"),
            Some(figure) => format!("it was {figure}"),
        }
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Expectation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some(at) = text.find(['<', '>', '=']) else {
            return Err("it has none of >= <= > < =, as in 'errors=0'".to_owned());
        };
        let (name, rest) = text.split_at(at);
        let name = name.trim();
        let known = Name::ALL.iter().find(|(known, _)| *known == name);
        let (_, name) = known.ok_or_else(|| {
            let names: Vec<&str> = Name::ALL.iter().map(|(name, _)| *name).collect();
            format!("{name:?} is none of {}", names.join(", "))
        })?;
        let sign = Comparison::ALL
            .iter()
            .find(|(sign, _)| rest.starts_with(sign));
        let (sign, comparison) = sign.ok_or_else(|| "it has none of >= <= > < =".to_owned())?;
        Ok(Self {
            name: *name,
            comparison: *comparison,
            value: value(rest[sign.len()..].trim(), *name)?,
            text: text.trim().to_owned(),
        })
    }
}

fn value(text: &str, name: Name) -> Result<f64, String> {
    const UNITS: [(&str, f64); 3] = [("ms", 1.0), ("us", 1e-3), ("s", 1e3)];
    let (number, factor) = if name.is_time() {
        let unit = UNITS.iter().find(|(unit, _)| text.ends_with(unit));
        let (unit, factor) =
            unit.ok_or_else(|| format!("{text:?} is no time with ms, s or us, as in 50ms"))?;
        (text[..text.len() - unit.len()].trim(), *factor)
    } else {
        (text, 1.0)
    };
    match number.parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(number * factor),
        _ => Err(format!("{text:?} is no number that is 0 or more")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expectation(text: &str) -> Expectation {
        text.parse().unwrap()
    }

    #[test]
    fn an_expectation_is_a_name_a_comparison_and_a_value() {
        for (text, met, missed) in [
            ("throughput>=5000", 5_000.0, 4_999.9),
            ("accepted > 5", 6.0, 5.0),
            ("p99<=50ms", 50.0, 50.1),
            ("p999 < 1.5s", 1_499.0, 1_500.0),
            ("max<=500us", 0.5, 0.51),
            ("errors=0", 0.0, 1.0),
            ("sold-out == 9", 9.0, 10.0),
        ] {
            let expectation = expectation(text);
            assert!(expectation.is_met(Some(met)), "{text}");
            assert!(!expectation.is_met(Some(missed)), "{text}");
            assert!(!expectation.is_met(None), "nothing measured is not enough");
            assert_eq!(expectation.to_string(), text);
        }
    }

    #[test]
    fn what_is_wrong_with_an_expectation_is_named() {
        for (text, reason) in [
            ("errors", "none of >= <= > < ="),
            ("p98<=5ms", "\"p98\" is none of throughput, accepted,"),
            ("=5", "\"\" is none of"),
            ("p99<=50", "\"50\" is no time with ms, s or us"),
            ("p99<=ms", "\"ms\" is no number"),
            ("errors=none", "\"none\" is no number"),
            ("errors=", "\"\" is no number"),
            ("errors=-1", "\"-1\" is no number"),
            ("errors=NaN", "\"NaN\" is no number"),
            ("throughput>=5k", "\"5k\" is no number"),
        ] {
            let error = text.parse::<Expectation>().unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
