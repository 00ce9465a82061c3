//! The journal writer: one task per store, with a mailbox of its own.
//!
//! It commits what its shards hand over in groups: whatever has gathered while a transaction was under way goes into
//! the next one, and when idle it commits at once. After a commit, and only then, it carries out the completions,
//! publishes the records and tells the shards. When a commit fails or its outcome is unknown it ends its generation:
//! everything not committed is refused, every shard is closed, claimed again as soon as the store allows, and opened.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use domain::{Domain, ShardRef, routing};
use engine::{ShardCommit, Ticket, Writer};
use storage::{RowWrites, StorageError};
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    Env,
    messages::{Companion, Entry, Payload, Record, Row, WriterSignal},
};
use crate::{Unavailable, transport::Feed};

/// Entries of one transaction at most.
pub const BATCH_ENTRIES_MAX: usize = 4_096;
/// The wait between attempts to claim the shards again, at first.
const RECLAIM_BACKOFF_MIN: Duration = Duration::from_millis(20);
/// The longest wait between attempts to claim the shards again.
const RECLAIM_BACKOFF_MAX: Duration = Duration::from_secs(1);

/// Tells one shard something.
pub type SignalShard = Arc<dyn Fn(WriterSignal) + Send + Sync>;

/// The writer of one store.
pub struct JournalWriter {
    env: Env,
    owner: String,
    shards: BTreeMap<ShardRef, SignalShard>,
    feed: Arc<dyn Feed>,
    engine: Writer<ShardRef, Payload, Companion>,
    epochs: BTreeMap<ShardRef, u64>,
    incoming: mpsc::UnboundedReceiver<Vec<Entry>>,
}

impl Drop for JournalWriter {
    fn drop(&mut self) {
        self.env.ended("the journal writer");
    }
}

impl JournalWriter {
    /// A writer for these shards; it claims them when it runs.
    #[must_use]
    pub fn new(
        env: Env,
        owner: String,
        shards: BTreeMap<ShardRef, SignalShard>,
        feed: Arc<dyn Feed>,
        incoming: mpsc::UnboundedReceiver<Vec<Entry>>,
    ) -> Self {
        Self {
            env,
            owner,
            shards,
            feed,
            engine: Writer::default(),
            epochs: BTreeMap::new(),
            incoming,
        }
    }

    /// Runs until `stop` says so; then commits what has been handed over, and says that it is done.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>, done: oneshot::Sender<()>) {
        self.claim_all().await;
        loop {
            tokio::select! {
                biased;
                entries = self.incoming.recv() => match entries {
                    Some(entries) => self.submit(entries),
                    None => break,
                },
                _ = stop.wait_for(|stop| *stop) => break,
            }
            self.commit_gathered().await;
        }
        self.commit_gathered().await;
        let _ = done.send(());
    }

    async fn commit_gathered(&mut self) {
        loop {
            while let Ok(entries) = self.incoming.try_recv() {
                self.submit(entries);
            }
            let Some(batch) = self.engine.begin(BATCH_ENTRIES_MAX) else {
                return;
            };
            self.env
                .stats
                .gathered
                .store(self.engine.gathered(), Ordering::Relaxed);
            self.commit(batch).await;
        }
    }

    fn submit(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            if let Err(companion) = self.engine.submit(entry) {
                refuse(companion);
            }
        }
    }

    async fn commit(&mut self, batch: engine::Batch<ShardRef, Payload, Companion>) {
        let generation = batch.generation;
        let newest = newest_tickets(&batch);
        let (mut to_store, published) = split(batch.commits);
        let mut completions = Vec::with_capacity(batch.companions.len());
        for companion in batch.companions {
            for row in companion.rows {
                put(&mut to_store.rows, row);
            }
            completions.extend(companion.completion);
        }

        let result = if to_store.commits.is_empty() {
            Ok(())
        } else {
            self.env.journal.commit(&to_store).await
        };
        match result {
            Ok(()) => {
                self.engine.committed();
                self.env.stats.committed(
                    to_store
                        .commits
                        .iter()
                        .map(|commit| commit.records.len())
                        .sum(),
                );
                for completion in completions {
                    completion(Ok(()));
                }
                for (target, source, records) in route(published, &self.env) {
                    self.feed.publish(target, source, records);
                }
                for (shard, ticket) in newest {
                    self.signal(shard, WriterSignal::Committed { generation, ticket });
                }
            }
            Err(error) => {
                for completion in completions {
                    completion(Err(Unavailable::CommitFailed));
                }
                self.end_generation(error).await;
            }
        }
    }

    async fn end_generation(&mut self, error: StorageError) {
        let records = self.env.stats.records.load(Ordering::Relaxed);
        tracing::error!(%error, generation = self.engine.generation(), records, "a commit failed; every shard is closed and claimed again");
        if error.is_fatal() {
            (self.env.on_fatal)(error.to_string());
        }
        for companion in self.engine.failed() {
            refuse(companion);
        }
        for signal in self.shards.values() {
            signal(WriterSignal::Closed);
        }
        self.claim_all().await;
    }

    /// Claims every shard and opens it; tries until it succeeds.
    async fn claim_all(&mut self) {
        let mut backoff = RECLAIM_BACKOFF_MIN;
        loop {
            match self.try_claim_all().await {
                Ok(()) => break,
                Err(error) if error.is_fatal() => (self.env.on_fatal)(error.to_string()),
                Err(error @ StorageError::HeadMoved { .. }) => {
                    (self.env.on_fatal)(format!("another owner has taken over: {error}"));
                }
                Err(error) => {
                    tracing::warn!(%error, retry_in_ms = backoff.as_millis(), "shards cannot be claimed yet");
                }
            }
            self.pause(backoff).await;
            backoff = (backoff * 2).min(RECLAIM_BACKOFF_MAX);
        }
        let generation = self.engine.generation();
        self.env
            .stats
            .generation
            .store(generation, Ordering::Relaxed);
        if generation > 1 {
            tracing::info!(generation, "every shard is claimed again");
        }
    }

    /// Waits, and meanwhile refuses what shards had handed over before they learned that their generation has ended:
    /// whoever waits for it is told at once, not when the shards are claimed again.
    async fn pause(&mut self, duration: Duration) {
        let pause = tokio::time::sleep(duration);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => break,
                Some(entries) = self.incoming.recv() => self.submit(entries),
            }
        }
    }

    async fn try_claim_all(&mut self) -> Result<(), StorageError> {
        let mut heads = Vec::with_capacity(self.shards.len());
        for &shard in self.shards.keys() {
            let expected = self.epochs.get(&shard).copied();
            let head = self.env.journal.claim(shard, &self.owner, expected).await?;
            self.epochs.insert(shard, head.epoch);
            heads.push((shard, head));
        }
        let generation = self.engine.generation();
        for (shard, head) in heads {
            self.engine.open(shard, head.clone());
            self.signal(shard, WriterSignal::Opened { generation, head });
        }
        Ok(())
    }

    fn signal(&self, shard: ShardRef, signal: WriterSignal) {
        if let Some(shard) = self.shards.get(&shard) {
            shard(signal);
        }
    }
}

