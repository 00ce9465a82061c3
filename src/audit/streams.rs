//! Journals, orders with their histories, and the tables that grow with the orders, all read at one pace.
//!
//! The checks keep what they have heard from one stream until its counterpart comes from another. So always that stream
//! is read on which is furthest behind in time, and what has to be kept is what happened meanwhile.

use domain::{
    Domain, ShardRef, Timestamp,
    invariants::{Checker, Invariant, Place, Retained, Scope, Since},
};
use storage::{Snapshot, StorageError, StoredRecord};

use super::{PAGE, rows};
use crate::progress::Progress;

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

/// Reads all of them. Gives the most that the checks have kept at one time.
pub(super) async fn read(
    store: &mut dyn Snapshot,
    scope: &Scope,
    checker: &mut Checker,
    progress: &Progress,
) -> Result<Retained, StorageError> {
    let mut retained = Retained::default();
    let heads = store.heads().await?;
    let topology = store.topology();
    let mut shards: Vec<ShardRef> = topology.journals().collect();
    // A journal that should not be there has a head that should not be there.
    let strangers = heads.iter().map(|(shard, _)| *shard);
    shards.extend(strangers.filter(|shard| shard.shard >= topology.shards(shard.domain)));
    shards.retain(|shard| scope.has_journal(*shard, |product| topology.owner_of_product(product)));
    for (shard, head) in &heads {
        if shards.contains(shard) {
            let records = head
                .last_position
                .saturating_sub(scope.begins_after(*shard));
            // The records of orders are read once more, order by order.
            let times = 1 + u64::from(shard.domain == Domain::Orders);
            progress.expect(records * times);
        }
    }
    let journals = shards.into_iter().map(|shard| Source::Journal {
        shard,
        after: scope.begins_after(shard),
    });
    // Orders before this one do not count.
    let first = scope.since.as_ref().map_or(1, Since::first_order);
    let mut others = vec![
        Source::Orders {
            after: (first > 1).then(|| just_before(first)),
        },
        Source::OrderRows { after: first - 1 },
    ];
    if scope.products.is_none() {
        others.push(Source::NotificationRows { after: 0 });
    }
    let mut streams: Vec<Stream> = journals
        .chain(others)
        .map(|source| Stream {
            source,
            reached: Timestamp::from_millis(i64::MIN),
        })
        .collect();
    // How far the two that go by orders have come.
    let (mut histories_to, mut rows_to) = (0, 0);
    while let Some(index) = (0..streams.len()).min_by_key(|index| streams[*index].reached) {
        let stream = &mut streams[index];
        let read = stream.read_on(store, scope, checker, progress).await;
        match &stream.source {
            Source::Orders { after: Some(last) } => {
                histories_to = last.aggregate_id.saturating_sub(1)
            }
            Source::OrderRows { after } => rows_to = *after,
            _ => {}
        }
        checker.orders_come_to(histories_to.min(rows_to));
        retained = retained.max(checker.retained());
        match read {
            Ok(true) => {}
            Ok(false) => {
                match stream.source {
                    Source::Orders { .. } => histories_to = u64::MAX - 1,
                    Source::OrderRows { .. } => rows_to = u64::MAX,
                    _ => {}
                }
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
    checker.journals_end();
    Ok(retained)
}

/// A record behind which all records of this order and the later ones lie.
fn just_before(order: u64) -> StoredRecord {
    StoredRecord {
        shard: ShardRef {
            domain: Domain::Orders,
            shard: 0,
        },
        position: 0,
        aggregate_id: order - 1,
        seq: u64::from(u32::MAX),
        time: Timestamp::default(),
        event_type: String::new(),
        payload: Vec::new(),
        stamps: Vec::new(),
        trace: None,
    }
}

impl Stream {
    /// Reads a page; whether there may be more.
    async fn read_on(
        &mut self,
        store: &mut dyn Snapshot,
        scope: &Scope,
        checker: &mut Checker,
        progress: &Progress,
    ) -> Result<bool, StorageError> {
        let (read, reached) = match &mut self.source {
            Source::Journal { shard, after } => {
                let page = store.records(*shard, *after, PAGE).await?;
                progress.done(page.len());
                for record in &page {
                    tell_in_order(record, checker);
                }
                let last = page.last();
                *after = last.map_or(*after, |record| record.position);
                (page.len(), last.map(|record| record.time))
            }
            Source::Orders { after } => {
                let mut page = store.order_records(after.as_ref(), PAGE).await?;
                progress.done(page.len());
                for record in &page {
                    tell_of_order(record, checker);
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
                    rows::order(row, scope, checker);
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
                    rows::notification(row, scope, checker);
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

/// Tells the checks where the next record of a shard stands, and what it says.
fn tell_in_order(record: &StoredRecord, checker: &mut Checker) {
    let place = place(record);
    checker.place(&place);
    match proto::decode(&record.event_type, &record.payload) {
        Ok(event) if place.shard.domain == Domain::Orders => checker.order_record(&place, &event),
        Ok(event) => checker.event(&place, &event),
        // That is told once, where orders are read order by order.
        Err(_) if place.shard.domain == Domain::Orders => {}
        Err(error) => undecodable(&place, &error, checker),
    }
}

/// Tells the checks what the next record of an order says.
fn tell_of_order(record: &StoredRecord, checker: &mut Checker) {
    let place = place(record);
    match proto::decode(&record.event_type, &record.payload) {
        Ok(event) => checker.event(&place, &event),
        Err(error) => undecodable(&place, &error, checker),
    }
}

fn undecodable(place: &Place, error: &proto::DecodeError, checker: &mut Checker) {
    checker.check(Invariant::I9, false, || {
        format!("{place} cannot be decoded: {error}")
    });
}

/// Where a record stands.
pub(super) fn place(record: &StoredRecord) -> Place {
    let stamps = record.stamps.iter();
    Place {
        shard: record.shard,
        position: record.position,
        aggregate_id: record.aggregate_id,
        seq: record.seq,
        time: record.time,
        links: stamps.map(|stamp| (stamp.target, stamp.prev)).collect(),
    }
}
