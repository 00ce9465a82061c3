//! What writers have committed and the publisher has not yet taken: shared by the two, never waited for.
//!
//! Memory is only a cache of the journal. Per shard it holds the newest records, contiguous and bounded; whatever is
//! not there is read from the journal by position.

use std::{
    borrow::Cow,
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use domain::{ShardRef, Timestamp};
use engine::Stamp;
use storage::{Published, StoredRecord, TraceContext};
use tokio::sync::Notify;

use crate::transport::Committed;

/// Records that are kept per shard at most.
const RECORDS_MAX: usize = 2_048;
/// Bytes of events that are kept per shard at most.
const BYTES_MAX: usize = 4 << 20;

/// A record on its way to its topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outgoing {
    pub(super) position: u64,
    pub(super) aggregate_id: u64,
    pub(super) time: Timestamp,
    pub(super) event_type: Cow<'static, str>,
    pub(super) payload: Vec<u8>,
    pub(super) stamps: Vec<Stamp<ShardRef>>,
    pub(super) trace: Option<TraceContext>,
}

impl From<Committed> for Outgoing {
    fn from(committed: Committed) -> Self {
        Self {
            position: committed.position,
            aggregate_id: committed.record.aggregate_id,
            time: committed.record.time,
            event_type: Cow::Borrowed(committed.record.event_type),
            payload: committed.record.payload,
            stamps: committed.stamps,
            trace: committed.record.trace,
        }
    }
}

impl From<StoredRecord> for Outgoing {
    fn from(stored: StoredRecord) -> Self {
        Self {
            position: stored.position,
            aggregate_id: stored.aggregate_id,
            time: stored.time,
            event_type: Cow::Owned(stored.event_type),
            payload: stored.payload,
            stamps: stored.stamps,
            trace: stored.trace,
        }
    }
}

/// The records of one shard that wait, and how far it has come.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Grows when the shard is opened after it was closed.
    pub(super) life: u64,
    pub(super) is_open: bool,
    /// The last position committed, as far as is known.
    pub(super) last: u64,
    /// How far the publisher has come.
    pub(super) reached: Published,
    /// What of it is stored.
    pub(super) stored: Published,
    pub(super) cached: VecDeque<Arc<Outgoing>>,
    pub(super) cached_bytes: usize,
}

impl Waiting {
    fn add(&mut self, record: Outgoing) {
        self.last = self.last.max(record.position);
        let follows = self
            .cached
            .back()
            .is_none_or(|newest| newest.position + 1 == record.position);
        if !follows {
            self.cached.clear();
            self.cached_bytes = 0;
        }
        self.cached_bytes += record.payload.len();
        self.cached.push_back(Arc::new(record));
        while self.cached.len() > RECORDS_MAX || self.cached_bytes > BYTES_MAX {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.cached.pop_front() {
            self.cached_bytes -= oldest.payload.len();
        }
    }

    /// The records after a position that memory has, at most so many, in order and contiguous.
    pub(super) fn after(&self, position: u64, limit: usize) -> Vec<Arc<Outgoing>> {
        let Some(first) = self.cached.front() else {
            return Vec::new();
        };
        let Some(index) = (position + 1).checked_sub(first.position) else {
            return Vec::new();
        };
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        self.cached
            .iter()
            .skip(index)
            .take(limit)
            .cloned()
            .collect()
    }

    /// Forgets what everybody has.
    pub(super) fn forget_up_to(&mut self, position: u64) {
        while self
            .cached
            .front()
            .is_some_and(|record| record.position <= position)
        {
            self.drop_oldest();
        }
    }
}

/// What waits, of all shards.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    shards: Mutex<BTreeMap<ShardRef, Waiting>>,
    /// Told when there is something for the publisher to do.
    pub(super) wake: Notify,
    /// Whether cursors are to be stored at once.
    pub(super) hurry: AtomicBool,
    pub(super) is_stopping: AtomicBool,
}

impl Backlog {
    pub(super) fn lock(&self) -> MutexGuard<'_, BTreeMap<ShardRef, Waiting>> {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn publish(&self, source: ShardRef, records: Vec<Committed>) {
        if let Some(waiting) = self.lock().get_mut(&source)
            && waiting.is_open
        {
            for record in records {
                waiting.add(record.into());
            }
        }
        self.wake.notify_one();
    }

    pub(super) fn opened(&self, shard: ShardRef, last_position: u64) {
        {
            let mut shards = self.lock();
            let waiting = shards.entry(shard).or_default();
            if waiting.is_open {
                waiting.last = waiting.last.max(last_position);
            } else {
                *waiting = Waiting {
                    life: waiting.life + 1,
                    is_open: true,
                    last: last_position,
                    ..Waiting::default()
                };
            }
        }
        self.wake.notify_one();
    }

    pub(super) fn closed(&self, shard: ShardRef) {
        if let Some(waiting) = self.lock().get_mut(&shard) {
            waiting.is_open = false;
            waiting.forget_up_to(u64::MAX);
        }
        self.wake.notify_one();
    }

    pub(super) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
        self.wake.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use domain::Domain;

    use super::*;

    const SHARD: ShardRef = ShardRef {
        domain: Domain::Orders,
        shard: 0,
    };

    fn record(position: u64) -> Outgoing {
        Outgoing {
            position,
            aggregate_id: 1,
            time: Timestamp::default(),
            event_type: Cow::Borrowed("order.created.v1"),
            payload: vec![0; 8],
            stamps: Vec::new(),
            trace: None,
        }
    }

    fn positions(records: &[Arc<Outgoing>]) -> Vec<u64> {
        records.iter().map(|record| record.position).collect()
    }

    #[test]
    fn memory_answers_only_for_what_follows_without_a_gap() {
        let mut waiting = Waiting::default();
        for position in 5..=8 {
            waiting.add(record(position));
        }
        assert_eq!(positions(&waiting.after(4, 10)), [5, 6, 7, 8]);
        assert_eq!(positions(&waiting.after(6, 1)), [7]);
        assert!(waiting.after(3, 10).is_empty(), "position 4 is missing");
        assert!(waiting.after(8, 10).is_empty());
        waiting.add(record(10));
        assert_eq!(positions(&waiting.after(9, 10)), [10]);
        assert!(waiting.after(7, 10).is_empty(), "position 9 is missing");
        assert_eq!(waiting.last, 10);
    }

    #[test]
    fn memory_is_bounded_and_keeps_the_newest() {
        let mut waiting = Waiting::default();
        let many = RECORDS_MAX as u64 + 10;
        for position in 1..=many {
            waiting.add(record(position));
        }
        assert_eq!(waiting.cached.len(), RECORDS_MAX);
        assert_eq!(positions(&waiting.after(many - 1, 10)), [many]);
        waiting.forget_up_to(many);
        assert_eq!(waiting.cached_bytes, 0);
    }

    #[test]
    fn a_shard_that_is_opened_again_begins_anew() {
        let backlog = Backlog::default();
        let seen = || {
            let shards = backlog.lock();
            (shards[&SHARD].life, shards[&SHARD].last)
        };
        backlog.opened(SHARD, 4);
        backlog.opened(SHARD, 6);
        assert_eq!(seen(), (1, 6));
        backlog.closed(SHARD);
        backlog.opened(SHARD, 9);
        assert_eq!(seen(), (2, 9));
    }
}
