//! The journal writer: one task per store, or per domain where each has its own transactions.
//!
//! It commits what its shards have gathered, in groups: whatever has gathered while a transaction was under way goes into
//! the next one, and when idle it commits at once. Records run ahead to those of its shards that must act on them, so that
//! what these decide is gathered too (see `desk`). After a commit, and only then, it carries out the completions,
//! publishes the records and tells the shards, while the next transaction is already being written. When a commit fails
//! or its outcome is unknown it ends its generation: everything not committed is refused, every shard is closed, claimed
//! again as soon as the store allows, and opened. A shard that another owner has claimed meanwhile is given up.

mod batch;
mod claims;
mod desk;

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    sync::{Arc, atomic::Ordering},
    task::Poll,
    time::Instant,
};

use domain::{Event, ShardRef};
use engine::{ShardCommit, Ticket};
use storage::{Journal, StorageError};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::Instrument;

use super::{
    Env,
    faults::failpoint,
    messages::{Companion, Completion, Payload, WriterSignal},
    stats::RestartCause,
};
use crate::{
    Unavailable,
    metrics::WriterMeters,
    trace::STAGE,
    transport::{Feed, Inbox},
};
use batch::{committed, newest_tickets, put, split};
pub use desk::WriterHandle;
use desk::{Desk, Gathering, refuse};

/// Entries of one transaction at most.
pub const BATCH_ENTRIES_MAX: usize = 4_096;

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

/// What is to be told of a transaction that is committed.
struct Untold {
    completions: Vec<Completion>,
    commits: Vec<ShardCommit<ShardRef, storage::NewRecord>>,
    /// What the records of each commit say.
    events: Vec<Vec<Arc<Event>>>,
    /// The newest turn of each shard.
    newest: BTreeMap<ShardRef, Ticket>,
}

