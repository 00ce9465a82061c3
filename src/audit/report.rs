//! What was found, for people and for programs.

use std::{fmt::Write, time::Duration};

use domain::invariants::{Finding, Report};
use serde_json::{Value, json};

/// The report as JSON.
pub(super) fn json(report: &Report, elapsed: Duration) -> Value {
    let finding = |finding: &Finding| {
        let examples = finding.examples.iter();
        let examples: Vec<&str> = examples.map(|example| example.detail.as_str()).collect();
        json!({
            "id": finding.invariant.id(),
            "statement": finding.invariant.statement(),
            "checked": finding.checked,
            "violations": finding.violations,
            "examples": examples,
        })
    };
    let invariants: Vec<Value> = report.findings().iter().map(finding).collect();
    json!({
        "ok": report.is_ok(),
        "invariants": invariants,
        "records": report.records,
        "orders": report.orders,
        "elapsed_ms": u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
    })
}

/// The report as a table.
pub(super) fn table(report: &Report, elapsed: Duration) -> String {
    let statements = report
        .findings()
        .iter()
        .map(|finding| finding.invariant.statement());
    let width = statements.map(str::len).max().unwrap_or(0);
    // Writing into a string does not fail.
    let mut text = format!(
        "{:<4}  {:<width$}  {:>10}  {:>10}\n",
        "", "invariant", "checked", "violations"
    );
    for finding in report.findings() {
        let (id, statement) = (finding.invariant.id(), finding.invariant.statement());
        let (checked, violations) = (finding.checked, finding.violations);
        let _ = writeln!(
            text,
            "{id:<4}  {statement:<width$}  {checked:>10}  {violations:>10}"
        );
        for example in &finding.examples {
            let _ = writeln!(text, "{:<4}  - {}", "", example.detail);
        }
        let told = finding.examples.len() as u64;
        if violations > told {
            let _ = writeln!(text, "{:<4}  - and {} more", "", violations - told);
        }
    }
    let verdict = if report.is_ok() {
        "every invariant holds"
    } else {
        "VIOLATED"
    };
    let (records, orders) = (report.records, report.orders);
    let _ = write!(
        text,
        "\n{records} records, {orders} orders, {} ms: {verdict}",
        elapsed.as_millis()
    );
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use domain::{
        Topology,
        invariants::{Checker, Invariant},
    };

    use super::*;

    fn report(violations: u32) -> Report {
        let mut checker = Checker::new(Topology::uniform(1), BTreeMap::new());
        checker.count(Invariant::I4, 12);
        for number in 0..violations {
            checker.check(Invariant::I4, false, || format!("order {number} is wrong"));
        }
        checker.finish()
    }

    #[test]
    fn a_table_names_what_is_violated() {
        let text = table(&report(7), Duration::from_millis(5));
        assert!(text.contains("I10 ") && text.contains("VIOLATED"), "{text}");
        assert!(
            text.contains("- order 4 is wrong\n      - and 2 more"),
            "{text}"
        );
        assert!(!text.contains("order 5"), "{text}");
        let text = table(&report(0), Duration::from_millis(5));
        assert!(
            text.ends_with("0 records, 0 orders, 5 ms: every invariant holds"),
            "{text}"
        );
    }

    #[test]
    fn json_has_every_invariant() {
        let value = json(&report(7), Duration::from_millis(5));
        assert_eq!(value["ok"], false);
        assert_eq!(value["elapsed_ms"], 5);
        let invariants = value["invariants"].as_array().expect("a list");
        assert_eq!(invariants.len(), 10);
        assert_eq!(invariants[3]["id"], "I4");
        assert_eq!(invariants[3]["checked"], 19);
        assert_eq!(invariants[3]["violations"], 7);
        assert_eq!(invariants[3]["examples"][0], "order 0 is wrong");
        assert_eq!(json(&report(0), Duration::ZERO)["ok"], true);
    }
}
