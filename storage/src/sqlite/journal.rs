//! [`Journal`] on SQLite.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use domain::{
    Domain, OrderId, ProductId, ShardRef, Timestamp, UserId, orders::Order, products::Product,
    users::User,
};
use engine::Head;
use rusqlite::params;
use sqlx::AssertSqlSafe;

use super::{
    archive, decode, errors,
    reads::{read_heads, read_records},
    store::SqliteStore,
    transaction::Transaction,
};
use crate::{
    Batch, Journal, Key, KeyRecord, ParkedRow, StorageError, StoredRecord, kept::Kept, links,
};

#[async_trait]
impl Journal for SqliteStore {
    async fn claim(
        &self,
        shard: ShardRef,
        owner: &str,
        expected: Option<u64>,
    ) -> Result<Head<ShardRef>, StorageError> {
        if shard.shard >= self.topology.shards(shard.domain) {
            return Err(StorageError::Mismatch(format!("it has no shard {shard}")));
        }
        let epoch = self.raise_epoch(shard, owner, expected).await?;
        let mut heads = self.heads(&[shard]).await?;
        match heads.pop() {
            Some((_, head)) if head.epoch == epoch => Ok(head),
            _ => Err(StorageError::HeadMoved { shard }),
        }
    }

    async fn commit(&self, batch: &Arc<Batch>) -> Result<(), StorageError> {
        self.commit_batch(batch).await
    }

    async fn read_link(
        &self,
        source: ShardRef,
        target: ShardRef,
        after: u64,
        limit: usize,
    ) -> Result<(Vec<StoredRecord>, bool), StorageError> {
        // Nothing for the target stands behind the last position sent to it, so the rest of the journal is not read.
        let sql = format!(
            "SELECT {} FROM journal WHERE domain = ?1 AND shard = ?2 AND position > ?3 \
             AND position <= (SELECT sent FROM link WHERE domain = ?1 AND shard = ?2 \
             AND peer_domain = ?4 AND peer_shard = ?5) \
             AND instr(links, ?6) > 0 ORDER BY position LIMIT ?7",
            decode::RECORD
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(source.domain.code())
            .bind(source.shard)
            .bind(after.cast_signed())
            .bind(target.domain.code())
            .bind(target.shard)
            .bind(links::needle(target))
            .bind(limit_of(limit.saturating_add(1)))
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(errors::classify)?;
        let reached_the_end = rows.len() <= limit;
        let records = rows
            .iter()
            .take(limit)
            .map(decode::record)
            .collect::<Result<_, _>>()?;
        Ok((records, reached_the_end))
    }

    async fn read(
        &self,
        source: ShardRef,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredRecord>, StorageError> {
        read_records(&mut *self.reader().await?, source, after, limit).await
    }

    async fn heads(
        &self,
        shards: &[ShardRef],
    ) -> Result<Vec<(ShardRef, Head<ShardRef>)>, StorageError> {
        let mut all: HashMap<_, _> = read_heads(&mut *self.reader().await?)
            .await?
            .into_iter()
            .map(|(shard, _, head)| (shard, head))
            .collect();
        Ok(shards
            .iter()
            .filter_map(|shard| all.remove_entry(shard))
            .collect())
    }

    async fn archived(&self, shards: &[ShardRef]) -> Result<Vec<(ShardRef, u64)>, StorageError> {
        let marks = archive::read_archived(&mut *self.reader().await?).await?;
        let of_these = marks.iter().filter(|mark| shards.contains(&mark.shard));
        Ok(of_these.map(|mark| (mark.shard, mark.position)).collect())
    }

    async fn load_orders(&self, ids: &[OrderId]) -> Result<Vec<(Order, u64)>, StorageError> {
        self.load("orders", ids.iter().map(|id| id.get())).await
    }

    async fn load_products(&self, ids: &[ProductId]) -> Result<Vec<(Product, u64)>, StorageError> {
        self.load("products", ids.iter().map(|id| id.get())).await
    }

    async fn load_users(&self, ids: &[UserId]) -> Result<Vec<(User, u64)>, StorageError> {
        self.load("users", ids.iter().map(|id| id.get())).await
    }

    async fn find_keys(&self, keys: &[Key]) -> Result<Vec<KeyRecord>, StorageError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let wanted = serde_json::Value::from_iter(keys.iter().map(|key| {
            serde_json::Value::from_iter([
                serde_json::Value::from(key.shard.domain.code()),
                serde_json::Value::from(key.text.as_str()),
            ])
        }));
        let sql = "SELECT w.key, k.aggregate_id, k.fingerprint, k.expires_at_ms FROM json_each(?) w \
                   CROSS JOIN keys k ON k.domain = w.value ->> 0 AND k.text = w.value ->> 1";
        let rows = sqlx::query(sql)
            .bind(wanted.to_string())
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(errors::classify)?;
        rows.iter()
            .filter_map(|row| {
                let index = decode::get::<i64>(row, 0).ok()?;
                Some((keys.get(usize::try_from(index).ok()?)?, row))
            })
            .map(|(key, row)| {
                Ok(KeyRecord {
                    key: key.clone(),
                    owner: decode::key_owner(row, 1)?,
                })
            })
            .collect()
    }

    async fn purge_keys(&self, now: Timestamp, limit: usize) -> Result<u64, StorageError> {
        // Domain by domain: only so does SQLite look each key up.
        let sql = "DELETE FROM keys WHERE domain = ?1 AND text IN \
                   (SELECT text FROM keys WHERE domain = ?1 AND expires_at_ms <= ?2 LIMIT ?3)";
        let work = move |transaction: &mut Transaction<'_>| {
            let mut purged = 0;
            for domain in Domain::ALL {
                let left = limit_of(limit).saturating_sub_unsigned(purged);
                purged +=
                    transaction.execute(sql, params![domain.code(), now.as_millis(), left])?;
            }
            Ok(purged)
        };
        self.writer.transact(work).await
    }

