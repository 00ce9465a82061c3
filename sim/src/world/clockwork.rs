//! Time that passes only when something is due, chance that is drawn from the seed, and what is counted on the way.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BinaryHeap},
    fmt::Debug,
    hash::{DefaultHasher, Hash, Hasher},
    ops::Range,
    time::Duration,
};

use domain::{ShardRef, Timestamp};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{
    event::Event,
    mutation::Mutation,
    plan::{Fault, Intervention, Options, Plan},
};

/// When every run begins: 2027-01-01.
const BEGINNING_MS: i64 = 1_798_761_600_000;
/// Lines of what happened that are kept.
const TRACE_MAX: usize = 200_000;

struct Due {
    at_ms: u64,
    /// When it would have happened, had it not been put off: what is put off keeps its order.
    meant_for_ms: u64,
    number: u64,
    event: Event,
}

impl Due {
    const fn order(&self) -> (u64, u64, u64) {
        (self.at_ms, self.meant_for_ms, self.number)
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}
impl Eq for Due {}
impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Due {
    /// The earliest is the greatest; of one moment, what was said first.
    fn cmp(&self, other: &Self) -> Ordering {
        other.order().cmp(&self.order())
    }
}

/// Time, chance and tallies.
pub struct Clockwork {
    /// What the run is like.
    pub plan: Plan,
    /// Chance.
    pub rng: StdRng,
    /// How often each kind of fault has struck.
    pub tally: BTreeMap<Fault, u64>,
    /// What has been found wrong.
    pub violations: Vec<String>,
    /// Nodes that cannot go on.
    pub fatal: Vec<usize>,
    /// Whether no more faults strike.
    pub is_calm: bool,
    /// Until when the store does not answer.
    pub store_away_until: u64,
    /// Until when the broker takes nothing.
    pub broker_away_until: u64,
    /// Records that cannot be decoded, and until when.
    pub undecodable: BTreeMap<(ShardRef, u64), u64>,
    /// Nodes that stand still, and until when.
    pub paused_until: BTreeMap<usize, u64>,
    poison: BTreeMap<String, u64>,
    /// Steps taken.
    pub steps: u64,
    /// Something that goes wrong at one certain step.
    pub intervention: Option<Intervention>,
    /// Decisions of aggregates.
    pub decisions: u64,
    /// A command that fails whenever it is tried.
    pub failing: Option<String>,
    now_ms: u64,
    queue: BinaryHeap<Due>,
    scheduled: u64,
    digest: DefaultHasher,
    trace: Option<Vec<String>>,
}

impl Clockwork {
    /// At the beginning of a run.
    #[must_use]
    pub fn new(seed: u64, options: Options) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        Self {
            plan: Plan::draw(&mut rng, options.mutation),
            rng,
            tally: BTreeMap::new(),
            violations: Vec::new(),
            fatal: Vec::new(),
            is_calm: false,
            store_away_until: 0,
            broker_away_until: 0,
            undecodable: BTreeMap::new(),
            paused_until: BTreeMap::new(),
            poison: BTreeMap::new(),
            steps: 0,
            intervention: options.intervention,
            decisions: 0,
            failing: None,
            now_ms: 0,
            queue: BinaryHeap::new(),
            scheduled: 0,
            digest: DefaultHasher::new(),
            trace: options.trace.then(Vec::new),
        }
    }

    /// Milliseconds since the beginning.
    #[must_use]
    pub const fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// The time since the beginning.
    #[must_use]
    pub const fn uptime(&self) -> Duration {
        // The engine takes zero for "never", as it is at a program's start.
        Duration::from_millis(self.now_ms + 1)
    }

    /// The time of day by a clock that is so far off.
    #[must_use]
    pub fn time_of_day(&self, off_ms: i64) -> Timestamp {
        let since = i64::try_from(self.now_ms).unwrap_or(i64::MAX);
        Timestamp::from_millis(BEGINNING_MS + since + off_ms)
    }

    /// Whether this rule is broken.
    #[must_use]
    pub fn breaks(&self, mutation: Mutation) -> bool {
        self.plan.mutation == Some(mutation)
    }

