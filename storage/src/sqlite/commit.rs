//! One batch, one transaction.

use std::collections::{BTreeMap, HashMap};

use domain::ShardRef;
use engine::ShardCommit;

use super::{
    bind::Values, eras::OrderEras, insert::ManyRows, rows, store::SqliteStore,
    writer::WriteTransaction,
};
use crate::{Batch, Journal, KeyRecord, NewRecord, RowWrites, StorageError, kept::last_states};

pub(super) type Commit = ShardCommit<ShardRef, NewRecord>;

impl SqliteStore {
    /// Writes the batch or nothing.
    pub(super) async fn commit_batch(&self, batch: &Batch) -> Result<(), StorageError> {
        if is_empty(batch) {
            return Ok(());
        }
        let mut transaction = self.writer.begin().await?;
        let heads = &self.statements.heads;
        let written = match move_heads(&mut transaction, heads, &batch.commits).await {
            Ok(true) => self.write(&mut transaction, batch).await,
            Ok(false) => {
                transaction.rollback().await;
                return Err(self.find_moved(&batch.commits).await?);
            }
            Err(error) => Err(error),
        };
        transaction.end(written).await
    }

    /// Carries out the statements of the batch after the heads were moved.
    async fn write(
        &self,
        transaction: &mut WriteTransaction<'_>,
        batch: &Batch,
    ) -> Result<(), StorageError> {
        let statements = &self.statements;
        write_links(transaction, &statements.links, &batch.commits).await?;
        let records = batch
            .commits
            .iter()
            .flat_map(|commit| commit.records.iter().map(|record| (commit.shard, record)))
            .collect::<Vec<_>>();
        transaction
            .write_rows(
                &statements.journal,
                records.into_iter(),
                |values, (shard, record)| rows::record(values, shard, record),
            )
            .await?;
        self.write_states(transaction, batch).await?;
        let keys = &batch.rows.keys;
        write_keys(transaction, &statements.keys, keys, time_of(batch)).await?;
        self.write_parked(transaction, &batch.rows).await
    }

    async fn write_states(
        &self,
        transaction: &mut WriteTransaction<'_>,
        batch: &Batch,
    ) -> Result<(), StorageError> {
        let (statements, rows) = (&self.statements, &batch.rows);
        let eras = OrderEras::of(&batch.commits, &self.topology);
        let orders = last_states(&rows.orders);
        transaction
            .write_rows(&statements.orders, orders, |values, row| {
                rows::order(values, row, eras.of_new(row.0.id))
            })
            .await?;
        let products = last_states(&rows.products);
        transaction
            .write_rows(&statements.products, products, rows::product)
            .await?;
        let users = last_states(&rows.users);
        transaction
            .write_rows(&statements.users, users, rows::user)
            .await?;
        let notifications = last_states(&rows.notifications);
        transaction
            .write_rows(&statements.notifications, notifications, rows::notification)
            .await?;
        let credentials = rows.credentials.iter();
        transaction
            .write_rows(&statements.credentials, credentials, rows::credentials)
            .await?;
        Ok(())
    }

    async fn write_parked(
        &self,
        transaction: &mut WriteTransaction<'_>,
        rows: &RowWrites,
    ) -> Result<(), StorageError> {
        let parked = rows.parked.iter();
        transaction
            .write_rows(&self.statements.parked, parked, rows::parked)
            .await?;
        for &(shard, id) in &rows.unparked {
            let mut values = Values::default();
            rows::at(&mut values, shard)?.number(id)?;
            transaction
                .execute(&self.statements.unpark, values.into_arguments())
                .await?;
        }
        Ok(())
    }

    /// Names the shard whose head is not as the batch expected it.
    async fn find_moved(&self, commits: &[Commit]) -> Result<StorageError, StorageError> {
        let shards: Vec<_> = commits.iter().map(|commit| commit.shard).collect();
        let heads: HashMap<_, _> = self.heads(&shards).await?.into_iter().collect();
        let moved = commits.iter().find(|commit| {
            heads.get(&commit.shard).is_none_or(|head| {
                (head.epoch, head.revision, head.last_position)
                    != (commit.epoch, commit.revision, position_before(commit))
            })
        });
        Ok(match moved {
            Some(commit) => StorageError::HeadMoved {
                shard: commit.shard,
            },
            None => StorageError::Unavailable("a head moved for a moment".to_owned()),
        })
    }
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
async fn move_heads(
    transaction: &mut WriteTransaction<'_>,
    statement: &ManyRows,
    commits: &[Commit],
) -> Result<bool, StorageError> {
    let moved = transaction
        .write_rows(statement, commits.iter(), |values, commit| {
            rows::at(values, commit.shard)?
                .number(commit.epoch)?
                .number(commit.revision)?
                .number(commit.last_position)?
                .number(commit.last_id)?
                .number(position_before(commit))?;
            Ok(())
        })
        .await?;
    Ok(moved == commits.len() as u64)
}

/// The position of the shard's newest record before the commit.
fn position_before(commit: &Commit) -> u64 {
    commit
        .last_position
        .wrapping_sub(commit.records.len() as u64)
}

/// Links that have moved, sent and applied in one row.
async fn write_links(
    transaction: &mut WriteTransaction<'_>,
    statement: &ManyRows,
    commits: &[Commit],
) -> Result<(), StorageError> {
    let mut links: BTreeMap<(ShardRef, ShardRef), (u64, u64)> = BTreeMap::new();
    for commit in commits {
        for (&peer, &sent) in &commit.sent {
            links.entry((commit.shard, peer)).or_default().0 = sent;
        }
        for (&peer, &watermark) in &commit.watermarks {
            links.entry((commit.shard, peer)).or_default().1 = watermark;
        }
    }
    transaction
        .write_rows(
            statement,
            links.into_iter(),
            |values, ((shard, peer), (sent, watermark))| {
                rows::at(rows::at(values, shard)?, peer)?
                    .number(sent)?
                    .number(watermark)?;
                Ok(())
            },
        )
        .await?;
    Ok(())
}

/// Takes keys. One that another aggregate owns and that has not expired is not written, and the count tells.
async fn write_keys(
    transaction: &mut WriteTransaction<'_>,
    statement: &ManyRows,
    keys: &[KeyRecord],
    taken_at_ms: i64,
) -> Result<(), StorageError> {
    let taken = transaction
        .write_rows(statement, keys.iter(), |values, key| {
            rows::key(values, key, taken_at_ms)
        })
        .await?;
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
