//! The actor that writes the activity log.
//!
//! It is a target like any other: each shard's public records are a link, taken up in order, healed from the journal,
//! and the watermark is in the transaction of the entries. It has a store of its own, so it is never in the way of
//! orders: when it falls behind, deliveries are dropped and it catches up from the journals.
//!
//! It is never ahead of the journals, because only committed records are delivered. If it is, somebody has put back an
//! earlier backup of the journals without it: it would leave out whatever is recorded next, so the process ends.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};
use domain::ShardRef;
use engine::{Inlet, Offer};
use storage::{ActivityLog, Journal, NewActivity, StorageError, StoredRecord};
use tokio::sync::oneshot;

use super::message::entry;
use crate::runtime::{
    Env,
    decode::decode,
    messages::{Deliver, Record},
};

/// Deliveries that may wait.
const MAILBOX_CAPACITY: usize = 256;
/// Entries that may wait to be written; beyond it records are left to be read from the journal later.
const PENDING_MAX: usize = 20_000;
/// Entries of one transaction at most.
const BATCH_MAX: usize = 4_000;
/// The rest after a write, in which entries gather unless there are enough for a transaction: under load the log needs few
/// large transactions, and while little happens an entry does not wait.
const REST: Duration = Duration::from_millis(50);
/// Records of one reading at most.
const READ_MAX: usize = 2_000;
/// How often it looks for what it has missed.
const TICK: Duration = Duration::from_secs(1);
/// The wait before a failed write is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Writes the activity log.
pub struct LogActor {
    env: Env,
    log: Arc<dyn ActivityLog>,
    /// The shards whose records it writes.
    sources: BTreeSet<ShardRef>,
    /// What to do about a log that is ahead of a journal.
    if_ahead: &'static str,
    inlets: BTreeMap<ShardRef, Inlet>,
    pending: Vec<NewActivity>,
    /// Sources with a record that cannot be decoded, and its position. They are tried again with every look.
    held: BTreeMap<ShardRef, u64>,
    is_open: bool,
    is_writing: bool,
    /// Whether it has just written.
    is_resting: bool,
    /// Grows when everything in memory is thrown away.
    incarnation: u64,
    flushed: Option<oneshot::Sender<()>>,
}

/// Tells the log whose records to write from now on. Two nodes may have the same source for a while: each entry is
/// written once all the same.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub struct SetSources(pub BTreeSet<ShardRef>);

/// Asks the log to write what it has, and to say when that is done.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub struct Flush(pub oneshot::Sender<()>);

impl LogActor {
    /// A log actor over this store, for these sources. `if_ahead` says what to do if the log is found to be ahead of a
    /// journal.
    #[must_use]
    pub fn new(
        env: Env,
        log: Arc<dyn ActivityLog>,
        sources: BTreeSet<ShardRef>,
        if_ahead: &'static str,
    ) -> Self {
        Self {
            env,
            log,
            sources,
            if_ahead,
            inlets: BTreeMap::new(),
            pending: Vec::new(),
            held: BTreeMap::new(),
            is_open: false,
            is_writing: false,
            is_resting: false,
            incarnation: 0,
            flushed: None,
        }
    }

    /// Begins anew from the watermarks that the store has.
    fn load(&mut self, ctx: &mut Context<Self>) {
        self.incarnation += 1;
        self.is_open = false;
        self.is_writing = false;
        self.is_resting = false;
        self.pending.clear();
        let incarnation = self.incarnation;
        let (log, journal) = (self.log.clone(), self.env.journal.clone());
        let sources: Vec<ShardRef> = self.sources.iter().copied().collect();
        let reading = async move {
            let mut watermarks: BTreeMap<ShardRef, u64> =
                log.watermarks().await?.into_iter().collect();
            // What was archived cannot be read any more: a log that is empty begins behind it.
            for (source, archived) in journal.archived(&sources).await? {
                let watermark = watermarks.entry(source).or_default();
                *watermark = archived.max(*watermark);
            }
            Ok((watermarks, last_positions(&*journal, &sources).await?))
        };
        ctx.spawn(reading.into_actor(self).map(move |read, this, ctx| {
            if this.incarnation != incarnation {
                return;
            }
            match read {
                Ok((watermarks, last_positions)) => this.open(&watermarks, &last_positions, ctx),
                Err(error) => {
                    tracing::warn!(%error, "the activity log cannot be read yet");
                    this.end_if_fatal(&error);
                    ctx.run_later(RETRY_AFTER, move |this, ctx| {
                        if this.incarnation == incarnation {
                            this.load(ctx);
                        }
                    });
                }
            }
        }));
    }

