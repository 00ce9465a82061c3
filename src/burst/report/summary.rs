//! The figures of a run.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use hdrhistogram::Histogram;

use crate::{
    burst::{
        expect::{Expectation, Name},
        measure::{Measure, Operation, Outcome, Second},
        observe::{Observed, Status},
        plan::Plan,
    },
    finding::Finding,
};

/// The quantiles that are told.
pub(super) const QUANTILES: [(&str, f64); 5] = [
    ("p50", 0.5),
    ("p90", 0.9),
    ("p99", 0.99),
    ("p999", 0.999),
    ("max", 1.0),
];

/// A run that is over.
pub(in crate::burst) struct Run {
    pub(in crate::burst) url: String,
    pub(in crate::burst) plan: Plan,
    pub(in crate::burst) measure: Measure,
    pub(in crate::burst) observed: Observed,
    pub(in crate::burst) findings: Vec<Finding>,
    /// What this process has used of processors while it was sending.
    pub(in crate::burst) processor: Duration,
    pub(in crate::burst) took: Duration,
    pub(in crate::burst) expectations: Vec<Expectation>,
}

/// Its figures.
pub(in crate::burst) struct Summary {
    pub(super) run: Run,
    /// How long it was measured.
    pub(super) length: Duration,
    /// Of all orders that were answered as they should be.
    pub(super) order_latency_us: Histogram<u64>,
    /// What all orders have become, those before the measurement included.
    pub(super) settled: BTreeMap<Status, u64>,
}

/// One line about requests that were answered alike.
pub(super) struct Row<'a> {
    pub(super) operation: Operation,
    pub(super) outcome: Outcome,
    pub(super) latency_us: &'a Histogram<u64>,
}

impl Summary {
    /// The figures of a run.
    pub(in crate::burst) fn of(run: Run) -> Result<Self> {
        let mut settled = BTreeMap::new();
        for order in &run.observed.orders {
            *settled.entry(order.status).or_default() += 1;
        }
        Ok(Self {
            length: run.measure.length(run.plan.attempts.is_some()),
            order_latency_us: run.measure.order_latency_us()?,
            settled,
            run,
        })
    }

    /// A figure by its name in expectations; times in milliseconds. `None` if there is none, because nothing was
    /// measured.
    pub(super) fn figure(&self, name: Name) -> Option<f64> {
        match name {
            Name::Throughput => Some(self.rate(&Outcome::OF_ANSWERED_ORDERS)),
            Name::P50 => self.quantile_ms(0.5),
            Name::P90 => self.quantile_ms(0.9),
            Name::P99 => self.quantile_ms(0.99),
            Name::P999 => self.quantile_ms(0.999),
            Name::Max => self.quantile_ms(1.0),
            count => self.count(count).map(exact),
        }
    }

    /// A figure that is a count; `None` if it is not.
    pub(super) fn count(&self, name: Name) -> Option<u64> {
        let measure = &self.run.measure;
        match name {
            Name::Accepted => Some(self.orders(&[Outcome::Confirmed, Outcome::Accepted])),
            Name::Confirmed => Some(self.orders(&[Outcome::Confirmed])),
            Name::SoldOut => Some(self.orders(&[Outcome::SoldOut, Outcome::SoldOutAtEdge])),
            Name::Errors => Some(measure.errors.values().sum()),
            Name::Refused => Some(measure.count(None, Outcome::Refused)),
            Name::Unsent => Some(measure.unsent),
            Name::Violations => Some(self.violations()),
            _ => None,
        }
    }

    /// Orders that were answered like this while it was measured.
    fn orders(&self, outcomes: &[Outcome]) -> u64 {
        let answered = &self.run.measure.orders_answered;
        let counts = outcomes.iter().map(|outcome| answered[*outcome as usize]);
        counts.sum()
    }

    /// Orders a second that were answered like this while it was measured.
    pub(super) fn rate(&self, outcomes: &[Outcome]) -> f64 {
        let orders = self.orders(outcomes);
        let seconds = self.length.as_secs_f64();
        if seconds > 0.0 {
            exact(orders) / seconds
        } else {
            0.0
        }
    }

    /// A latency of the orders that were answered as they should be.
    pub(super) fn quantile_ms(&self, quantile: f64) -> Option<f64> {
        let latencies = &self.order_latency_us;
        (!latencies.is_empty()).then(|| quantile_ms(latencies, quantile))
    }

    /// Violations of the books.
    pub(super) fn violations(&self) -> u64 {
        let findings = self.run.findings.iter();
        findings.map(|finding| finding.violations).sum()
    }

