//! What goes to the producers, and what has to be read from the journals for it.

use std::{collections::BTreeSet, time::Duration};

use domain::ShardRef;
use storage::StorageError;
use tokio::time::Instant;

use super::{
    super::{
        backlog::Outgoing,
        lane::Wants,
        producer::{Family, Producer, Sent, Ticket},
        topics,
    },
    run::{Done, Publisher, READ_RETRY, Reading},
};

/// Records of one reading at most.
const READ_MAX: usize = 1_000;
/// Readings of journals at the same time.
const READINGS_MAX: usize = 4;
/// Messages handed over before others get their turn on the arbiter.
const SENT_AT_ONCE_MAX: usize = 1_000;
/// How often missing topics are made anew at most.
const ENSURE_EVERY: Duration = Duration::from_secs(5);

/// What came of one attempt to send.
#[derive(Default)]
struct Pass {
    /// Whether there was anything to send or to read.
    has_work: bool,
    /// Messages handed over.
    sent: usize,
    /// Shards with positions that need no message, which were passed at once.
    passed: BTreeSet<ShardRef>,
}

impl Publisher {
    /// Hands over what can be handed over. Returns whether there is more at once.
    pub(super) fn send(&mut self, now: Instant) -> bool {
        let mut has_more = false;
        for family in Family::ALL {
            let pass = self.send_family(family, now);
            has_more |= pass.sent >= SENT_AT_ONCE_MAX;
            let state = &mut self.families[family as usize];
            if pass.has_work
                && let Some(in_doubt) = state.begin_making(now)
            {
                self.make(family, in_doubt, now);
            }
        }
        self.forget_taken();
        has_more
    }

    fn send_family(&mut self, family: Family, now: Instant) -> Pass {
        let mut pass = Pass::default();
        let mut shards: Vec<ShardRef> = self.shards.keys().copied().collect();
        // Another one is first each time, so that none waits behind the others when there is not room for all.
        self.turn = self.turn.wrapping_add(1);
        let first = self.turn % shards.len().max(1);
        shards.rotate_left(first);
        for shard in shards {
            match self.send_shard(family, shard, now, &mut pass) {
                Sent::Queued => {}
                Sent::Full => break,
                Sent::Failed(error) => {
                    self.fail(family, &error, now);
                    break;
                }
            }
        }
        self.tell_reached(&pass.passed);
        pass
    }

    /// Sends what a shard has for a family, until it has no more or the family takes no more.
    fn send_shard(
        &mut self,
        family: Family,
        shard_ref: ShardRef,
        now: Instant,
        pass: &mut Pass,
    ) -> Sent {
        loop {
            match self.fill(family, shard_ref, now, pass) {
                Wants::Nothing => return Sent::Queued,
                Wants::Reading(after) => {
                    pass.has_work = true;
                    self.begin_reading(shard_ref, family, after);
                    return Sent::Queued;
                }
                Wants::Sending => pass.has_work = true,
            }
            match self.hand_over(family, shard_ref, now, pass) {
                Sent::Queued => {}
                stopped => return stopped,
            }
        }
    }

    /// Makes a shard's next messages, and says what it wants.
    fn fill(
        &mut self,
        family: Family,
        shard_ref: ShardRef,
        now: Instant,
        pass: &mut Pass,
    ) -> Wants {
        let Some(shard) = self.shards.get_mut(&shard_ref) else {
            return Wants::Nothing;
        };
        let life = shard.life;
        let Some(lane) = shard.lane(family) else {
            return Wants::Nothing;
        };
        let backlog = self.backlog.lock();
        let Some(waiting) = backlog
            .get(&shard_ref)
            .filter(|waiting| waiting.life == life)
        else {
            return Wants::Nothing;
        };
        let before = lane.cursor.acknowledged();
        let faults = &self.setup.faults;
        let wants = lane.fill(family, shard_ref, waiting, &self.names, faults, now);
        if lane.cursor.acknowledged() != before {
            pass.passed.insert(shard_ref);
        }
        wants
    }