/// Tells whoever waits for an entry that it was dropped.
fn refuse(companion: Companion) {
    if let Some(completion) = companion.completion {
        completion(Err(Unavailable::CommitFailed));
    }
}

/// The newest turn of each shard in a batch.
fn newest_tickets(
    batch: &engine::Batch<ShardRef, Payload, Companion>,
) -> BTreeMap<ShardRef, Ticket> {
    let mut newest = BTreeMap::new();
    for companion in &batch.companions {
        newest.insert(companion.shard, companion.ticket);
    }
    newest
}

/// A committed record with its links, on its way to the feed.
struct Published {
    record: Record,
    stamps: Vec<engine::Stamp<ShardRef>>,
}

/// Parts what goes to storage from what goes to the feed after the commit.
fn split(
    commits: Vec<ShardCommit<ShardRef, Payload>>,
) -> (storage::Batch, Vec<(ShardRef, Vec<Published>)>) {
    let mut published = Vec::with_capacity(commits.len());
    let commits = commits
        .into_iter()
        .map(|commit| {
            let mut of_shard = Vec::with_capacity(commit.records.len());
            let records = commit
                .records
                .into_iter()
                .map(|stamped| {
                    let record = stamped.payload.record;
                    of_shard.push(Published {
                        record: Record {
                            source: commit.shard,
                            position: stamped.position,
                            prev: stamped.position - 1,
                            aggregate_id: record.aggregate_id,
                            time: record.time,
                            event: stamped.payload.event,
                        },
                        stamps: stamped.stamps.clone(),
                    });
                    engine::StampedRecord {
                        position: stamped.position,
                        stamps: stamped.stamps,
                        payload: record,
                    }
                })
                .collect();
            published.push((commit.shard, of_shard));
            ShardCommit {
                shard: commit.shard,
                epoch: commit.epoch,
                revision: commit.revision,
                last_position: commit.last_position,
                last_id: commit.last_id,
                sent: commit.sent,
                watermarks: commit.watermarks,
                records,
            }
        })
        .collect();
    let batch = storage::Batch {
        commits,
        rows: RowWrites::default(),
    };
    (batch, published)
}

/// Sorts committed records by target: inbox links by their stamps, public links whole.
fn route(
    published: Vec<(ShardRef, Vec<Published>)>,
    env: &Env,
) -> Vec<(ShardRef, ShardRef, Vec<Record>)> {
    let logs = ShardRef {
        domain: Domain::Logs,
        shard: 0,
    };
    let mut deliveries = Vec::new();
    for (source, records) in published {
        if records.is_empty() {
            continue;
        }
        let mut inboxes: BTreeMap<ShardRef, Vec<Record>> = BTreeMap::new();
        let mut public = Vec::with_capacity(records.len());
        for Published { record, stamps } in records {
            for stamp in stamps {
                inboxes.entry(stamp.target).or_default().push(Record {
                    prev: stamp.prev,
                    ..record.clone()
                });
            }
            public.push(record);
        }
        deliveries.extend(
            inboxes
                .into_iter()
                .map(|(target, records)| (target, source, records)),
        );
        if let Some(target) = routing::public_target(source, &env.topology) {
            deliveries.push((target, source, public.clone()));
        }
        deliveries.push((logs, source, public));
    }
    deliveries
}

fn put(rows: &mut RowWrites, row: Row) {
    match row {
        Row::Order(order, version) => rows.orders.push((order, version)),
        Row::Product(product, version) => rows.products.push((product, version)),
        Row::User(user, version) => rows.users.push((user, version)),
        Row::Notification(notification, version) => {
            rows.notifications.push((notification, version));
        }
        Row::Credentials(credentials) => rows.credentials.push(credentials),
        Row::Key(key) => rows.keys.push(key),
        Row::Parked(parked) => rows.parked.push(parked),
        Row::Unparked(shard, id) => rows.unparked.push((shard, id)),
    }
}