    /// What was measured, one row for requests that were answered alike.
    pub(super) fn rows(&self) -> Vec<Row<'_>> {
        let latencies = self.run.measure.latency_us.iter();
        latencies
            .map(|((operation, outcome), latency_us)| Row {
                operation: *operation,
                outcome: *outcome,
                latency_us,
            })
            .collect()
    }

    /// The outcomes that there were, and how many of each second by second. The last second is left out where the
    /// measurement did not last to its end.
    pub(super) fn seconds(&self) -> &[Second] {
        let seconds = &self.run.measure.seconds;
        let whole = usize::try_from(self.length.as_secs()).unwrap_or(usize::MAX);
        &seconds[..seconds.len().min(whole.max(1))]
    }

    /// Processor time of this process for one request, in microseconds.
    pub(super) fn processor_us_per_request(&self) -> f64 {
        let requests = self.run.measure.requests.max(1);
        self.run.processor.as_secs_f64() * 1e6 / exact(requests)
    }

    /// Everything that makes the run fail, for people.
    pub(in crate::burst) fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        for expectation in &self.run.expectations {
            let figure = self.figure(expectation.name);
            if !expectation.is_met(figure) {
                let told = expectation.told(figure);
                failures.push(format!("{expectation} is not met: {told}"));
            }
        }
        for finding in &self.run.findings {
            if finding.violations > 0 {
                let (id, statement) = (finding.id, finding.statement);
                let count = finding.violations;
                failures.push(format!("{id}, {statement}: violated {count} times"));
            }
        }
        failures
    }

    /// Whether everything was as expected and the books balance.
    pub(in crate::burst) fn passes(&self) -> bool {
        self.failures().is_empty()
    }

    /// `PASS` or `FAIL`.
    pub(super) fn verdict(&self) -> &'static str {
        if self.passes() { "PASS" } else { "FAIL" }
    }
}

/// A count as a figure; exact below 2^53.
pub(super) fn exact(count: u64) -> f64 {
    count as f64
}

/// A latency in milliseconds.
pub(super) fn quantile_ms(latency_us: &Histogram<u64>, quantile: f64) -> f64 {
    exact(latency_us.value_at_quantile(quantile)) / 1e3
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::burst::{
        measure::tests::{measure, times},
        observe::Seen,
        plan::tests::plan,
    };

    /// A run of 10 s in which a hundred orders were confirmed within 1 ms to 100 ms each, and one request failed.
    pub(in crate::burst::report) fn summary(flags: &str, expectations: &[&str]) -> Summary {
        let (mut measure, from) = measure();
        for number in 0..100 {
            let due = number * 100;
            let times = times(from, due, due, due + 1 + number);
            measure.record(Operation::Order, Outcome::Confirmed, times);
        }
        measure.record(Operation::Order, Outcome::Failed, times(from, 5, 5, 6));
        measure.failed("order: 500 <internal>".to_owned());
        let mut finding = Finding::new("B1", "everything is there");
        finding.check(true, String::new);
        let seen = Seen {
            id: 1,
            buyer: 0,
            status: Status::Confirmed,
            product_id: 1,
            pieces: 1,
        };
        let observed = Observed {
            orders: vec![seen],
            left: vec![9],
            settled_after: Some(Duration::from_millis(20)),
        };
        Summary::of(Run {
            url: "http://shop/?<&>".to_owned(),
            plan: plan(flags).unwrap(),
            measure,
            observed,
            findings: vec![finding],
            processor: Duration::from_millis(10),
            took: Duration::from_secs(14),
            expectations: expectations
                .iter()
                .map(|text| text.parse().unwrap())
                .collect(),
        })
        .unwrap()
    }

    #[test]
    fn figures_are_those_of_the_answered_orders() {
        let summary = summary("", &[]);
        let throughput = summary.figure(Name::Throughput).unwrap();
        assert!((throughput - 9.9).abs() < 0.11, "{throughput}");
        assert!((summary.figure(Name::P50).unwrap() - 50.0).abs() < 1.0);
        assert!((summary.figure(Name::Max).unwrap() - 100.0).abs() < 1.0);
        assert_eq!(summary.figure(Name::Errors), Some(1.0));
        assert_eq!(summary.figure(Name::Violations), Some(0.0));
        assert!((summary.processor_us_per_request() - 99.0).abs() < 1.0);
        assert!(summary.passes());
    }

    #[test]
    fn what_is_not_as_expected_is_named() {
        let mut summary = summary("", &["errors=0", "p99<=200ms", "throughput>=5000"]);
        let failures = summary.failures();
        assert_eq!(failures.len(), 2, "{failures:?}");
        assert_eq!(failures[0], "errors=0 is not met: it was 1");
        assert!(failures[1].starts_with("throughput>=5000 is not met: it was "));
        summary.run.expectations.clear();
        assert_eq!(summary.verdict(), "PASS");
        summary.run.findings[0].check(false, || "order 7 is gone".to_owned());
        assert_eq!(summary.verdict(), "FAIL");
        assert_eq!(
            summary.failures(),
            ["B1, everything is there: violated 1 times"]
        );
    }
}
