//! The auditor: `stampede audit --json`, run as an operator would, beside a live shop or on a store at rest.

use std::ffi::{OsStr, OsString};

use serde_json::Value;

use super::stampede;

/// What the auditor found.
#[derive(Debug)]
pub(crate) struct AuditReport {
    /// 0: every invariant holds. 1: one does not.
    pub(crate) exit_code: i32,
    report: Value,
}

/// Audits the store that these flags tell: `--data-dir DIR` or `--config FILE`.
pub(crate) async fn audit(store: &[OsString; 2]) -> AuditReport {
    let arguments = ["audit", "--json"].map(OsStr::new).into_iter();
    let outcome = stampede(arguments.chain(store.iter().map(OsString::as_os_str))).await;
    let report = serde_json::from_str(&outcome.stdout)
        .unwrap_or_else(|error| panic!("{error}: {outcome:?}"));
    AuditReport {
        exit_code: outcome.exit_code,
        report,
    }
}

impl AuditReport {
    /// Fails unless every invariant held.
    #[track_caller]
    pub(crate) fn expect_clean(&self) {
        assert_eq!(
            (self.exit_code, self.violated()),
            (0, vec![]),
            "{:#}",
            self.report
        );
        assert_eq!(self.report["ok"], true, "{:#}", self.report);
    }

    /// Fails unless one of these invariants is named as violated, with an example, and the exit code says so.
    #[track_caller]
    pub(crate) fn expect_violation_of(&self, invariants: &[&str]) {
        assert_eq!(self.exit_code, 1, "{:#}", self.report);
        assert_eq!(self.report["ok"], false, "{:#}", self.report);
        let named = self
            .violated()
            .into_iter()
            .any(|id| invariants.contains(&id.as_str()));
        assert!(named, "none of {invariants:?} is named: {:#}", self.report);
    }

    /// How many things were looked at for one invariant.
    #[track_caller]
    pub(crate) fn checked(&self, invariant: &str) -> u64 {
        let entry = self
            .invariants()
            .iter()
            .find(|entry| entry["id"] == invariant);
        entry.unwrap_or_else(|| panic!("{invariant} is missing: {:#}", self.report))["checked"]
            .as_u64()
            .unwrap()
    }

    /// Whether a word occurs anywhere in the report.
    pub(crate) fn tells(&self, word: &str) -> bool {
        self.report.to_string().contains(word)
    }

    /// The ids of the violated invariants; each must come with an example.
    #[track_caller]
    fn violated(&self) -> Vec<String> {
        let violated = self
            .invariants()
            .iter()
            .filter(|entry| entry["violations"].as_u64() != Some(0));
        violated
            .map(|entry| {
                let examples = entry["examples"].as_array().expect("examples are a list");
                assert!(
                    !examples.is_empty(),
                    "a violation without an example: {entry:#}"
                );
                entry["id"]
                    .as_str()
                    .expect("an invariant has an id")
                    .to_owned()
            })
            .collect()
    }

    fn invariants(&self) -> &[Value] {
        self.report["invariants"]
            .as_array()
            .expect("the report lists the invariants")
    }
}
