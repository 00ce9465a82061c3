//! The publisher: sends what the shards of a writer have committed to its topics.
//!
//! One per node and domain writer, one task with state that nobody else touches. Per shard and family of topics a
//! cursor moves over contiguous acknowledgements; it is loaded when the shard is opened and stored as it moves. What is to
//! be sent comes from memory, or from the journal where memory does not have it: after a takeover, an outage of Kafka, or
//! the end of a producer. A delivery error ends that instance of the producer, and the cursor says where to start again:
//! records may be doubled, and are not lost.
//!
//! Nobody waits for it, and it waits for nothing in its loop: readings, savings and new producers are futures whose
//! results it takes up when they come. If it panics it is made anew and starts from the stored cursors.

use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use actix::ArbiterHandle;
use domain::{ShardRef, Topology};
use futures::FutureExt;
use storage::{Directory, Incarnations, Journal};

use super::{
    backlog::Backlog,
    config::KafkaConfig,
    lane::has_inbox,
    stats::{PublisherCounts, PublisherStats, ShardBacklog},
};
use crate::{
    runtime::Faults,
    transport::{Committed, Feed},
};

mod cursors;
mod families;
mod run;
mod sending;

use run::Publisher;

/// The wait before a publisher that has panicked is made anew.
const RESTART_AFTER: Duration = Duration::from_millis(200);
/// How often a flush looks whether it is done.
const FLUSH_POLL: Duration = Duration::from_millis(5);

/// What a publisher is made of.
#[derive(Clone)]
pub struct PublisherSetup {
    /// How to reach Kafka.
    pub config: KafkaConfig,
    /// Shards per domain.
    pub topology: Topology,
    /// Which life of the database each record belongs to.
    pub incarnations: Arc<Incarnations>,
    /// The journals of the shards that are published.
    pub journal: Arc<dyn Journal>,
    /// Where cursors are kept.
    pub directory: Arc<dyn Directory>,
    /// Injected faults.
    pub faults: Faults,
}

/// The feed to Kafka.
pub struct KafkaFeed {
    backlog: Arc<Backlog>,
    counts: Arc<PublisherCounts>,
}

impl KafkaFeed {
    /// Starts a publisher on this arbiter.
    #[must_use]
    pub fn start(setup: PublisherSetup, arbiter: &ArbiterHandle) -> Self {
        let feed = Self {
            backlog: Arc::default(),
            counts: Arc::default(),
        };
        let supervised = supervise(setup, feed.backlog.clone(), feed.counts.clone());
        if !arbiter.spawn(supervised) {
            tracing::error!("the publisher cannot start: its arbiter has ended");
        }
        feed
    }

    /// Waits until everything that is committed now has been acknowledged and the cursors are stored, at most so long.
    /// Returns whether it was done.
    pub async fn flush(&self, limit: Duration) -> bool {
        let shards: Vec<ShardRef> = self.backlog.lock().keys().copied().collect();
        self.flush_shards(&shards, limit).await
    }

    /// As [`Self::flush`], for some shards. One that is not open has nothing to wait for.
    pub async fn flush_shards(&self, shards: &[ShardRef], limit: Duration) -> bool {
        let targets: BTreeMap<ShardRef, u64> = {
            let waiting = self.backlog.lock();
            (shards.iter())
                .filter_map(|shard| Some((*shard, waiting.get(shard)?)))
                .filter(|(_, waiting)| waiting.is_open)
                .map(|(shard, waiting)| (shard, waiting.last))
                .collect()
        };
        let flushed = async {
            while !self.has_stored(&targets) {
                self.backlog.hurry.store(true, Ordering::Release);
                self.backlog.wake.notify_one();
                tokio::time::sleep(FLUSH_POLL).await;
            }
        };
        tokio::time::timeout(limit, flushed).await.is_ok()
    }

    fn has_stored(&self, targets: &BTreeMap<ShardRef, u64>) -> bool {
        let shards = self.backlog.lock();
        targets.iter().all(|(shard, target)| {
            shards.get(shard).is_none_or(|waiting| {
                let inbox_is_done = !has_inbox(*shard) || waiting.stored.inbox >= *target;
                !waiting.is_open || (waiting.stored.public >= *target && inbox_is_done)
            })
        })
    }

    /// Ends the publisher. What is not published is published by whoever serves the shards next.
    pub fn stop(&self) {
        self.backlog.stop();
    }

    /// The publisher as it is now.
    #[must_use]
    pub fn stats(&self) -> PublisherStats {
        let backlog = (self.backlog.lock().iter())
            .filter(|(_, waiting)| waiting.is_open)
            .map(|(shard, waiting)| {
                let inbox = if has_inbox(*shard) {
                    waiting.last.saturating_sub(waiting.reached.inbox)
                } else {
                    0
                };
                let public = waiting.last.saturating_sub(waiting.reached.public);
                (*shard, ShardBacklog { public, inbox })
            })
            .collect();
        PublisherStats {
            backlog,
            acknowledged: self.counts.acknowledged.get(),
            errors: self.counts.errors.get(),
            producer_restarts: self.counts.producer_restarts.get(),
            readings: self.counts.readings.get(),
            restarts: self.counts.restarts.get(),
        }
    }
}

impl Drop for KafkaFeed {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Feed for KafkaFeed {
    fn publish(&self, source: ShardRef, records: Vec<Committed>) {
        self.backlog.publish(source, records);
    }

    fn opened(&self, shard: ShardRef, last_position: u64) {
        self.backlog.opened(shard, last_position);
    }

    fn closed(&self, shard: ShardRef) {
        self.backlog.closed(shard);
    }
}

async fn supervise(setup: PublisherSetup, backlog: Arc<Backlog>, counts: Arc<PublisherCounts>) {
    loop {
        let publisher = Publisher::new(setup.clone(), backlog.clone(), counts.clone());
        // What a panic leaves half done is thrown away with the publisher; the backlog is only a cache.
        if AssertUnwindSafe(publisher.run())
            .catch_unwind()
            .await
            .is_ok()
        {
            return;
        }
        counts.restarts.add(1);
        tracing::error!("the publisher has panicked and is made anew");
        tokio::time::sleep(RESTART_AFTER).await;
    }
}
