//! How a shard is, for operators.

use std::time::Duration;

use super::{Shard, rules::Rules};

/// How a shard is, beside what [`super::calls::Inspection`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health<S> {
    /// Its own restarts within the window of its budget.
    pub restarts_used: usize,
    /// The most restarts of one of its aggregates within the window of their budget.
    pub aggregate_restarts_used_max: usize,
    /// The most turns that were ever pending.
    pub turns_peak: usize,
    /// The most turns that ever waited for one aggregate.
    pub mailbox_depth_peak: usize,
    /// Commands that were refused because it, or their aggregate, was full.
    pub refused: u64,
    /// Links that are held by a record which cannot be taken up.
    pub held: Vec<HeldLink<S>>,
    /// The most that one of its links lags behind what is known to exist, in positions of the source's journal.
    pub link_lag_max: u64,
    /// Commands that are parked.
    pub parked: usize,
    /// Aggregates whose wait has ended, and that still wait.
    pub overdue: usize,
    /// Some of those, and why they still wait.
    pub stuck: Vec<Stuck<S>>,
}

/// Aggregates that [`Health::stuck`] lists at most.
pub const STUCK_LISTED_MAX: usize = 20;

/// An aggregate whose wait has ended, and that still waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck<S> {
    /// Which.
    pub id: u64,
    /// The shards from which an answer may still be on its way: it is not given up before they are confirmed.
    pub unconfirmed: Vec<S>,
    /// Whether it was told that its wait is over: then it could not act on that.
    pub was_told: bool,
}

impl<S> Default for Health<S> {
    fn default() -> Self {
        Self {
            restarts_used: 0,
            aggregate_restarts_used_max: 0,
            turns_peak: 0,
            mailbox_depth_peak: 0,
            refused: 0,
            held: Vec::new(),
            link_lag_max: 0,
            parked: 0,
            overdue: 0,
            stuck: Vec::new(),
        }
    }
}

/// A link that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldLink<S> {
    /// Whose records it carries.
    pub source: S,
    /// The position of the record that cannot be taken up.
    pub position: u64,
    /// Why it cannot.
    pub error: String,
}

impl<R: Rules> Shard<R> {
    /// How it is, at this time since any fixed moment and this time of day.
    #[must_use]
    pub fn health(&self, uptime: Duration, now: R::Time) -> Health<R::Shard> {
        let used = |slot: &super::Slot<R>| slot.restarts.used(&R::POLICY, uptime);
        let held = self.links.iter().filter_map(|(source, link)| {
            let (position, error) = link.held.as_ref()?;
            Some(HeldLink {
                source: *source,
                position: *position,
                error: error.clone(),
            })
        });
        Health {
            restarts_used: self.restarts.used(&self.limits.policy, uptime),
            aggregate_restarts_used_max: self.slots.values().map(used).max().unwrap_or(0),
            turns_peak: self.peaks.0,
            mailbox_depth_peak: self.peaks.1,
            refused: self.refused,
            held: held.collect(),
            link_lag_max: self
                .links
                .values()
                .map(|link| link.inlet.lag())
                .max()
                .unwrap_or(0),
            parked: self.parked.len(),
            overdue: self.overdue(now).count(),
            stuck: self.overdue(now).take(STUCK_LISTED_MAX).collect(),
        }
    }
}
