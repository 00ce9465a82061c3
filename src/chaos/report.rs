//! What a run has come to, for people and for programs.

use std::{collections::BTreeMap, fmt::Write, path::PathBuf, time::Duration};

use serde_json::{Value, json};

use super::{
    checks::Finding,
    deployment::Shape,
    timeline::{Recovery, median_and_max},
};
use crate::finding::write_table;

/// What a run has come to.
#[derive(Debug)]
pub(super) struct Summary {
    pub(super) seed: u64,
    pub(super) shape: Shape,
    pub(super) orders: usize,
    pub(super) accepted: usize,
    /// Answers by status and code.
    pub(super) answers: BTreeMap<String, u64>,
    pub(super) recoveries: BTreeMap<&'static str, Recovery>,
    /// Planned faults that could not be injected.
    pub(super) missed: Vec<String>,
    /// Processes that ended by themselves, or otherwise than they were told, and were started again.
    pub(super) ended: Vec<String>,
    pub(super) retried: usize,
    pub(super) settled_after: Duration,
    pub(super) findings: Vec<Finding>,
    /// Why there was no audit, if there was none.
    pub(super) not_audited: Option<String>,
    pub(super) took: Duration,
    /// Where data and logs were left.
    pub(super) kept: Option<PathBuf>,
}

fn whole_millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Shape {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Cluster => "cluster",
            Self::Given => "given",
        }
    }
}

impl Summary {
    /// Whether nothing is violated.
    pub(super) fn passes(&self) -> bool {
        self.violations() == 0
    }

    fn violations(&self) -> u64 {
        self.findings.iter().map(|finding| finding.violations).sum()
    }

    fn verdict(&self) -> &'static str {
        if self.passes() { "PASS" } else { "FAIL" }
    }

    /// One line of JSON.
    pub(super) fn json(&self) -> Value {
        let times = |times: &[Duration]| -> Vec<u64> {
            times.iter().map(|time| whole_millis(*time)).collect()
        };
        let faults = self.recoveries.iter().map(|(kind, recovery)| {
            let told = json!({
                "count": recovery.count,
                "confirmed_after_ms": times(&recovery.confirmed),
                "ready_after_ms": times(&recovery.ready),
            });
            ((*kind).to_owned(), told)
        });
        json!({
            "verdict": self.verdict(),
            "seed": self.seed,
            "shape": self.shape.name(),
            "orders": self.orders,
            "accepted": self.accepted,
            "answers": self.answers,
            "faults": faults.collect::<serde_json::Map<_, _>>(),
            "missed": self.missed,
            "ended": self.ended,
            "parked_and_retried": self.retried,
            "settled_after_ms": whole_millis(self.settled_after),
            "violations": self.violations(),
            "invariants": self.findings.iter().map(Finding::json).collect::<Vec<Value>>(),
            "not_audited": self.not_audited,
            "elapsed_ms": whole_millis(self.took),
            "kept": self.kept,
        })
    }

    /// The same as tables. Writing into a string does not fail.
    pub(super) fn table(&self) -> String {
        let mut text = String::new();
        self.write_faults(&mut text);
        self.write_answers(&mut text);
        self.write_findings(&mut text);
        if let Some(kept) = &self.kept {
            let _ = writeln!(text, "data and logs are in {}", kept.display());
        }
        let (accepted, took) = (self.accepted, self.took.as_secs_f64());
        let (verdict, seed, shape) = (self.verdict(), self.seed, self.shape.name());
        let _ = write!(
            text,
            "{verdict}: {shape} shop, seed {seed}, {accepted} of {} orders accepted, {took:.1} s",
            self.orders
        );
        text
    }

    fn write_faults(&self, text: &mut String) {
        let _ = writeln!(
            text,
            "{:<18} {:>5}  {:>24}  {:>24}",
            "fault", "count", "next confirmed order", "ready again"
        );
        for (kind, recovery) in &self.recoveries {
            let _ = writeln!(
                text,
                "{kind:<18} {:>5}  {:>24}  {:>24}",
                recovery.count,
                middle(&recovery.confirmed),
                middle(&recovery.ready)
            );
        }
        for missed in &self.missed {
            let _ = writeln!(text, "- not injected: {missed}");
        }
        for ended in &self.ended {
            let _ = writeln!(text, "- {ended}");
        }
        let _ = writeln!(
            text,
            "times are medians and maxima, from the injection on\n"
        );
    }

    fn write_answers(&self, text: &mut String) {
        let _ = writeln!(text, "{:<30} {:>8}", "answers", "count");
        for (answer, count) in &self.answers {
            let _ = writeln!(text, "{answer:<30} {count:>8}");
        }
        let (retried, settled) = (self.retried, self.settled_after.as_secs_f64());
        let _ = writeln!(
            text,
            "settled {settled:.1} s after the last answer; {retried} parked commands retried\n"
        );
    }

    fn write_findings(&self, text: &mut String) {
        write_table("invariant", &self.findings, text);
        if let Some(reason) = &self.not_audited {
            let _ = writeln!(text, "not audited: {reason}");
        }
        text.push('\n');
    }
}

/// Median and maximum.
fn middle(times: &[Duration]) -> String {
    match median_and_max(times) {
        Some((median, max)) => format!("{} / {} ms", median.as_millis(), max.as_millis()),
        None => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(violations: u64) -> Summary {
        let mut finding = Finding::new("C1", "everything is there");
        finding.check(true, String::new);
        for number in 0..violations {
            finding.check(false, || format!("order {number} is gone"));
        }
        let recovery = Recovery {
            count: 2,
            confirmed: [30, 40].map(Duration::from_millis).into(),
            ready: Vec::new(),
        };
        Summary {
            seed: 17,
            shape: Shape::Embedded,
            orders: 10,
            accepted: 9,
            answers: [("201".to_owned(), 9)].into(),
            recoveries: [("kill", recovery)].into(),
            missed: Vec::new(),
            ended: Vec::new(),
            retried: 1,
            settled_after: Duration::from_secs(1),
            findings: vec![finding],
            not_audited: None,
            took: Duration::from_secs(9),
            kept: None,
        }
    }

    #[test]
    fn a_run_passes_only_without_a_violation() {
        let good = summary(0);
        assert!(good.passes());
        let last = "PASS: embedded shop, seed 17, 9 of 10 orders accepted, 9.0 s";
        assert!(good.table().ends_with(last), "{}", good.table());
        assert!(good.table().contains("40 / 40 ms"), "{}", good.table());
        let bad = summary(1);
        assert!(!bad.passes());
        assert!(bad.table().contains("- order 0 is gone"), "{}", bad.table());
        assert!(bad.table().contains("FAIL: embedded shop, seed 17"));
    }

    #[test]
    fn json_says_the_same() {
        let value = summary(2).json();
        assert_eq!(
            (&value["verdict"], &value["seed"]),
            (&json!("FAIL"), &json!(17))
        );
        assert_eq!(value["violations"], 2);
        assert_eq!(
            value["faults"]["kill"]["confirmed_after_ms"],
            json!([30, 40])
        );
        assert_eq!(value["invariants"][0]["examples"][1], "order 1 is gone");
    }
}
