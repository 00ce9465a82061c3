//! The thread that polls librdkafka: it takes batches of messages, finds out what they mean and delivers them.
//!
//! It never waits for a shard. What a full mailbox refuses is kept and offered again every few milliseconds, and its
//! partition is paused meanwhile, so that polling goes on and memory stays bounded.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use domain::Domain;
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
};

use super::{
    config::{KafkaConfig, Pace},
    dead_letters::DeadLetters,
    dispatch::{Dispatcher, Meaning, Parcel, pack},
    held::Partitions,
    membership::{Membership, Partition},
    pulse::Pulse,
    topics,
};

/// The longest wait for a message.
const POLL: Duration = Duration::from_millis(100);
/// The longest wait for a message while something is to be offered again.
const POLL_WHILE_HELD: Duration = Duration::from_millis(5);
/// Messages of one batch at most.
const BATCH_MAX: usize = 512;
/// How often offsets are committed.
const COMMIT_EVERY: Duration = Duration::from_secs(1);
/// How often the same error is logged at most.
const COMPLAIN_EVERY: Duration = Duration::from_secs(10);
/// The wait after an error.
const ERROR_WAIT: Duration = Duration::from_millis(20);
/// How long dead letters are waited for at the end.
const LAST_LETTERS_WAIT: Duration = Duration::from_secs(2);

/// One consumer and its thread's state.
pub(super) struct Polling {
    consumer: BaseConsumer<Membership>,
    prefix: String,
    dispatcher: Arc<Dispatcher>,
    partitions: Partitions,
    dead_letters: DeadLetters,
    pulse: Arc<Pulse>,
    committed_at: Instant,
    complained: Option<(RDKafkaErrorCode, Instant)>,
    /// Whether everything is paused because the dead letters are full.
    is_choked: bool,
}

/// How soon a domain wants what it reads.
const fn pace(domain: Domain) -> Pace {
    match domain {
        Domain::Orders | Domain::Products | Domain::Auth | Domain::Payments => Pace::AtOnce,
        Domain::Notifications | Domain::Logs => Pace::Gathered,
    }
}

impl Polling {
    /// A consumer that has subscribed.
    pub(super) fn new(
        config: &KafkaConfig,
        dispatcher: Arc<Dispatcher>,
        membership: Membership,
        pulse: Arc<Pulse>,
    ) -> Result<Self, KafkaError> {
        let prefix = config.topic_prefix.clone();
        let group = topics::group(&prefix, dispatcher.domain);
        let mut client = config.for_consumer(&group, pace(dispatcher.domain));
        client.set("statistics.interval.ms", "1000");
        let consumer: BaseConsumer<Membership> = client.create_with_context(membership)?;
        let topics = topics::subscription(&prefix, dispatcher.domain);
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        consumer.subscribe(&topics)?;
        Ok(Self {
            consumer,
            prefix,
            dead_letters: DeadLetters::new(config.clone(), dispatcher.topology),
            dispatcher,
            partitions: Partitions::new(),
            pulse,
            committed_at: Instant::now(),
            complained: None,
            is_choked: false,
        })
    }

    fn membership(&self) -> &Membership {
        self.consumer.context()
    }

    /// Polls until it is told to stop, or until this consumer is of no use any more.
    pub(super) fn run(mut self) -> Result<(), KafkaError> {
        let ended = self.poll();
        match &ended {
            Ok(()) => self.leave(),
            // What is revoked by closing it is lost, not given up.
            Err(_) => self.pulse.is_abandoned.store(true, Ordering::Release),
        }
        ended
    }

    fn poll(&mut self) -> Result<(), KafkaError> {
        while self.pulse.is_running() {
            self.pulse.beat();
            self.offer_again();
            let timeout = if self.partitions.values().any(super::held::Held::is_waiting) {
                POLL_WHILE_HELD
            } else {
                POLL
            };
            let batch = self.take_batch(timeout)?;
            self.forget_revoked();
            self.deliver(batch);
            self.tend_dead_letters();
            self.commit();
        }
        Ok(())
    }

    /// Takes the messages that are there, and waits at most so long for the first.
    fn take_batch(
        &mut self,
        timeout: Duration,
    ) -> Result<BTreeMap<Partition, Vec<Parcel>>, KafkaError> {
        let mut parcels: BTreeMap<Partition, Vec<Parcel>> = BTreeMap::new();
        let mut timeout = timeout;
        for _ in 0..BATCH_MAX {
            match self.consumer.poll(timeout) {
                None => break,
                Some(Ok(message)) => {
                    let Some(carries) = topics::parse(&self.prefix, message.topic()) else {
                        continue;
                    };
                    let partition = (carries, message.partition());
                    let into = parcels.entry(partition).or_default();
                    let (held, dead) = (&mut self.partitions, &mut self.dead_letters);
                    take_message(&self.dispatcher, held, dead, partition, &message, into);
                }
                Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => return Err(error),
                Some(Err(error)) => {
                    complain(&mut self.complained, &error);
                    std::thread::sleep(ERROR_WAIT);
                    break;
                }
            }
            timeout = Duration::ZERO;
        }
        Ok(parcels)
    }

