//! The journal writer: one task per store, or per domain where each has its own transactions, with a mailbox of its own.
//!
//! It commits what its shards hand over in groups: whatever has gathered while a transaction was under way goes into
//! the next one, and when idle it commits at once. Meanwhile records run ahead to those of its own shards that must act on
//! them, so that what they decide is gathered too. After a commit, and only then, it carries out the completions,
//! publishes the records and tells the shards. When a commit fails or its outcome is unknown it ends its generation:
//! everything not committed is refused, every shard is closed, claimed again as soon as the store allows, and opened.
//! A shard that another owner has claimed meanwhile is given up.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use domain::{Event, ShardRef};
use engine::{Head, ShardCommit, Ticket, Writer};
use futures::future::join_all;
use storage::{Journal, RowWrites, StorageError};
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    Env,
    faults::failpoint,
    messages::{Companion, Deliver, Entry, Payload, Record, Row, ToWriter, WriterSignal},
    stats::RestartCause,
};
use crate::{
    Unavailable,
    metrics::WriterMeters,
    transport::{Committed, Feed, Inbox},
};

/// Entries of one transaction at most.
pub const BATCH_ENTRIES_MAX: usize = 4_096;
/// The wait between attempts to claim the shards again, at first.
const RECLAIM_BACKOFF_MIN: Duration = Duration::from_millis(20);
/// The longest wait between attempts to claim the shards again.
const RECLAIM_BACKOFF_MAX: Duration = Duration::from_secs(1);

/// Tells one shard something.
pub type SignalShard = Arc<dyn Fn(WriterSignal) + Send + Sync>;

/// How a writer reaches one of its shards.
#[derive(Clone)]
pub struct ShardLine {
    /// Tells it what becomes of its turns.
    pub signal: SignalShard,
    /// Where records run ahead to it.
    pub inbox: Inbox,
}

/// What is asked of a writer about its shards.
pub enum Order {
    /// Take these shards, in a new epoch each, and serve them. Told how it went, shard by shard.
    Claim(
        Vec<ShardRef>,
        oneshot::Sender<Vec<(ShardRef, Result<u64, StorageError>)>>,
    ),
    /// Serve this shard no more: refuse what it has not committed, and name no owner in its head. Told when it is done:
    /// the epoch in which it was served, if it was.
    Release(ShardRef, oneshot::Sender<Option<u64>>),
}

/// Where a writer gets its orders from, and where it tells what it has lost.
pub struct Ownership {
    /// Orders; handled between two transactions.
    pub orders: mpsc::Receiver<Order>,
    /// Told of every shard that another owner has taken, with the last epoch in which it was served here.
    pub lost: mpsc::UnboundedSender<(ShardRef, u64)>,
}

/// The writer of one store, or of one domain.
pub struct JournalWriter {
    env: Env,
    meters: Arc<WriterMeters>,
    owner: String,
    shards: BTreeMap<ShardRef, ShardLine>,
    feed: Arc<dyn Feed>,
    engine: Writer<ShardRef, Payload, Companion>,
    /// The shards to serve, with the epoch in which each was claimed last; 0 before the first time.
    epochs: BTreeMap<ShardRef, u64>,
    incoming: mpsc::UnboundedReceiver<ToWriter>,
    /// `None`: it serves all its shards, nobody else may, and losing one ends the process.
    ownership: Option<Ownership>,
    /// What it has told `stats` to wait for the next transaction.
    gathered: usize,
    /// Whether a shard that it is to serve was closed and not claimed again.
    is_claim_due: bool,
}

impl Drop for JournalWriter {
    fn drop(&mut self) {
        self.env.ended("the journal writer");
    }
}

