//! What the checks have found.

use super::{Invariant, orders::Waiting};

/// How many violations of one invariant are kept as examples.
pub const EXAMPLES_MAX: usize = 5;

/// Something that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant it breaks.
    pub invariant: Invariant,
    /// Where, and how.
    pub detail: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.invariant, self.detail)
    }
}

/// What was found about one invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which.
    pub invariant: Invariant,
    /// How many things were looked at.
    pub checked: u64,
    /// How many of them break it.
    pub violations: u64,
    /// The first of those, at most [`EXAMPLES_MAX`].
    pub examples: Vec<Violation>,
}

/// What was found about all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    findings: [Finding; Invariant::ALL.len()],
    /// Records in all journals.
    pub records: u64,
    /// Orders that have a history.
    pub orders: u64,
    /// Orders whose deadline has passed and that are no violation.
    pub waiting: Waiting,
    /// Whether idempotency keys were not looked at to the end, because there were too many at once and the orders were
    /// not told again.
    pub has_keys_left: bool,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            findings: Invariant::ALL.map(|invariant| Finding {
                invariant,
                checked: 0,
                violations: 0,
                examples: Vec::new(),
            }),
            records: 0,
            orders: 0,
            waiting: Waiting::default(),
            has_keys_left: false,
        }
    }
}

impl Report {
    /// Whether nothing is violated.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.findings.iter().all(|finding| finding.violations == 0)
    }

    /// What was found about each invariant, in order.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// What was found about one invariant.
    #[must_use]
    pub fn finding(&self, invariant: Invariant) -> &Finding {
        &self.findings[invariant as usize]
    }

    /// Notes that something was looked at, and what is wrong with it.
    pub(super) fn judge(&mut self, invariant: Invariant, wrong: Option<String>) {
        self.findings[invariant as usize].checked += 1;
        if let Some(detail) = wrong {
            self.violated(invariant, 1, detail);
        }
    }

    /// Notes that something was looked at, and what is wrong unless it holds.
    pub(super) fn check(
        &mut self,
        invariant: Invariant,
        holds: bool,
        wrong: impl FnOnce() -> String,
    ) {
        self.judge(invariant, (!holds).then(wrong));
    }

    /// Notes that so many things were looked at, and hold.
    pub(super) fn count(&mut self, invariant: Invariant, checked: u64) {
        self.findings[invariant as usize].checked += checked;
    }

    /// Notes that so many things are wrong, which were counted as looked at already or cannot be.
    pub(super) fn violated(&mut self, invariant: Invariant, times: u64, detail: String) {
        let finding = &mut self.findings[invariant as usize];
        finding.violations += times;
        if finding.examples.len() < EXAMPLES_MAX {
            finding.examples.push(Violation { invariant, detail });
        }
    }
}
