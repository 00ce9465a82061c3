//! Counters of the feed, for operators.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use domain::ShardRef;

/// What one shard has still to publish.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardBacklog {
    /// Records that the public topic has not acknowledged.
    pub public: u64,
    /// Records that have not passed the inbox family; 0 for a domain whose records go to no inbox.
    pub inbox: u64,
}

/// A publisher as it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublisherStats {
    /// What is still to be published.
    pub backlog: BTreeMap<ShardRef, ShardBacklog>,
    /// Messages acknowledged.
    pub acknowledged: u64,
    /// Delivery errors.
    pub errors: u64,
    /// Producers that were ended by an error and made anew.
    pub producer_restarts: u64,
    /// Readings of a journal because memory did not have what was to be sent.
    pub readings: u64,
    /// Restarts of the publisher itself.
    pub restarts: u64,
}

impl PublisherStats {
    /// Adds another publisher's figures.
    pub fn add(&mut self, other: Self) {
        self.backlog.extend(other.backlog);
        self.acknowledged += other.acknowledged;
        self.errors += other.errors;
        self.producer_restarts += other.producer_restarts;
        self.readings += other.readings;
        self.restarts += other.restarts;
    }

    /// The figures by name.
    #[must_use]
    pub fn figures(&self) -> [(&'static str, u64); 7] {
        let sum = |of: fn(&ShardBacklog) -> u64| self.backlog.values().map(of).sum();
        [
            ("backlog.public", sum(|backlog| backlog.public)),
            ("backlog.inbox", sum(|backlog| backlog.inbox)),
            ("acknowledged", self.acknowledged),
            ("errors", self.errors),
            ("producer_restarts", self.producer_restarts),
            ("readings", self.readings),
            ("restarts", self.restarts),
        ]
    }
}

/// A consumer as it is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsumerStats {
    /// Messages received.
    pub received: u64,
    /// Records handed to shards.
    pub delivered: u64,
    /// Messages of another incarnation, which were ignored.
    pub other_incarnation: u64,
    /// Messages that are no records of ours and went to `dead-letters`.
    pub dead_letters: u64,
    /// Records that could not be decoded and were announced instead.
    pub undecodable: u64,
    /// Times a partition was paused because a mailbox was full.
    pub pauses: u64,
    /// Consumers that were ended and made anew.
    pub restarts: u64,
}

impl ConsumerStats {
    /// The figures by name.
    #[must_use]
    pub const fn figures(&self) -> [(&'static str, u64); 7] {
        [
            ("received", self.received),
            ("delivered", self.delivered),
            ("other_incarnation", self.other_incarnation),
            ("dead_letters", self.dead_letters),
            ("undecodable", self.undecodable),
            ("pauses", self.pauses),
            ("restarts", self.restarts),
        ]
    }
}

/// A counter.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, number: u64) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a publisher counts.
#[derive(Debug, Default)]
pub(super) struct PublisherCounts {
    pub(super) acknowledged: Count,
    pub(super) errors: Count,
    pub(super) producer_restarts: Count,
    pub(super) readings: Count,
    pub(super) restarts: Count,
}

/// What a consumer counts.
#[derive(Debug, Default)]
pub(super) struct ConsumerCounts {
    pub(super) received: Count,
    pub(super) delivered: Count,
    pub(super) other_incarnation: Count,
    pub(super) dead_letters: Count,
    pub(super) undecodable: Count,
    pub(super) pauses: Count,
    pub(super) restarts: Count,
}

impl ConsumerCounts {
    pub(super) fn snapshot(&self) -> ConsumerStats {
        ConsumerStats {
            received: self.received.get(),
            delivered: self.delivered.get(),
            other_incarnation: self.other_incarnation.get(),
            dead_letters: self.dead_letters.get(),
            undecodable: self.undecodable.get(),
            pauses: self.pauses.get(),
            restarts: self.restarts.get(),
        }
    }
}