    /// Hands a shard's messages to the producer.
    fn hand_over(
        &mut self,
        family: Family,
        shard_ref: ShardRef,
        now: Instant,
        pass: &mut Pass,
    ) -> Sent {
        let state = &mut self.families[family as usize];
        let Some(shard) = self.shards.get_mut(&shard_ref) else {
            return Sent::Queued;
        };
        let life = shard.life;
        let Some(lane) = shard.lane(family) else {
            return Sent::Queued;
        };
        while let Some(message) = lane.unsent.front() {
            if pass.sent >= SENT_AT_ONCE_MAX || !state.has_room(now) {
                return Sent::Full;
            }
            let position = message.record.position;
            let ticket = Ticket {
                family,
                instance: state.instance,
                shard: shard_ref,
                life,
                position,
            };
            let source = self.setup.incarnations.source(shard_ref, position);
            match state.send(now, |producer| producer.send(message, &source, ticket)) {
                Sent::Queued => {
                    lane.unsent.pop_front();
                    pass.sent += 1;
                }
                stopped => return stopped,
            }
        }
        Sent::Queued
    }

    /// Lets memory forget what all families have taken.
    fn forget_taken(&mut self) {
        let mut waiting = self.backlog.lock();
        for (shard_ref, shard) in &self.shards {
            let (Some(lanes), Some(waiting)) = (&shard.lanes, waiting.get_mut(shard_ref)) else {
                continue;
            };
            let taken = lanes.iter().flatten().map(|lane| lane.cursor.taken()).min();
            if waiting.life == shard.life {
                waiting.forget_up_to(taken.unwrap_or(0));
            }
        }
    }

    fn begin_reading(&mut self, shard_ref: ShardRef, family: Family, after: u64) {
        if self.readings >= READINGS_MAX {
            return;
        }
        let Some(shard) = self.shards.get_mut(&shard_ref) else {
            return;
        };
        let life = shard.life;
        let Some(lane) = shard.lane(family) else {
            return;
        };
        lane.is_reading = true;
        self.readings += 1;
        self.counts.readings.add(1);
        let journal = self.setup.journal.clone();
        let reading = Reading {
            shard: shard_ref,
            life,
            family,
            after,
        };
        self.under_way.push(Box::pin(async move {
            let result = journal.read(shard_ref, after, READ_MAX).await;
            let result = result.map(|records| records.into_iter().map(Outgoing::from).collect());
            Done::Read(reading, result)
        }));
    }

    /// Takes up what a reading has brought.
    pub(super) fn read(
        &mut self,
        Reading {
            shard: shard_ref,
            life,
            family,
            after,
        }: Reading,
        result: Result<Vec<Outgoing>, StorageError>,
        now: Instant,
    ) {
        self.readings -= 1;
        let Some(shard) = self.shards.get_mut(&shard_ref) else {
            return;
        };
        if shard.life != life {
            return;
        }
        let Some(lane) = shard.lane(family) else {
            return;
        };
        lane.is_reading = false;
        lane.read_not_before = None;
        match result {
            Ok(records) if !records.is_empty() => lane.take_read(after, records),
            Ok(_) => lane.read_not_before = Some(now + READ_RETRY),
            Err(error) => {
                lane.read_not_before = Some(now + READ_RETRY);
                tracing::warn!(shard = %shard_ref, %error, "a journal cannot be read for publishing yet");
            }
        }
    }

    /// Makes a producer, after a look at the topics if one of them seems to be missing.
    fn make(&mut self, family: Family, topics_in_doubt: bool, now: Instant) {
        let is_due = self
            .ensured_at
            .is_none_or(|at| now.duration_since(at) >= ENSURE_EVERY);
        let looks_at_topics = topics_in_doubt && is_due;
        if looks_at_topics {
            self.ensured_at = Some(now);
        }
        let (config, topology) = (self.setup.config.clone(), self.setup.topology);
        let (outcomes, backlog) = (self.outcomes.clone(), self.backlog.clone());
        self.under_way.push(Box::pin(async move {
            if looks_at_topics && let Err(error) = topics::ensure(&config, &topology).await {
                tracing::error!(%error, "topics are not as they should be");
            }
            let producer = Producer::new(&config, family, outcomes, backlog);
            Done::Made(family, producer)
        }));
    }
}