    fn open(
        &mut self,
        watermarks: &BTreeMap<ShardRef, u64>,
        last_positions: &BTreeMap<ShardRef, u64>,
        ctx: &mut Context<Self>,
    ) {
        self.inlets.clear();
        for &source in &self.sources {
            let watermark = watermarks.get(&source).copied().unwrap_or(0);
            let last_position = last_positions.get(&source).copied().unwrap_or(0);
            if watermark > last_position {
                (self.env.on_fatal)(format!(
                    "the activity log is ahead of the journal of {source}: it has been written up to position \
                     {watermark}, and the journal ends at {last_position}; {}",
                    self.if_ahead
                ));
                return;
            }
            self.inlets.insert(source, Inlet::new(watermark));
        }
        self.is_open = true;
        self.look_at_sources(ctx);
    }

    /// A device that fails is no reason to wait.
    fn end_if_fatal(&self, error: &StorageError) {
        if error.is_fatal() {
            (self.env.on_fatal)(error.to_string());
        }
    }

    /// Takes a record up if it is the next one. Returns `false` if there is no room for it.
    fn offer(&mut self, record: &Record) -> bool {
        let Some(inlet) = self.inlets.get_mut(&record.source) else {
            return true;
        };
        let has_room = self.pending.len() < PENDING_MAX;
        if !has_room {
            inlet.announce(record.position);
        } else if inlet.offer(record.position, record.prev) == Offer::Apply {
            self.pending.push(entry(record));
        }
        has_room
    }

    fn write(&mut self, ctx: &mut Context<Self>) {
        if self.is_writing || !self.is_open {
            return;
        }
        if self.pending.is_empty() {
            if let Some(flushed) = self.flushed.take() {
                let _ = flushed.send(());
            }
            return;
        }
        if self.is_resting && self.flushed.is_none() && self.pending.len() < BATCH_MAX {
            return;
        }
        self.is_writing = true;
        let rest = self.pending.split_off(BATCH_MAX.min(self.pending.len()));
        let entries = std::mem::replace(&mut self.pending, rest);
        let mut watermarks: BTreeMap<ShardRef, u64> = BTreeMap::new();
        for (source, position) in entries.iter().filter_map(|entry| entry.source) {
            watermarks.insert(source, position);
        }
        let watermarks: Vec<(ShardRef, u64)> = watermarks.into_iter().collect();
        let incarnation = self.incarnation;
        let log = self.log.clone();
        let writing = async move { log.append(entries, &watermarks).await };
        ctx.spawn(writing.into_actor(self).map(move |written, this, ctx| {
            if this.incarnation != incarnation {
                return;
            }
            this.is_writing = false;
            match written {
                Ok(()) => {
                    this.is_resting = true;
                    ctx.run_later(REST, move |this, ctx| {
                        if this.incarnation == incarnation {
                            this.is_resting = false;
                            this.write(ctx);
                        }
                    });
                    this.write(ctx);
                    this.heal_all(ctx);
                }
                Err(error) => {
                    tracing::warn!(%error, "the activity log cannot be written; it will catch up");
                    this.end_if_fatal(&error);
                    this.is_open = false;
                    ctx.run_later(RETRY_AFTER, move |this, ctx| {
                        if this.incarnation == incarnation {
                            this.load(ctx);
                        }
                    });
                }
            }
        }));
    }

    /// Heals what is behind, but not what is held: that would be read in vain after every write.
    fn heal_all(&mut self, ctx: &mut Context<Self>) {
        let sources: Vec<ShardRef> = (self.inlets.keys())
            .filter(|source| !self.held.contains_key(source))
            .copied()
            .collect();
        for source in sources {
            self.heal(source, ctx);
        }
    }

    fn heal(&mut self, source: ShardRef, ctx: &mut Context<Self>) {
        let has_room = self.pending.len() + READ_MAX <= PENDING_MAX;
        let Some(inlet) = self.inlets.get_mut(&source) else {
            return;
        };
        if !self.is_open || !has_room || !inlet.is_behind() {
            return;
        }
        let Some(after) = inlet.begin_healing() else {
            return;
        };
        let incarnation = self.incarnation;
        let journal = self.env.journal.clone();
        let reading = async move { journal.read(source, after, READ_MAX).await };
        ctx.spawn(reading.into_actor(self).map(move |read, this, ctx| {
            if this.incarnation == incarnation {
                this.healed(source, read, ctx);
            }
        }));
    }

