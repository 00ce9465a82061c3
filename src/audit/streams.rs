//! Journals, orders with their histories, and the tables that grow with the orders, all read at one pace.
//!
//! The checks keep what they have heard from one stream until its counterpart comes from another. So always that stream
//! is read on which is furthest behind in time, and what has to be kept is what happened meanwhile.

use domain::{
    Domain, ShardRef, Timestamp,
    invariants::{Checker, Invariant, Place},
};
use storage::{Snapshot, StorageError, StoredRecord};

use super::{PAGE, rows};

/// Something that is read from its beginning to its end.
enum Source {
    /// A journal, in the order of positions.
    Journal { shard: ShardRef, after: u64 },
    /// What happened to each order, order by order.
    Orders { after: Option<StoredRecord> },
    /// The orders' rows, by id.
    OrderRows { after: u64 },
    /// The notifications' rows, by id.
    NotificationRows { after: u64 },
}

struct Stream {
    source: Source,
    /// The time it has come to.
    reached: Timestamp,
}

/// Reads all of them.
pub(super) async fn read(
    store: &mut dyn Snapshot,
    checker: &mut Checker,
) -> Result<(), StorageError> {
    let mut shards: Vec<ShardRef> = store.topology().journals().collect();
    // A journal that should not be there has a head that should not be there.
    let heads = store.heads().await?.into_iter().map(|(shard, _)| shard);
    shards.extend(heads.filter(|shard| shard.shard >= store.topology().shards(shard.domain)));
    let journals = shards
        .into_iter()
        .map(|shard| Source::Journal { shard, after: 0 });
    let others = [
        Source::Orders { after: None },
        Source::OrderRows { after: 0 },
        Source::NotificationRows { after: 0 },
    ];
    let mut streams: Vec<Stream> = journals
        .chain(others)
        .map(|source| Stream {
            source,
            reached: Timestamp::from_millis(i64::MIN),
        })
        .collect();
    while let Some(index) = (0..streams.len()).min_by_key(|index| streams[*index].reached) {
        let stream = &mut streams[index];
        match stream.read_on(store, checker).await {
            Ok(true) => {}
            Ok(false) => {
                streams.swap_remove(index);
            }
            Err(StorageError::Damaged(why)) => {
                let (invariant, what) = stream.source.describe();
                checker.check(invariant, false, || {
                    format!("{what} cannot be read on: {why}")
                });
                streams.swap_remove(index);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl Stream {
    /// Reads a page; whether there may be more.
    async fn read_on(
        &mut self,
        store: &mut dyn Snapshot,
        checker: &mut Checker,
    ) -> Result<bool, StorageError> {
        let (read, reached) = match &mut self.source {
            Source::Journal { shard, after } => {
                let page = store.records(*shard, *after, PAGE).await?;
                for record in &page {
                    tell(record, shard.domain != Domain::Orders, true, checker);
                }
                let last = page.last();
                *after = last.map_or(*after, |record| record.position);
                (page.len(), last.map(|record| record.time))
            }
            Source::Orders { after } => {
                let mut page = store.order_records(after.as_ref(), PAGE).await?;
                for record in &page {
                    tell(record, true, false, checker);
                }
                let created = page.iter().rev().find(|record| record.seq == 1);
                let reached = created.map(|record| record.time);
                let read = page.len();
                *after = page.pop().or(after.take());
                (read, reached)
            }
            Source::OrderRows { after } => {
                let page = store.orders(*after, PAGE).await?;
                let read = page.len();
                let mut reached = None;
                for row in page {
                    *after = row.id;
                    reached = row
                        .state
                        .as_ref()
                        .ok()
                        .map(|order| order.created_at)
                        .or(reached);
                    rows::order(row, checker);
                }
                (read, reached)
            }
            Source::NotificationRows { after } => {
                let page = store.notifications(*after, PAGE).await?;
                let read = page.len();
                let mut reached = None;
                for row in page {
                    *after = row.id;
                    let state = row.state.as_ref().ok();
                    reached = state
                        .map(|notification| notification.created_at)
                        .or(reached);
                    rows::notification(row, checker);
                }
                (read, reached)
            }
        };
        if let Some(reached) = reached {
            self.reached = reached;
        }
        Ok(read == PAGE)
    }
}

impl Source {
    fn describe(&self) -> (Invariant, String) {
        match self {
            Self::Journal { shard, after } => (
                Invariant::I9,
                format!("the journal of {shard} after position {after}"),
            ),
            Self::Orders { after } => {
                let id = after.as_ref().map_or(0, |record| record.aggregate_id);
                (Invariant::I9, format!("the history of orders from {id} on"))
            }
            Self::OrderRows { after } => {
                (Invariant::I10, format!("the rows of orders after {after}"))
            }
            Self::NotificationRows { after } => (
                Invariant::I10,
                format!("the rows of notifications after {after}"),
            ),
        }
    }
}

/// Tells the checks what a record says, where it stands, or both.
fn tell(record: &StoredRecord, with_event: bool, with_place: bool, checker: &mut Checker) {
    let stamps = record.stamps.iter();
    let place = Place {
        shard: record.shard,
        position: record.position,
        aggregate_id: record.aggregate_id,
        seq: record.seq,
        time: record.time,
        links: stamps.map(|stamp| (stamp.target, stamp.prev)).collect(),
    };
    if with_place {
        checker.place(&place);
    }
    if with_event {
        match proto::decode(&record.event_type, &record.payload) {
            Ok(event) => checker.event(&place, &event),
            Err(error) => checker.check(Invariant::I9, false, || {
                format!("{place} cannot be decoded: {error}")
            }),
        }
    }
}
