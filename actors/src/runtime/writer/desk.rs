//! Where shards hand over what they have decided, and where the writer finds it.
//!
//! A shard gathers its turns itself, under a lock that is held for moments: so their records have their positions at
//! once, and run ahead to the shards of the same writer from where they were decided, without a way over the writer's
//! thread.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::ShardRef;
use engine::{StampedRecord, Writer};
use tokio::sync::Notify;

use crate::{
    Unavailable,
    runtime::{
        Faults,
        messages::{Companion, Deliver, Entry, Payload, Record},
    },
    transport::Inbox,
};

/// What one writer and its shards share.
pub(super) struct Desk {
    gathering: Mutex<Gathering>,
    /// Something was gathered, or a shard is to be closed.
    pub(super) called: Notify,
    faults: Faults,
}

/// What is gathered, and where records run ahead to.
#[derive(Default)]
pub(super) struct Gathering {
    pub(super) engine: Writer<ShardRef, Payload, Companion>,
    pub(super) inboxes: BTreeMap<ShardRef, Inbox>,
}

impl Desk {
    /// Held for moments, and never while anything is awaited.
    pub(super) fn lock(&self) -> MutexGuard<'_, Gathering> {
        self.gathering
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where turns are handed to the writer. What waits there is bounded by the turns that shards let in.
#[derive(Clone)]
pub struct WriterHandle {
    pub(super) desk: Arc<Desk>,
}

impl WriterHandle {
    /// The handle of a writer that is to be started. Until then every shard is closed.
    #[must_use]
    pub fn new(faults: Faults) -> Self {
        Self {
            desk: Arc::new(Desk {
                gathering: Mutex::default(),
                called: Notify::new(),
                faults,
            }),
        }
    }

    /// Hands over the turns of one shard, in order, and has their records run ahead to the shards of this writer.
    pub fn submit(&self, entries: Vec<Entry>) {
        let mut refused = Vec::new();
        let mut ahead = BTreeMap::new();
        let mut locked = self.desk.lock();
        let Gathering { engine, inboxes } = &mut *locked;
        for entry in entries {
            let source = entry.shard;
            match engine.submit(entry) {
                Ok(records) => {
                    for record in records {
                        sort(&mut ahead, source, record);
                    }
                }
                Err(companion) => refused.push(companion),
            }
        }
        let term = engine.term();
        let ahead: Vec<_> = ahead
            .into_iter()
            .filter_map(|((source, target), records)| {
                engine.epoch(target)?;
                Some((inboxes.get(&target)?.clone(), source, records))
            })
            .collect();
        drop(locked);
        self.desk.called.notify_one();
        for companion in refused {
            refuse(companion);
        }
        for (inbox, source, records) in ahead {
            let records = self.desk.faults.on_feed(records);
            if !records.is_empty() {
                // What does not fit is told of after the commit, and read from the journal.
                drop(inbox.try_send(Deliver {
                    source,
                    records,
                    announced: 0,
                    term: Some(term),
                }));
            }
        }
    }

    /// Has shards opened anew, because their actors were replaced.
    pub fn replaced(&self, shards: Vec<ShardRef>) {
        let mut locked = self.desk.lock();
        for shard in shards {
            locked.engine.seal(shard);
        }
        drop(locked);
        self.desk.called.notify_one();
    }
}

/// Sorts a record by the links on which it runs ahead.
fn sort(
    ahead: &mut BTreeMap<(ShardRef, ShardRef), Vec<Record>>,
    source: ShardRef,
    stamped: &StampedRecord<ShardRef, Payload>,
) {
    let record = &stamped.payload.record;
    for stamp in &stamped.stamps {
        let records = ahead.entry((source, stamp.target)).or_default();
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

/// Tells whoever waits for an entry that it was dropped.
pub(super) fn refuse(companion: Companion) {
    if let Some(completion) = companion.completion {
        completion(Err(Unavailable::CommitFailed));
    }
}