    async fn parked(&self, shard: ShardRef) -> Result<Vec<ParkedRow>, StorageError> {
        let sql = format!(
            "SELECT {} FROM parked WHERE domain = ? AND shard = ? ORDER BY id",
            decode::PARKED
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(shard.domain.code())
            .bind(shard.shard)
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(errors::classify)?;
        rows.iter().map(decode::parked).collect()
    }
}

impl SqliteStore {
    async fn raise_epoch(
        &self,
        shard: ShardRef,
        owner: &str,
        expected: Option<u64>,
    ) -> Result<u64, StorageError> {
        // A shard without a head has epoch 0. A later epoch of the same owner is an earlier attempt of its own, which
        // was committed although the caller did not learn of it.
        let sql = "INSERT INTO head (domain, shard, epoch, owner, last_position, revision, last_id) \
                   SELECT ?1, ?2, 1, ?3, 0, 0, 0 \
                   WHERE ?4 IS NULL OR ?4 = coalesce((SELECT epoch FROM head WHERE domain = ?1 AND shard = ?2), 0) \
                   OR EXISTS (SELECT 1 FROM head WHERE domain = ?1 AND shard = ?2 AND epoch > ?4 AND owner = ?3) \
                   ON CONFLICT (domain, shard) DO UPDATE SET epoch = epoch + 1, owner = excluded.owner \
                   RETURNING epoch";
        let owner = owner.to_owned();
        let work = move |transaction: &mut Transaction<'_>| {
            let (domain, number) = (shard.domain.code(), shard.shard);
            let expected = expected.map(u64::cast_signed);
            let epoch = transaction.number(sql, params![domain, number, owner, expected])?;
            epoch.ok_or(StorageError::HeadMoved { shard })
        };
        self.writer.transact(work).await
    }

    async fn load<T: Kept + Send + Unpin>(
        &self,
        table: &'static str,
        ids: impl Iterator<Item = u64>,
    ) -> Result<Vec<(T, u64)>, StorageError> {
        let ids = serde_json::Value::from_iter(ids).to_string();
        let sql = format!(
            "SELECT t.id, t.version, t.state FROM json_each(?) w CROSS JOIN {table} t ON t.id = w.value"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(ids)
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(errors::classify)?;
        rows.iter()
            .map(|row| Ok((decode::state(row, 0, 2)?, decode::number(row, 1)?)))
            .collect()
    }
}

/// A number of rows as SQLite takes it.
pub(super) fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
