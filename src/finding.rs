//! What was found about one promise of the shop.

use std::fmt::Write;

use serde_json::{Value, json};

/// Examples that are kept of each finding.
pub(crate) const EXAMPLES_MAX: usize = 5;

/// What was found about one promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) id: &'static str,
    pub(crate) statement: &'static str,
    pub(crate) checked: u64,
    pub(crate) violations: u64,
    pub(crate) examples: Vec<String>,
}

impl Finding {
    /// Nothing was looked at yet.
    pub(crate) const fn new(id: &'static str, statement: &'static str) -> Self {
        Self {
            id,
            statement,
            checked: 0,
            violations: 0,
            examples: Vec::new(),
        }
    }

    /// Counts one that was looked at.
    pub(crate) fn check(&mut self, holds: bool, told: impl FnOnce() -> String) {
        self.checked += 1;
        if !holds {
            self.violations += 1;
            if self.examples.len() < EXAMPLES_MAX {
                self.examples.push(told());
            }
        }
    }

    /// It as JSON.
    pub(crate) fn json(&self) -> Value {
        json!({
            "id": self.id,
            "statement": self.statement,
            "checked": self.checked,
            "violations": self.violations,
            "examples": self.examples,
        })
    }
}

/// Findings as a table under this title. Writing into a string does not fail.
pub(crate) fn write_table(title: &str, findings: &[Finding], text: &mut String) {
    let statements = findings.iter().map(|finding| finding.statement.len());
    let width = statements.max().unwrap_or(0);
    let _ = writeln!(
        text,
        "{:<4} {title:<width$} {:>9} {:>10}",
        "", "checked", "violations"
    );
    for finding in findings {
        let (id, statement) = (finding.id, finding.statement);
        let _ = writeln!(
            text,
            "{id:<4} {statement:<width$} {:>9} {:>10}",
            finding.checked, finding.violations
        );
        for example in &finding.examples {
            let _ = writeln!(text, "     - {example}");
        }
    }
}