    fn healed(
        &mut self,
        source: ShardRef,
        read: Result<Vec<StoredRecord>, StorageError>,
        ctx: &mut Context<Self>,
    ) {
        let has_all = match read {
            Ok(records) => {
                let reached_the_end = records.len() < READ_MAX;
                self.take_up(source, records) && reached_the_end
            }
            Err(error) => {
                tracing::warn!(%source, %error, "a journal cannot be read yet");
                self.end_if_fatal(&error);
                false
            }
        };
        if let Some(inlet) = self.inlets.get_mut(&source) {
            inlet.end_healing(has_all);
        }
        self.write(ctx);
    }

    /// Takes up what was read, as far as it goes. Returns whether nothing was left.
    fn take_up(&mut self, source: ShardRef, records: Vec<StoredRecord>) -> bool {
        for stored in records {
            let event = match decode(&stored.event_type, &stored.payload) {
                Ok(event) => event,
                Err(error) => {
                    if self.held.insert(source, stored.position) != Some(stored.position) {
                        tracing::error!(%source, stored.position, %error, "a record cannot be decoded and holds its link to the activity log");
                    }
                    return false;
                }
            };
            let has_room = self.offer(&Record {
                source,
                position: stored.position,
                prev: stored.position.saturating_sub(1),
                aggregate_id: stored.aggregate_id,
                time: stored.time,
                event: Arc::new(event),
                trace: stored.trace,
            });
            if !has_room {
                return false;
            }
        }
        self.held.remove(&source);
        true
    }

    /// Asks what every source has recorded, so that a lost last record is noticed.
    fn look_at_sources(&mut self, ctx: &mut Context<Self>) {
        if !self.is_open {
            return;
        }
        let sources: Vec<ShardRef> = self.inlets.keys().copied().collect();
        let incarnation = self.incarnation;
        let journal = self.env.journal.clone();
        let reading = async move { last_positions(&*journal, &sources).await };
        ctx.spawn(reading.into_actor(self).map(move |read, this, ctx| {
            if this.incarnation != incarnation {
                return;
            }
            match read {
                Ok(last_positions) => {
                    for (source, last_position) in last_positions {
                        if let Some(inlet) = this.inlets.get_mut(&source) {
                            inlet.announce(last_position);
                        }
                        this.heal(source, ctx);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the heads of the journals cannot be read yet");
                    this.end_if_fatal(&error);
                }
            }
        }));
    }
}

/// Where these journals end. One that is left out has nothing.
async fn last_positions(
    journal: &dyn Journal,
    sources: &[ShardRef],
) -> Result<BTreeMap<ShardRef, u64>, StorageError> {
    let heads = journal.heads(sources).await?;
    Ok(heads
        .into_iter()
        .map(|(source, head)| (source, head.last_position))
        .collect())
}

impl Actor for LogActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
        ctx.run_interval(TICK, Self::look_at_sources);
        self.load(ctx);
    }
}

impl Drop for LogActor {
    fn drop(&mut self) {
        self.env.ended("the actor of the activity log");
    }
}

impl Handler<Deliver> for LogActor {
    type Result = ();

    fn handle(&mut self, delivery: Deliver, ctx: &mut Self::Context) {
        if !self.is_open {
            return;
        }
        for record in &delivery.records {
            self.offer(record);
        }
        if let Some(inlet) = self.inlets.get_mut(&delivery.source) {
            inlet.announce(delivery.announced);
        }
        if !self.held.contains_key(&delivery.source) {
            self.heal(delivery.source, ctx);
        }
        self.write(ctx);
    }
}

impl Handler<SetSources> for LogActor {
    type Result = ();

    fn handle(&mut self, SetSources(sources): SetSources, ctx: &mut Self::Context) {
        if self.sources != sources {
            self.sources = sources;
            self.held.clear();
            self.load(ctx);
        }
    }
}

impl Handler<Flush> for LogActor {
    type Result = ();

    fn handle(&mut self, flush: Flush, ctx: &mut Self::Context) {
        self.flushed = Some(flush.0);
        self.write(ctx);
    }
}