    /// Forgets what is held for partitions that others have now: they, or the journal, have it.
    fn forget_revoked(&mut self) {
        for partition in self.membership().take_revoked() {
            self.partitions.remove(&partition);
        }
    }

    fn deliver(&mut self, batch: BTreeMap<Partition, Vec<Parcel>>) {
        for (partition, parcels) in batch {
            // It is gone if it was revoked while the batch was taken.
            let Some(held) = self.partitions.get_mut(&partition) else {
                continue;
            };
            if !held.deliver(parcels, &self.dispatcher) && !held.is_paused {
                held.is_paused = true;
                self.dispatcher.counts.pauses.add(1);
                self.pause(partition);
            }
        }
    }

    fn offer_again(&mut self) {
        let mut freed = Vec::new();
        for (partition, held) in &mut self.partitions {
            if held.is_paused && held.deliver(Vec::new(), &self.dispatcher) {
                held.is_paused = false;
                freed.push(*partition);
            }
        }
        if self.is_choked {
            return;
        }
        for partition in freed {
            let list = self.list([partition]);
            if let Err(error) = self.consumer.resume(&list) {
                tracing::warn!(%error, ?partition, "a partition cannot be resumed");
            }
        }
    }

    fn pause(&self, partition: Partition) {
        if let Err(error) = self.consumer.pause(&self.list([partition])) {
            tracing::debug!(%error, ?partition, "a partition cannot be paused");
        }
    }

    fn list(&self, partitions: impl IntoIterator<Item = Partition>) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for (carries, partition) in partitions {
            list.add_partition(&topics::name(&self.prefix, carries), partition);
        }
        list
    }

    /// Follows the dead letters, and takes in nothing while too many wait.
    fn tend_dead_letters(&mut self) {
        if self.dead_letters.is_empty() && !self.is_choked {
            return;
        }
        for (partition, offset) in self.dead_letters.tend() {
            if let Some(held) = self.partitions.get_mut(&partition) {
                held.dead.remove(&offset);
            }
        }
        let is_full = self.dead_letters.is_full();
        if is_full == self.is_choked {
            return;
        }
        self.is_choked = is_full;
        let affected = self.list(
            (self.partitions.iter())
                .filter(|(_, held)| !held.is_paused)
                .map(|(partition, _)| *partition),
        );
        let done = if is_full {
            self.consumer.pause(&affected)
        } else {
            self.consumer.resume(&affected)
        };
        if let Err(error) = done {
            tracing::warn!(%error, is_full, "partitions cannot be paused or resumed");
        }
    }

    fn commit(&mut self) {
        if self.committed_at.elapsed() < COMMIT_EVERY {
            return;
        }
        self.committed_at = Instant::now();
        self.commit_now();
    }

    fn commit_now(&mut self) {
        let mut list = TopicPartitionList::new();
        for ((carries, partition), held) in &mut self.partitions {
            if let Some(offset) = held.take_commit() {
                let topic = topics::name(&self.prefix, *carries);
                let _ = list.add_partition_offset(&topic, *partition, Offset::Offset(offset));
            }
        }
        if list.count() > 0
            && let Err(error) = self.consumer.commit(&list, CommitMode::Async)
        {
            tracing::debug!(%error, "offsets cannot be committed");
        }
    }

    /// Leaves the group: others get the partitions at once.
    fn leave(&mut self) {
        let end = Instant::now() + LAST_LETTERS_WAIT;
        while !self.dead_letters.is_empty() && Instant::now() < end {
            self.tend_dead_letters();
            std::thread::sleep(POLL_WHILE_HELD);
        }
        self.commit_now();
        self.pulse.is_leaving.store(true, Ordering::Release);
        // Dropping the consumer closes it, which commits and leaves.
    }
}

/// Takes up one message.
fn take_message(
    dispatcher: &Dispatcher,
    partitions: &mut Partitions,
    dead_letters: &mut DeadLetters,
    partition: Partition,
    message: &impl Message,
    parcels: &mut Vec<Parcel>,
) {
    dispatcher.counts.received.add(1);
    let held = partitions.entry(partition).or_default();
    let offset = message.offset();
    held.next_offset = offset + 1;
    let Some(target) = dispatcher.target(partition) else {
        return;
    };
    match dispatcher.meaning(partition, message) {
        Meaning::Record(record) => {
            pack(parcels, target, record.source, offset, Some(*record), 0);
        }
        Meaning::Announced(source, position) => {
            pack(parcels, target, source, offset, None, position);
        }
        Meaning::Foreign => dispatcher.counts.other_incarnation.add(1),
        Meaning::Dead(reason) => {
            dispatcher.counts.dead_letters.add(1);
            held.dead.insert(offset);
            dead_letters.add(partition, message, &reason);
        }
    }
}

/// Logs an error that librdkafka goes on from by itself, once in a while.
fn complain(complained: &mut Option<(RDKafkaErrorCode, Instant)>, error: &KafkaError) {
    let code = error
        .rdkafka_error_code()
        .unwrap_or(RDKafkaErrorCode::Unknown);
    let is_known =
        complained.is_some_and(|(before, at)| before == code && at.elapsed() < COMPLAIN_EVERY);
    if !is_known {
        tracing::warn!(%error, "messages cannot be read yet");
        *complained = Some((code, Instant::now()));
    }
}