impl JournalWriter {
    /// A writer that serves all these shards, and whose store keeps other owners out; it claims them when it runs.
    #[must_use]
    pub fn of_all(
        env: Env,
        owner: String,
        shards: BTreeMap<ShardRef, ShardLine>,
        feed: Arc<dyn Feed>,
        incoming: mpsc::UnboundedReceiver<ToWriter>,
    ) -> Self {
        let epochs = shards.keys().map(|shard| (*shard, 0)).collect();
        let meters = env.stats.meters.writer(name(&shards));
        Self {
            env,
            meters,
            owner,
            shards,
            feed,
            engine: Writer::default(),
            epochs,
            incoming,
            ownership: None,
            gathered: 0,
            is_claim_due: false,
        }
    }

    /// A writer that serves those of these shards that it is told to.
    #[must_use]
    pub fn of_some(
        env: Env,
        owner: String,
        shards: BTreeMap<ShardRef, ShardLine>,
        feed: Arc<dyn Feed>,
        incoming: mpsc::UnboundedReceiver<ToWriter>,
        ownership: Ownership,
    ) -> Self {
        let mut writer = Self::of_all(env, owner, shards, feed, incoming);
        writer.epochs.clear();
        writer.ownership = Some(ownership);
        writer
    }

    /// Runs until `stop` says so; then commits what has been handed over, and says that it is done.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>, done: oneshot::Sender<()>) {
        self.claim_again().await;
        loop {
            let order = tokio::select! {
                biased;
                order = next_order(&mut self.ownership) => Some(order),
                handed = self.incoming.recv() => match handed {
                    Some(handed) => {
                        self.take(handed);
                        None
                    }
                    None => break,
                },
                _ = stop.wait_for(|stop| *stop) => break,
            };
            if let Some(order) = order {
                self.carry_out(order).await;
            }
            self.commit_gathered().await;
        }
        self.commit_gathered().await;
        self.release_all().await;
        let _ = done.send(());
    }

    async fn carry_out(&mut self, order: Order) {
        // What shards had handed over before; a shard that has something gathered cannot be closed alone.
        self.commit_gathered().await;
        match order {
            Order::Claim(shards, done) => {
                let _ = done.send(self.claim(shards).await);
            }
            Order::Release(shard, done) => {
                let _ = done.send(self.release(shard).await);
            }
        }
    }

    /// Takes shards whoever serves them now.
    async fn claim(&mut self, shards: Vec<ShardRef>) -> Vec<(ShardRef, Result<u64, StorageError>)> {
        let (journal, owner) = (&self.env.journal, &self.owner);
        let mine = shards
            .into_iter()
            .filter(|shard| self.shards.contains_key(shard));
        let claims =
            mine.map(|shard| async move { (shard, journal.claim(shard, owner, None).await) });
        let claimed = join_all(claims).await;
        claimed
            .into_iter()
            .map(|(shard, claimed)| {
                let epoch = claimed.map(|head| {
                    self.drop_shard(shard);
                    self.open(shard, head)
                });
                (shard, epoch)
            })
            .collect()
    }

    fn open(&mut self, shard: ShardRef, head: Head<ShardRef>) -> u64 {
        let epoch = head.epoch;
        self.epochs.insert(shard, epoch);
        let generation = self.engine.open(shard, head.clone());
        let term = self.engine.term();
        self.feed.opened(shard, head.last_position);
        let opened = WriterSignal::Opened {
            generation,
            term,
            head,
        };
        self.signal(shard, opened);
        epoch
    }

    /// Serves a shard no more; nothing of it may be gathered. Returns its epoch if it was being served.
    fn drop_shard(&mut self, shard: ShardRef) -> Option<u64> {
        let epoch = self.engine.epoch(shard)?;
        self.engine.close(shard);
        self.epochs.remove(&shard);
        self.feed.closed(shard);
        self.signal(shard, WriterSignal::Closed);
        Some(epoch)
    }

    async fn release(&mut self, shard: ShardRef) -> Option<u64> {
        let epoch = self.drop_shard(shard)?;
        if let Err(error) = self.env.journal.release(shard, epoch).await {
            // Then the directory names an owner that does not serve it, until the next one claims it.
            tracing::warn!(%shard, %error, "a shard that is given up cannot be marked as free");
        }
        Some(epoch)
    }

    /// Leaves shards that others may serve to them.
    async fn release_all(&mut self) {
        if self.ownership.is_some() {
            for shard in self.epochs.keys().copied().collect::<Vec<_>>() {
                self.release(shard).await;
            }
        }
    }

    async fn commit_gathered(&mut self) {
        loop {
            while let Ok(handed) = self.incoming.try_recv() {
                self.take(handed);
            }
            self.close_replaced();
            if self.is_claim_due {
                self.claim_again().await;
                continue;
            }
            let Some(batch) = self.engine.begin(BATCH_ENTRIES_MAX) else {
                return;
            };
            let gathered = &self.env.stats.gathered;
            gathered.fetch_add(self.engine.gathered(), Ordering::Relaxed);
            gathered.fetch_sub(self.gathered, Ordering::Relaxed);
            self.gathered = self.engine.gathered();
            self.commit(batch).await;
        }
    }

    /// Takes what was handed over.
    fn take(&mut self, handed: ToWriter) {
        match handed {
            ToWriter::Entries(entries) => self.gather(entries),
            ToWriter::Replaced(shards) => {
                for shard in shards {
                    self.engine.seal(shard);
                }
            }
        }
    }

    /// Gathers turns of one shard, and has their records run ahead to the shards of this writer.
    fn gather(&mut self, entries: Vec<Entry>) {
        let mut ahead = RunAhead::default();
        for entry in entries {
            let source = entry.shard;
            match self.engine.submit(entry) {
                Ok(records) => ahead.add(source, records),
                Err(companion) => refuse(companion),
            }
        }
        for ((source, target), records) in ahead.0 {
            let records = self.env.faults.on_feed(records);
            let line = self.shards.get(&target);
            let line = line.filter(|_| self.engine.epoch(target).is_some() && !records.is_empty());
            if let Some(line) = line {
                let delivery = Deliver {
                    source,
                    records,
                    announced: 0,
                    term: Some(self.engine.term()),
                };
                // What does not fit is told of after the commit, and read from the journal.
                drop(line.inbox.try_send(delivery));
            }
        }
    }

    /// Closes shards whose actors were replaced, to claim them again: in the new epoch nothing counts that the former
    /// actors still hand over. What they had handed over before is committed first, because others may rest on it.
    fn close_replaced(&mut self) {
        for shard in self.engine.drained() {
            self.engine.close(shard);
            self.feed.closed(shard);
            self.signal(shard, WriterSignal::Closed);
            self.is_claim_due = true;
        }
    }

    async fn commit(&mut self, batch: engine::Batch<ShardRef, Payload, Companion>) {
        let newest = newest_tickets(&batch);
        let entries = batch.companions.len();
        let unwritten = self.unwritten(&newest, &batch.commits);
        let (mut to_store, events) = split(batch.commits);
        let mut completions = Vec::with_capacity(batch.companions.len());
        for companion in batch.companions {
            for row in companion.rows {
                put(&mut to_store.rows, row);
            }
            completions.extend(companion.completion);
        }

        let begun = Instant::now();
        #[cfg(feature = "fault-injection")]
        let has_watermark = (to_store.commits.iter()).any(|commit| !commit.watermarks.is_empty());
        #[cfg(feature = "fault-injection")]
        if has_watermark {
            failpoint!(self.env.faults, BeforeWatermark);
        }
        let (journal, longer) = (self.env.journal.clone(), self.env.faults.on_commit());
        let writing = async {
            if let Some(longer) = longer {
                tokio::time::sleep(longer).await;
            }
            write(&*journal, &to_store, &unwritten).await
        };
        match self.gather_until(writing).await {
            Ok(()) => {
                #[cfg(feature = "fault-injection")]
                if has_watermark {
                    failpoint!(self.env.faults, AfterWatermark);
                }
                failpoint!(self.env.faults, AfterCommitBeforeReply);
                self.meters.commit.took(begun.elapsed());
                self.meters.batch.counted(entries);
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
                for (commit, events) in to_store.commits.into_iter().zip(events) {
                    if !commit.records.is_empty() {
                        self.feed
                            .publish(commit.shard, committed(commit.records, events));
                    }
                }
                for (shard, ticket) in newest {
                    if let Some(generation) = self.engine.opened_in(shard) {
                        self.signal(shard, WriterSignal::Committed { generation, ticket });
                    }
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

    /// Takes what is handed over while something goes on.
    async fn gather_until<T>(&mut self, going_on: impl Future<Output = T>) -> T {
        tokio::pin!(going_on);
        loop {
            tokio::select! {
                biased;
                done = &mut going_on => return done,
                Some(handed) = self.incoming.recv() => self.take(handed),
            }
        }
    }

    /// The shards that have turns in a batch, but write nothing, with their epochs.
    fn unwritten(
        &self,
        newest: &BTreeMap<ShardRef, Ticket>,
        commits: &[ShardCommit<ShardRef, Payload>],
    ) -> Vec<(ShardRef, u64)> {
        let written: BTreeSet<ShardRef> = commits.iter().map(|commit| commit.shard).collect();
        newest
            .keys()
            .filter(|shard| !written.contains(shard))
            .filter_map(|&shard| Some((shard, self.engine.epoch(shard)?)))
            .collect()
    }

    async fn end_generation(&mut self, error: StorageError) {
        let records = self.env.stats.records.load(Ordering::Relaxed);
        tracing::error!(%error, generation = self.engine.generation(), records, "a commit failed; every shard of this writer is closed and claimed again");
        if error.is_fatal() {
            (self.env.on_fatal)(error.to_string());
        }
        self.meters.commit_failed();
        for companion in self.engine.failed() {
            refuse(companion);
        }
        self.env.stats.generation.fetch_add(1, Ordering::Relaxed);
        for shard in self.epochs.keys().copied().collect::<Vec<_>>() {
            self.feed.closed(shard);
            self.env
                .stats
                .shard_restarted(shard, RestartCause::CommitFailed);
            self.signal(shard, WriterSignal::Closed);
        }
        self.claim_again().await;
        tracing::info!(
            generation = self.engine.generation(),
            "every shard of this writer is claimed again"
        );
    }

    /// Claims every shard that it is to serve and opens it; tries until it succeeds. Gives up those that another owner
    /// has claimed.
    async fn claim_again(&mut self) {
        self.is_claim_due = false;
        let mut backoff = RECLAIM_BACKOFF_MIN;
        loop {
            let (journal, owner, engine) = (&self.env.journal, &self.owner, &self.engine);
            let missing = self
                .epochs
                .iter()
                .filter(|(shard, _)| engine.epoch(**shard).is_none());
            let claims = missing.map(|(&shard, &epoch)| async move {
                let expected = (epoch > 0).then_some(epoch);
                (shard, journal.claim(shard, owner, expected).await)
            });
            for (shard, claimed) in join_all(claims).await {
                match claimed {
                    Ok(head) => {
                        self.open(shard, head);
                    }
                    Err(error) if error.is_fatal() => (self.env.on_fatal)(error.to_string()),
                    Err(StorageError::HeadMoved { .. }) => self.lose(shard),
                    Err(error) => {
                        tracing::warn!(%shard, %error, retry_in_ms = backoff.as_millis(), "a shard cannot be claimed yet");
                    }
                }
            }
            if self
                .epochs
                .keys()
                .all(|shard| self.engine.epoch(*shard).is_some())
            {
                return;
            }
            // What shards had handed over before they learned that their generation has ended is refused meanwhile:
            // whoever waits for it is told at once, not when the shards are claimed again.
            self.gather_until(tokio::time::sleep(backoff)).await;
            backoff = (backoff * 2).min(RECLAIM_BACKOFF_MAX);
        }
    }

    fn lose(&mut self, shard: ShardRef) {
        match &self.ownership {
            Some(ownership) => {
                tracing::warn!(%shard, "another owner has taken a shard over; it is served here no more");
                let epoch = self.epochs.remove(&shard).unwrap_or(0);
                let _ = ownership.lost.send((shard, epoch));
            }
            None => (self.env.on_fatal)(format!("another owner has taken {shard} over")),
        }
    }

    fn signal(&self, shard: ShardRef, signal: WriterSignal) {
        if let Some(line) = self.shards.get(&shard) {
            (line.signal)(signal);
        }
    }
}

/// Records that run ahead of their commit, by source and target.
#[derive(Default)]
struct RunAhead(BTreeMap<(ShardRef, ShardRef), Vec<Record>>);

impl RunAhead {
    fn add(&mut self, source: ShardRef, records: &[engine::StampedRecord<ShardRef, Payload>]) {
        for stamped in records {
            let record = &stamped.payload.record;
            for stamp in &stamped.stamps {
                let records = self.0.entry((source, stamp.target)).or_default();
                records.push(Record {
                    source,
                    position: stamped.position,
                    prev: stamp.prev,
                    aggregate_id: record.aggregate_id,
                    time: record.time,
                    event: stamped.payload.event.clone(),
                    trace: record.trace,
                });
            }
        }
    }
}

/// What a writer is called: as the domain of its shards, or `all`.
fn name(shards: &BTreeMap<ShardRef, ShardLine>) -> &'static str {
    let mut domains = shards.keys().map(|shard| shard.domain);
    let first = domains.next();
    match first {
        Some(first) if domains.all(|domain| domain == first) => first.name(),
        _ => "all",
    }
}

/// Commits a batch. Of shards that write nothing it is verified that they are still owned: what their callers are told
/// rests on it.
async fn write(
    journal: &dyn Journal,
    to_store: &storage::Batch,
    unwritten: &[(ShardRef, u64)],
) -> Result<(), StorageError> {
    if !unwritten.is_empty() {
        journal.verify(unwritten).await?;
    }
    if to_store.commits.is_empty() {
        return Ok(());
    }
    journal.commit(to_store).await
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

/// Parts what goes to storage from the events, which go to the feed with it after the commit.
fn split(commits: Vec<ShardCommit<ShardRef, Payload>>) -> (storage::Batch, Vec<Vec<Arc<Event>>>) {
    let mut events = Vec::with_capacity(commits.len());
    let commits = commits
        .into_iter()
        .map(|commit| {
            let mut of_shard = Vec::with_capacity(commit.records.len());
            let records = commit
                .records
                .into_iter()
                .map(|stamped| {
                    of_shard.push(stamped.payload.event);
                    engine::StampedRecord {
                        position: stamped.position,
                        stamps: stamped.stamps,
                        payload: stamped.payload.record,
                    }
                })
                .collect();
            events.push(of_shard);
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
    (batch, events)
}

/// Committed records with their events again, for the feed.
fn committed(
    records: Vec<engine::StampedRecord<ShardRef, storage::NewRecord>>,
    events: Vec<Arc<Event>>,
) -> Vec<Committed> {
    let records = records.into_iter().zip(events);
    records
        .map(|(stamped, event)| Committed {
            position: stamped.position,
            record: stamped.payload,
            event,
            stamps: stamped.stamps,
        })
        .collect()
}

/// The next order; never, for a writer that takes none.
async fn next_order(ownership: &mut Option<Ownership>) -> Order {
    let order = match ownership {
        Some(ownership) => ownership.orders.recv().await,
        None => None,
    };
    match order {
        Some(order) => order,
        None => std::future::pending().await,
    }
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
