//! The publisher's loop.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use domain::ShardRef;
use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use rdkafka::error::KafkaError;
use storage::{Published, StorageError};
use tokio::time::Instant;

use super::{
    super::{
        backlog::{Backlog, Outgoing},
        lane::{Lane, TopicNames},
        producer::{Family, Outcomes, Producer},
        stats::PublisherCounts,
    },
    PublisherSetup,
    families::{FamilyState, doubts_topics},
};
use crate::runtime::faults::failpoint;

/// The longest sleep: then it looks around anyway.
const IDLE_MAX: Duration = Duration::from_secs(1);
/// The wait after a reading of a journal that failed or brought nothing.
pub(super) const READ_RETRY: Duration = Duration::from_secs(1);

/// A shard that is published.
pub(super) struct Shard {
    pub(super) life: u64,
    /// The ways to the families, once the cursors are loaded; in the order of [`Family::ALL`].
    pub(super) lanes: Option<[Option<Lane>; 2]>,
    pub(super) saving: Published,
}

impl Shard {
    pub(super) fn lane(&mut self, family: Family) -> Option<&mut Lane> {
        self.lanes.as_mut()?[family as usize].as_mut()
    }

    pub(super) fn reached(&self) -> Option<Published> {
        let [public, inbox] = self.lanes.as_ref()?;
        let of = |lane: &Option<Lane>| lane.as_ref().map_or(0, |lane| lane.cursor.acknowledged());
        Some(Published {
            public: of(public),
            inbox: of(inbox),
        })
    }
}

/// A reading of a journal: of which shard, in which life, for which family, after which position.
#[derive(Clone, Copy)]
pub(super) struct Reading {
    pub(super) shard: ShardRef,
    pub(super) life: u64,
    pub(super) family: Family,
    pub(super) after: u64,
}

/// What a future has brought.
pub(super) enum Done {
    Loaded(
        Vec<(ShardRef, u64)>,
        Result<Vec<(ShardRef, Published)>, StorageError>,
    ),
    Read(Reading, Result<Vec<Outgoing>, StorageError>),
    Saved(Vec<(ShardRef, u64, Published)>, Result<(), StorageError>),
    Made(Family, Result<Producer, KafkaError>),
}

/// The publisher.
pub(super) struct Publisher {
    pub(super) setup: PublisherSetup,
    pub(super) backlog: Arc<Backlog>,
    pub(super) counts: Arc<PublisherCounts>,
    pub(super) outcomes: Arc<Outcomes>,
    pub(super) names: TopicNames,
    pub(super) shards: BTreeMap<ShardRef, Shard>,
    pub(super) families: [FamilyState; 2],
    pub(super) under_way: FuturesUnordered<BoxFuture<'static, Done>>,
    pub(super) readings: usize,
    pub(super) is_loading: bool,
    pub(super) load_not_before: Instant,
    pub(super) is_saving: bool,
    pub(super) saved_at: Instant,
    pub(super) ensured_at: Option<Instant>,
    pub(super) turn: usize,
    /// Cursors of shards that are not served any more, to be stored for the last time.
    pub(super) parting: Vec<(ShardRef, u64, Published)>,
}

impl Publisher {
    pub(super) fn new(
        setup: PublisherSetup,
        backlog: Arc<Backlog>,
        counts: Arc<PublisherCounts>,
    ) -> Self {
        let now = Instant::now();
        Self {
            names: TopicNames::new(&setup.config.topic_prefix),
            setup,
            backlog,
            counts,
            outcomes: Arc::default(),
            shards: BTreeMap::new(),
            families: [FamilyState::new(now), FamilyState::new(now)],
            under_way: FuturesUnordered::new(),
            readings: 0,
            is_loading: false,
            load_not_before: now,
            is_saving: false,
            saved_at: now,
            ensured_at: None,
            turn: 0,
            parting: Vec::new(),
        }
    }

    /// Runs until it is told to stop, and then stores its cursors.
    pub(super) async fn run(mut self) {
        let mut has_more = false;
        while !self.backlog.is_stopping.load(Ordering::Acquire) {
            if has_more {
                tokio::task::yield_now().await;
            } else {
                self.wait().await;
            }
            let now = Instant::now();
            while let Some(Some(done)) = futures::FutureExt::now_or_never(self.under_way.next()) {
                self.take(done, now);
            }
            self.take_outcomes(now);
            self.follow_shards();
            self.load(now);
            has_more = self.send(now);
            self.save(now, false);
        }
        self.finish().await;
    }

