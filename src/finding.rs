//! What was found about one promise of the shop.

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
}