    /// A number of milliseconds from a range.
    pub fn draw(&mut self, range: Range<u64>) -> u64 {
        self.rng.random_range(range)
    }

    /// Whether chance has it.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.rng.random_bool(probability.min(1.0))
    }

    /// Whether a fault strikes now. It counts.
    pub fn strikes(&mut self, fault: Fault) -> bool {
        let Some(&rate) = self.plan.faults.get(&fault) else {
            return false;
        };
        let does = !self.is_calm && self.chance(rate);
        if does {
            self.struck(fault);
        }
        does
    }

    /// A fault has struck.
    pub fn struck(&mut self, fault: Fault) {
        *self.tally.entry(fault).or_default() += 1;
        self.note(|| format!("FAULT {}", fault.name()));
    }

    /// Whether a node stands still.
    #[must_use]
    pub fn is_paused(&self, node: usize) -> bool {
        self.paused_until
            .get(&node)
            .is_some_and(|until| *until > self.now_ms)
    }

    /// Whether the store answers.
    #[must_use]
    pub fn store_answers(&self) -> bool {
        self.now_ms >= self.store_away_until
    }

    /// Whether this program can decode a record now.
    #[must_use]
    pub fn can_decode(&self, source: ShardRef, position: u64) -> bool {
        let until = self.undecodable.get(&(source, position));
        self.is_calm || until.is_none_or(|until| *until <= self.now_ms)
    }

    /// Whether a command panics whenever it is handled.
    #[must_use]
    pub fn is_poisonous(&self, command: impl Fn() -> String) -> bool {
        let now = self.now_ms;
        let is_known = |until: &u64| *until > now;
        !self.is_calm
            && !self.poison.is_empty()
            && self.poison.get(&command()).is_some_and(is_known)
    }

    /// From now on a command panics whenever it is handled, until it is mended.
    pub fn poison(&mut self, command: String) {
        let until = self.now_ms + self.rng.random_range(1_000..60_000);
        self.poison.insert(command, until);
    }

    /// Lets something happen after a while.
    pub fn after(&mut self, wait_ms: u64, event: Event) {
        self.at(self.now_ms + wait_ms, event);
    }

    /// Lets something happen at that time, or now if it has passed.
    pub fn at(&mut self, at_ms: u64, event: Event) {
        self.scheduled += 1;
        let at_ms = at_ms.max(self.now_ms);
        self.queue.push(Due {
            at_ms,
            meant_for_ms: at_ms,
            number: self.scheduled,
            event,
        });
    }

    /// The next thing to happen, unless that is after `until_ms`. Time moves on to it. What would happen to a node that
    /// stands still is put off.
    pub fn next(&mut self, until_ms: u64) -> Option<Event> {
        while self.queue.peek()?.at_ms <= until_ms {
            let due = self.queue.pop()?;
            self.now_ms = due.at_ms;
            if let Some((node, _)) = due.event.node()
                && let Some(&until) = self.paused_until.get(&node)
                && until > self.now_ms
            {
                self.queue.push(Due {
                    at_ms: until,
                    ..due
                });
                continue;
            }
            self.steps += 1;
            (due.at_ms, due.number, std::mem::discriminant(&due.event)).hash(&mut self.digest);
            return Some(due.event);
        }
        None
    }

    /// What has happened so far, as one number: equal for equal runs.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest.finish()
    }

    /// Something is wrong.
    pub fn violated(&mut self, what: String) {
        let text = format!("at {} ms: {what}", self.now_ms);
        self.note(|| format!("VIOLATION {text}"));
        self.violations.push(text);
    }

    /// Writes something down, if anybody wants to read it.
    pub fn note(&mut self, what: impl FnOnce() -> String) {
        let now = self.now_ms;
        if let Some(trace) = &mut self.trace
            && trace.len() < TRACE_MAX
        {
            trace.push(format!("{now:>7} {}", what()));
        }
    }

    /// What was written down.
    pub fn trace(&mut self) -> Vec<String> {
        self.trace.take().unwrap_or_default()
    }
}

impl Debug for Clockwork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clockwork")
            .field("now_ms", &self.now_ms)
            .finish_non_exhaustive()
    }
}
