//! What of a batch goes where: to storage, to the feed, to whoever waits.

use std::{collections::BTreeMap, sync::Arc};

use domain::{Event, ShardRef};
use engine::{ShardCommit, Ticket};
use storage::RowWrites;

use crate::{
    runtime::messages::{Companion, Payload, Row},
    transport::Committed,
};

/// The newest turn of each shard in a batch.
pub(super) fn newest_tickets(
    batch: &engine::Batch<ShardRef, Payload, Companion>,
) -> BTreeMap<ShardRef, Ticket> {
    let mut newest = BTreeMap::new();
    for companion in &batch.companions {
        newest.insert(companion.shard, companion.ticket);
    }
    newest
}

/// Parts what goes to storage from the events, which go to the feed with it after the commit.
pub(super) fn split(
    commits: Vec<ShardCommit<ShardRef, Payload>>,
) -> (storage::Batch, Vec<Vec<Arc<Event>>>) {
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
pub(super) fn committed(
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

pub(super) fn put(rows: &mut RowWrites, row: Row) {
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
