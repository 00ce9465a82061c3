//! Counters for operators.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use domain::ShardRef;

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
    /// Links that are held by a record that cannot be decoded.
    pub held_links: usize,
}

/// Counters of a node.
#[derive(Debug, Default)]
pub struct Stats {
    shards: Mutex<BTreeMap<ShardRef, ShardStats>>,
    restarts: Mutex<BTreeMap<&'static str, u64>>,
    frozen: Mutex<BTreeMap<&'static str, u64>>,
    feed: Mutex<BTreeMap<String, u64>>,
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
        let mut shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        change(shards.entry(shard).or_default());
    }

    /// What is known of every shard.
    #[must_use]
    pub fn shards(&self) -> BTreeMap<ShardRef, ShardStats> {
        self.shards
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether a shard is being served by this process.
    #[must_use]
    pub fn is_serving(&self, shard: ShardRef) -> bool {
        let shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        shards.get(&shard).is_some_and(|stats| stats.serving)
    }

    /// Counts a restart of an actor of this kind.
    pub fn restarted(&self, kind: &'static str) {
        let mut restarts = self.restarts.lock().unwrap_or_else(PoisonError::into_inner);
        *restarts.entry(kind).or_default() += 1;
    }

    /// Restarts of actors of this kind.
    #[must_use]
    pub fn restarts(&self, kind: &str) -> u64 {
        let restarts = self.restarts.lock().unwrap_or_else(PoisonError::into_inner);
        restarts.get(kind).copied().unwrap_or(0)
    }

    /// Counts an actor of this kind that was found frozen.
    pub fn froze(&self, kind: &'static str) {
        let mut frozen = self.frozen.lock().unwrap_or_else(PoisonError::into_inner);
        *frozen.entry(kind).or_default() += 1;
    }

    /// Actors found frozen, by kind.
    #[must_use]
    pub fn frozen(&self) -> BTreeMap<&'static str, u64> {
        self.frozen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Notes a figure of the feed between nodes, such as `publisher.orders.backlog`.
    pub fn note_feed(&self, name: &str, value: u64) {
        let mut feed = self.feed.lock().unwrap_or_else(PoisonError::into_inner);
        match feed.get_mut(name) {
            Some(known) => *known = value,
            None => drop(feed.insert(name.to_owned(), value)),
        }
    }

    /// The figures of the feed between nodes, by name.
    #[must_use]
    pub fn feed(&self) -> BTreeMap<String, u64> {
        self.feed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Counts a committed transaction of so many records.
    pub fn committed(&self, records: usize) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.records.fetch_add(records as u64, Ordering::Relaxed);
    }
}
