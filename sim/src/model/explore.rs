//! Visits every state of a model, and says what was found.

use std::{collections::BTreeMap, fmt, time::Instant};

use stateright::{Checker, Expectation, HasDiscoveries, Model};

use super::{Action, Config, Coverage, Saga, Seen, progress, verdict};

/// How states are visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// All of them, whatever is found.
    All,
    /// Nearest first, until something is wrong: the way there is short.
    UntilWrong,
}

/// Something that is wrong, and the way there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counterexample {
    /// What happened, from the beginning on.
    pub actions: Vec<Action>,
    /// What the invariants' checker says of the stores at its end.
    pub details: Vec<String>,
}

/// What was found.
#[derive(Debug)]
pub struct Findings {
    /// States visited, each as often as it was reached.
    pub states: usize,
    /// Distinct states.
    pub unique_states: usize,
    /// Steps of the longest way from the beginning that was followed.
    pub depth: usize,
    /// How long it took.
    pub seconds: f64,
    /// What must always hold: the counterexample, if there is one.
    pub always: BTreeMap<&'static str, Option<Counterexample>>,
    /// What must be possible, and whether it is.
    pub sometimes: BTreeMap<&'static str, bool>,
    /// What happened how often.
    pub seen: BTreeMap<Seen, u64>,
}

impl Findings {
    /// Whether nothing is wrong. What was not met is not wrong, but shows that too little was looked at.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.always.values().all(Option::is_none)
    }

    /// The names of what is wrong.
    #[must_use]
    pub fn wrong(&self) -> Vec<&'static str> {
        let found = self.always.iter().filter(|(_, found)| found.is_some());
        found.map(|(name, _)| *name).collect()
    }
}

/// Visits the states of a model.
#[must_use]
pub fn explore(config: Config, search: Search, threads: usize) -> Findings {
    let begun = Instant::now();
    let saga = Saga::new(config);
    let properties = saga.properties();
    let builder = saga.checker().threads(threads);
    let findings = match search {
        Search::All => found(&builder.spawn_dfs().join(), begun),
        Search::UntilWrong => {
            let builder = builder.finish_when(HasDiscoveries::AnyFailures);
            found(&builder.spawn_bfs().join(), begun)
        }
    };
    debug_assert_eq!(
        properties.len(),
        findings.always.len() + findings.sometimes.len()
    );
    findings
}

fn found(checker: &impl Checker<Saga>, begun: Instant) -> Findings {
    let mut discoveries = checker.discoveries();
    let mut always = BTreeMap::new();
    let mut sometimes = BTreeMap::new();
    for property in checker.model().properties() {
        let path = discoveries.remove(property.name);
        if property.expectation == Expectation::Sometimes {
            sometimes.insert(property.name, path.is_some());
            continue;
        }
        let counterexample = path.map(|path| {
            let report = verdict::audit(path.last_state());
            let examples = report.findings().iter().flat_map(|found| &found.examples);
            Counterexample {
                details: examples.map(ToString::to_string).collect(),
                actions: path.into_actions(),
            }
        });
        always.insert(property.name, counterexample);
    }
    let coverage: &Coverage = &checker.model().coverage;
    Findings {
        states: checker.state_count(),
        unique_states: checker.unique_state_count(),
        depth: checker.max_depth(),
        seconds: begun.elapsed().as_secs_f64(),
        always,
        sometimes,
        seen: Seen::ALL
            .into_iter()
            .map(|seen| (seen, coverage.count(seen)))
            .collect(),
    }
}

/// Visits the states of a model once more, to see that no behaviour goes round in circles.
///
/// # Errors
/// The actions of one that does.
pub fn follow(config: Config) -> Result<progress::Progress, progress::Circle<Action>> {
    progress::check(&Saga::new(config))
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} states, {} of them distinct, depth {}, {:.1} s",
            self.states, self.unique_states, self.depth, self.seconds
        )?;
        for (name, found) in &self.always {
            let Some(found) = found else {
                writeln!(f, "  holds      {name}")?;
                continue;
            };
            writeln!(f, "  VIOLATED   {name}")?;
            for (step, action) in found.actions.iter().enumerate() {
                writeln!(f, "    {:2} {action:?}", step + 1)?;
            }
            for detail in &found.details {
                writeln!(f, "    {detail}")?;
            }
        }
        for (name, is_met) in &self.sometimes {
            let met = if *is_met { "met" } else { "not met" };
            writeln!(f, "  {met:<10} {name}")?;
        }
        for (seen, times) in &self.seen {
            writeln!(f, "  {times:>10} x {seen:?}")?;
        }
        let verdict = if self.is_ok() { "PASS" } else { "FAIL" };
        write!(f, "{verdict}")
    }
}
