//! Counters for operators.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use domain::ShardRef;
use engine::Restarts;

use super::policy;
use crate::metrics::Meters;

/// One shard as it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardStats {
    /// Its epoch.
    pub epoch: u64,
    /// Whether this process has claimed it and not given it up.
    pub owned: bool,
    /// Whether it is being served.
    pub serving: bool,
    /// Restarts of the shard.
    pub restarts: u64,
    /// Readings of a source's journal because a record was missing.
    pub healings: u64,
    /// Actors of it that have panicked, lately.
    pub panics: Restarts,
}

/// Why an actor was restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RestartCause {
    /// Its handler panicked, or it could not be loaded.
    Panicked,
    /// It had ended without a word.
    Gone,
    /// It, or another of its thread, did not return from a handler.
    Frozen,
    /// A commit failed, and with it everything that was not committed.
    CommitFailed,
    /// One of its aggregates had used up its budget.
    Escalated,
}

impl RestartCause {
    /// Its stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Panicked => "panicked",
            Self::Gone => "gone",
            Self::Frozen => "frozen",
            Self::CommitFailed => "commit_failed",
            Self::Escalated => "escalated",
        }
    }
}

/// Restarts, by kind of actor and cause.
pub type RestartCounts = BTreeMap<(&'static str, RestartCause), u64>;

/// Counters of a node.
#[derive(Debug, Default)]
pub struct Stats {
    shards: Mutex<BTreeMap<ShardRef, ShardStats>>,
    restarts: Mutex<RestartCounts>,
    escalations: Mutex<BTreeMap<&'static str, u64>>,
    threads: Mutex<Restarts>,
    frozen: Mutex<BTreeMap<&'static str, u64>>,
    feed: Mutex<BTreeMap<String, u64>>,
    /// What is measured.
    pub meters: Meters,
    /// Generations of the writers that have ended.
    pub generation: AtomicU64,
    /// Transactions committed.
    pub commits: AtomicU64,
    /// Records committed.
    pub records: AtomicU64,
    /// Entries that wait for the next transaction.
    pub gathered: AtomicUsize,
}

impl Stats {
    /// Changes what is known of a shard.
    pub fn shard(&self, shard: ShardRef, change: impl FnOnce(&mut ShardStats)) {
        let mut shards = lock(&self.shards);
        change(shards.entry(shard).or_default());
    }

    /// What is known of every shard.
    #[must_use]
    pub fn shards(&self) -> BTreeMap<ShardRef, ShardStats> {
        lock(&self.shards).clone()
    }

    /// Whether a shard is being served by this process.
    #[must_use]
    pub fn is_serving(&self, shard: ShardRef) -> bool {
        let shards = lock(&self.shards);
        shards.get(&shard).is_some_and(|stats| stats.serving)
    }

    /// Counts a restart of an actor of this kind.
    pub fn restarted(&self, kind: &'static str, cause: RestartCause) {
        *lock(&self.restarts).entry((kind, cause)).or_default() += 1;
    }

    /// Counts a restart of a shard.
    pub fn shard_restarted(&self, shard: ShardRef, cause: RestartCause) {
        self.restarted(policy::SHARD.kind, cause);
        self.shard(shard, |stats| stats.restarts += 1);
    }

    /// All restarts.
    #[must_use]
    pub fn restarts(&self) -> RestartCounts {
        lock(&self.restarts).clone()
    }

    /// Counts an actor of this kind, or a thread, that has used up its restart budget.
    pub fn escalated(&self, kind: &'static str) {
        *lock(&self.escalations).entry(kind).or_default() += 1;
    }

    /// Restart budgets that were used up, by kind.
    #[must_use]
    pub fn escalations(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.escalations).clone()
    }

    /// Notes how often a shard's actors have panicked lately.
    pub fn note_shard_budget(&self, shard: ShardRef, panics: Restarts) {
        self.shard(shard, |stats| stats.panics = panics);
    }

    /// Notes how often threads were replaced lately.
    pub fn note_thread_budget(&self, replaced: Restarts) {
        *lock(&self.threads) = replaced;
    }

    /// What is used of the threads' budget.
    #[must_use]
    pub fn threads_replaced_lately(&self, uptime: Duration) -> usize {
        lock(&self.threads).used(&policy::THREAD, uptime)
    }

    /// Counts an actor of this kind that was found frozen.
    pub fn froze(&self, kind: &'static str) {
        *lock(&self.frozen).entry(kind).or_default() += 1;
    }

    /// Actors found frozen, by kind.
    #[must_use]
    pub fn frozen(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.frozen).clone()
    }

    /// Notes a figure of the feed between nodes, such as `publisher.orders.backlog`.
    pub fn note_feed(&self, name: &str, value: u64) {
        let mut feed = lock(&self.feed);
        match feed.get_mut(name) {
            Some(known) => *known = value,
            None => drop(feed.insert(name.to_owned(), value)),
        }
    }

    /// The figures of the feed between nodes, by name.
    #[must_use]
    pub fn feed(&self) -> BTreeMap<String, u64> {
        lock(&self.feed).clone()
    }

    /// Counts a committed transaction of so many records.
    pub fn committed(&self, records: usize) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.records.fetch_add(records as u64, Ordering::Relaxed);
    }
}

/// Figures that a panic left half changed are still better than none.
fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