    /// Waits until there may be something to do.
    async fn wait(&mut self) {
        let now = Instant::now();
        let wake_at = (self.families.iter())
            .filter_map(FamilyState::not_before)
            .filter(|at| *at > now)
            .chain([now + IDLE_MAX])
            .min()
            .unwrap_or(now + IDLE_MAX);
        let backlog = self.backlog.clone();
        tokio::select! {
            () = backlog.wake.notified() => {}
            () = tokio::time::sleep_until(wake_at) => {}
            Some(done) = self.under_way.next(), if !self.under_way.is_empty() => {
                self.take(done, Instant::now());
            }
        }
    }

    fn take(&mut self, done: Done, now: Instant) {
        match done {
            Done::Loaded(asked, result) => self.loaded(asked, result, now),
            Done::Read(reading, result) => self.read(reading, result, now),
            Done::Saved(cursors, result) => self.saved(cursors, result),
            Done::Made(family, producer) => self.families[family as usize].made(producer, now),
        }
    }

    /// Takes up what came of messages.
    fn take_outcomes(&mut self, now: Instant) {
        let mut moved = BTreeSet::new();
        for (ticket, result) in self.outcomes.take() {
            let state = &mut self.families[ticket.family as usize];
            if ticket.instance != state.instance {
                continue;
            }
            state.heard(now, result.is_ok());
            match result {
                Ok(()) => {
                    failpoint!(self.setup.faults, AfterProduceBeforeConfirm);
                    self.counts.acknowledged.add(1);
                    if let Some(shard) = self.shards.get_mut(&ticket.shard)
                        && shard.life == ticket.life
                        && let Some(lane) = shard.lane(ticket.family)
                    {
                        lane.cursor.acknowledge(ticket.position);
                        moved.insert(ticket.shard);
                    }
                }
                Err(error) => self.fail(ticket.family, &error, now),
            }
        }
        self.tell_reached(&moved);
        for family in Family::ALL {
            if self.families[family as usize].is_stuck(now) {
                tracing::warn!(?family, "a producer is silent and is made anew");
                self.end(family, now, true);
            }
        }
    }

    pub(super) fn fail(&mut self, family: Family, error: &KafkaError, now: Instant) {
        self.counts.errors.add(1);
        tracing::warn!(?family, %error, "a message was not delivered; the producer is made anew");
        self.end(family, now, doubts_topics(error));
    }

    /// Ends a family's producer: everything that is not acknowledged is sent again.
    fn end(&mut self, family: Family, now: Instant, topics_in_doubt: bool) {
        self.counts.producer_restarts.add(1);
        self.families[family as usize].fail(now, topics_in_doubt);
        for shard in self.shards.values_mut() {
            if let Some(lane) = shard.lane(family) {
                lane.rewind();
            }
        }
    }

    /// Says how far shards have come.
    pub(super) fn tell_reached(&mut self, moved: &BTreeSet<ShardRef>) {
        let mut waiting = self.backlog.lock();
        for shard_ref in moved {
            if let Some(shard) = self.shards.get(shard_ref)
                && let Some(waiting) = waiting.get_mut(shard_ref)
                && waiting.life == shard.life
                && let Some(reached) = shard.reached()
            {
                waiting.reached = reached;
            }
        }
    }

    /// Follows what is opened and closed.
    fn follow_shards(&mut self) {
        let mut waiting = self.backlog.lock();
        let gone: Vec<ShardRef> = (self.shards.iter())
            .filter(|(shard, known)| {
                waiting
                    .get(shard)
                    .is_none_or(|waiting| !waiting.is_open || waiting.life != known.life)
            })
            .map(|(shard, _)| *shard)
            .collect();
        for shard_ref in gone {
            if let Some(shard) = self.shards.remove(&shard_ref)
                && let Some(reached) = shard.reached()
            {
                self.parting.push((shard_ref, shard.life, reached));
            }
        }
        for (shard, waiting) in waiting.iter_mut().filter(|(_, waiting)| waiting.is_open) {
            self.shards.entry(*shard).or_insert_with(|| Shard {
                life: waiting.life,
                lanes: None,
                saving: Published::default(),
            });
        }
    }

    /// Stores the cursors for the last time.
    async fn finish(mut self) {
        let now = Instant::now();
        self.take_outcomes(now);
        self.follow_shards();
        while self.is_saving {
            match self.under_way.next().await {
                Some(done) => self.take(done, now),
                None => break,
            }
        }
        self.save(now, true);
        while self.is_saving {
            match self.under_way.next().await {
                Some(done) => self.take(done, now),
                None => break,
            }
        }
    }
}