/// The writer of one store, or of one domain.
pub struct JournalWriter {
    env: Env,
    meters: Arc<WriterMeters>,
    owner: String,
    shards: BTreeMap<ShardRef, ShardLine>,
    feed: Arc<dyn Feed>,
    desk: Arc<Desk>,
    /// The shards to serve, with the epoch in which each was claimed last; 0 before the first time.
    epochs: BTreeMap<ShardRef, u64>,
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
        let Gathering { mut engine, .. } = std::mem::take(&mut *self.desk.lock());
        for companion in engine.failed() {
            refuse(companion);
        }
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
        handle: WriterHandle,
    ) -> Self {
        let desk = handle.desk;
        let inboxes = shards.iter();
        let inboxes = inboxes.map(|(shard, line)| (*shard, line.inbox.clone()));
        desk.lock().inboxes = inboxes.collect();
        let epochs = shards.keys().map(|shard| (*shard, 0)).collect();
        let meters = env.stats.meters.writer(name(&shards));
        Self {
            env,
            meters,
            owner,
            shards,
            feed,
            desk,
            epochs,
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
        handle: WriterHandle,
        ownership: Ownership,
    ) -> Self {
        let mut writer = Self::of_all(env, owner, shards, feed, handle);
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
                () = self.desk.called.notified() => None,
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

    /// Commits what has gathered, transaction after transaction, until nothing is left. While one is written, whom the
    /// one before concerns are told of it.
    async fn commit_gathered(&mut self) {
        let mut untold = None;
        loop {
            if self.is_closing() {
                self.tell(untold.take());
                self.close_replaced();
                self.claim_again().await;
                continue;
            }
            let (batch, left) = {
                let engine = &mut self.desk.lock().engine;
                (engine.begin(BATCH_ENTRIES_MAX), engine.gathered())
            };
            let Some(batch) = batch else {
                if untold.is_none() {
                    return;
                }
                self.tell(untold.take());
                continue;
            };
            let gathered = &self.env.stats.gathered;
            gathered.fetch_add(left, Ordering::Relaxed);
            gathered.fetch_sub(self.gathered, Ordering::Relaxed);
            self.gathered = left;
            let span =
                tracing::debug_span!(target: STAGE, "commit", entries = batch.companions.len());
            untold = self.commit(batch, untold.take()).instrument(span).await;
        }
    }

    /// Commits a batch, and tells of the one before while this one is written. Returns what is to be told of it.
    async fn commit(
        &mut self,
        batch: engine::Batch<ShardRef, Payload, Companion>,
        mut before: Option<Untold>,
    ) -> Option<Untold> {
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
        if let Some(longer) = self.env.faults.on_commit() {
            self.tell(before.take());
            tokio::time::sleep(longer).await;
        }
        let to_store = Arc::new(to_store);
        let written = {
            let writing = write(&*self.env.journal, &to_store, &unwritten);
            let span = tracing::debug_span!(target: STAGE, "store");
            let mut writing = pin!(writing.instrument(span));
            // Begun by being polled once, it goes on while others are told.
            let written = futures::poll!(&mut writing);
            self.tell(before);
            match written {
                Poll::Ready(written) => written,
                Poll::Pending => writing.await,
            }
        };
        match written {
            Ok(()) => {
                #[cfg(feature = "fault-injection")]
                if has_watermark {
                    failpoint!(self.env.faults, AfterWatermark);
                }
                failpoint!(self.env.faults, AfterCommitBeforeReply);
                self.meters.commit.took(begun.elapsed());
                self.meters.batch.counted(entries);
                self.desk.lock().engine.committed();
                // The store has let go of it, so nothing is copied.
                let commits = Arc::unwrap_or_clone(to_store).commits;
                self.env
                    .stats
                    .committed(commits.iter().map(|commit| commit.records.len()).sum());
                Some(Untold {
                    completions,
                    commits,
                    events,
                    newest,
                })
            }
            Err(error) => {
                for completion in completions {
                    completion(Err(Unavailable::CommitFailed));
                }
                self.end_generation(error).await;
                None
            }
        }
    }

    /// Tells of a transaction whom it concerns: who waits for it, the feed, the shards.
    fn tell(&self, untold: Option<Untold>) {
        let Some(untold) = untold else {
            return;
        };
        let Untold {
            completions,
            commits,
            events,
            newest,
        } = untold;
        for completion in completions {
            completion(Ok(()));
        }
        let publishing = tracing::debug_span!(target: STAGE, "publish").entered();
        for (commit, events) in commits.into_iter().zip(events) {
            if !commit.records.is_empty() {
                self.feed
                    .publish(commit.shard, committed(commit.records, events));
            }
        }
        drop(publishing);
        for (shard, ticket) in newest {
            let generation = self.desk.lock().engine.opened_in(shard);
            if let Some(generation) = generation {
                self.signal(shard, WriterSignal::Committed { generation, ticket });
            }
        }
    }

    /// Whether shards are to be closed, or claimed again, before anything else is committed.
    fn is_closing(&self) -> bool {
        self.is_claim_due || !self.desk.lock().engine.drained().is_empty()
    }

    /// The shards that have turns in a batch, but write nothing, with their epochs.
    fn unwritten(
        &self,
        newest: &BTreeMap<ShardRef, Ticket>,
        commits: &[ShardCommit<ShardRef, Payload>],
    ) -> Vec<(ShardRef, u64)> {
        let written: BTreeSet<ShardRef> = commits.iter().map(|commit| commit.shard).collect();
        let engine = &self.desk.lock().engine;
        newest
            .keys()
            .filter(|shard| !written.contains(shard))
            .filter_map(|&shard| Some((shard, engine.epoch(shard)?)))
            .collect()
    }

    async fn end_generation(&mut self, error: StorageError) {
        let records = self.env.stats.records.load(Ordering::Relaxed);
        let generation = self.desk.lock().engine.generation();
        tracing::error!(%error, generation, records, "a commit failed; every shard of this writer is closed and claimed again");
        if error.is_fatal() {
            (self.env.on_fatal)(error.to_string());
        }
        self.meters.commit_failed();
        let dropped = self.desk.lock().engine.failed();
        for companion in dropped {
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
            generation = self.desk.lock().engine.generation(),
            "every shard of this writer is claimed again"
        );
    }

    fn signal(&self, shard: ShardRef, signal: WriterSignal) {
        if let Some(line) = self.shards.get(&shard) {
            (line.signal)(signal);
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
    to_store: &Arc<storage::Batch>,
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
