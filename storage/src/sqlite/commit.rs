//! One batch, one transaction.

use std::{collections::BTreeMap, sync::Arc};

use domain::{ShardRef, Topology};
use engine::ShardCommit;

use super::{eras::OrderEras, rows, store::SqliteStore, transaction::Transaction};
use crate::{Batch, KeyRecord, NewRecord, RowWrites, StorageError, kept::last_states};

pub(super) type Commit = ShardCommit<ShardRef, NewRecord>;

impl SqliteStore {
    /// Writes the batch or nothing.
    pub(super) async fn commit_batch(&self, batch: &Arc<Batch>) -> Result<(), StorageError> {
        if is_empty(batch) {
            return Ok(());
        }
        let (batch, topology) = (Arc::clone(batch), self.topology);
        let work = move |transaction: &mut Transaction<'_>| {
            write(transaction, &batch, &topology)?;
            transaction.fail_if_asked()
        };
        self.writer.transact(work).await
    }
}

/// Carries out the statements of the batch.
fn write(
    transaction: &mut Transaction<'_>,
    batch: &Batch,
    topology: &Topology,
) -> Result<(), StorageError> {
    let Batch { commits, rows } = batch;
    move_heads(transaction, commits)?;
    write_links(transaction, commits)?;
    let records = commits
        .iter()
        .flat_map(|commit| commit.records.iter().map(|record| (commit.shard, record)));
    transaction.write_rows(rows::JOURNAL, records, rows::record)?;
    write_states(transaction, rows, &OrderEras::of(commits, topology))?;
    write_keys(transaction, &rows.keys, time_of(batch))?;
    write_parked(transaction, rows)
}

fn write_states(
    transaction: &mut Transaction<'_>,
    writes: &RowWrites,
    eras: &OrderEras,
) -> Result<(), StorageError> {
    let orders = last_states(&writes.orders);
    transaction.write_rows(rows::ORDER, orders, |values, row| {
        rows::order(values, row, eras.of_new(row.0.id))
    })?;
    let products = last_states(&writes.products);
    transaction.write_rows(rows::PRODUCT, products, rows::product)?;
    let users = last_states(&writes.users);
    transaction.write_rows(rows::USER, users, rows::user)?;
    let notifications = last_states(&writes.notifications);
    transaction.write_rows(rows::NOTIFICATION, notifications, rows::notification)?;
    transaction.write_rows(rows::CREDENTIALS, &writes.credentials, rows::credentials)?;
    Ok(())
}

fn write_parked(transaction: &mut Transaction<'_>, writes: &RowWrites) -> Result<(), StorageError> {
    transaction.write_rows(rows::PARKED, &writes.parked, rows::parked)?;
    transaction.write_rows(rows::UNPARK, &writes.unparked, |values, &(shard, id)| {
        rows::at(values, shard)?.number(id)?;
        Ok(())
    })?;
    Ok(())
}

fn is_empty(batch: &Batch) -> bool {
    let RowWrites {
        orders,
        products,
        users,
        notifications,
        credentials,
        keys,
        parked,
        unparked,
    } = &batch.rows;
    batch.commits.is_empty()
        && orders.is_empty()
        && products.is_empty()
        && users.is_empty()
        && notifications.is_empty()
        && credentials.is_empty()
        && keys.is_empty()
        && parked.is_empty()
        && unparked.is_empty()
}

/// The time of the batch: that of its newest record. Without records there is none, and no key has expired by then.
fn time_of(batch: &Batch) -> i64 {
    batch
        .commits
        .iter()
        .flat_map(|commit| &commit.records)
        .map(|record| record.payload.time.as_millis())
        .max()
        .unwrap_or(i64::MIN)
}

/// The fence: every head must have the epoch, the revision and the position from which the batch was made.
fn move_heads(transaction: &mut Transaction<'_>, commits: &[Commit]) -> Result<(), StorageError> {
    let mut statement = transaction.prepare(rows::HEAD)?;
    for commit in commits {
        let moved = transaction.write_row(&mut statement, |values| {
            rows::at(values, commit.shard)?
                .number(commit.epoch)?
                .number(commit.revision)?
                .number(commit.last_position)?
                .number(commit.last_id)?
                .number(position_before(commit))?;
            Ok(())
        })?;
        if moved == 0 {
            let shard = commit.shard;
            return Err(StorageError::HeadMoved { shard });
        }
    }
    Ok(())
}

/// The position of the shard's newest record before the commit.
fn position_before(commit: &Commit) -> u64 {
    commit
        .last_position
        .wrapping_sub(commit.records.len() as u64)
}

/// Links that have moved, sent and applied in one row.
fn write_links(transaction: &mut Transaction<'_>, commits: &[Commit]) -> Result<(), StorageError> {
    let mut links: BTreeMap<(ShardRef, ShardRef), (u64, u64)> = BTreeMap::new();
    for commit in commits {
        for (&peer, &sent) in &commit.sent {
            links.entry((commit.shard, peer)).or_default().0 = sent;
        }
        for (&peer, &watermark) in &commit.watermarks {
            links.entry((commit.shard, peer)).or_default().1 = watermark;
        }
    }
    transaction.write_rows(
        rows::LINK,
        links,
        |values, ((shard, peer), (sent, watermark))| {
            rows::at(rows::at(values, shard)?, peer)?
                .number(sent)?
                .number(watermark)?;
            Ok(())
        },
    )?;
    Ok(())
}

/// Takes keys. One that another aggregate owns and that has not expired is not written, and the count tells.
fn write_keys(
    transaction: &mut Transaction<'_>,
    keys: &[KeyRecord],
    taken_at_ms: i64,
) -> Result<(), StorageError> {
    let taken = transaction.write_rows(rows::KEY, keys, |values, key| {
        rows::key(values, key, taken_at_ms)
    })?;
    if taken == keys.len() as u64 {
        Ok(())
    } else {
        Err(StorageError::Conflict(format!(
            "{} of {} keys belong to another aggregate",
            keys.len() as u64 - taken,
            keys.len()
        )))
    }
}
