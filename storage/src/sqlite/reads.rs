//! What both the store and its snapshots read: records, histories and heads.

use domain::{OrderId, ShardRef};
use engine::Head;
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::{decode, errors, journal::limit_of};
use crate::{StorageError, StoredRecord};

/// Records of a shard after a position.
pub(super) async fn read_records(
    connection: &mut SqliteConnection,
    source: ShardRef,
    after: u64,
    limit: usize,
) -> Result<Vec<StoredRecord>, StorageError> {
    let sql = format!(
        "SELECT {} FROM journal WHERE domain = ? AND shard = ? AND position > ? ORDER BY position LIMIT ?",
        decode::RECORD
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(source.domain.code())
        .bind(source.shard)
        .bind(after.cast_signed())
        .bind(limit_of(limit))
        .fetch_all(connection)
        .await
        .map_err(errors::classify)?;
    rows.iter().map(decode::record).collect()
}

/// Records of an order after a number.
pub(super) async fn read_history(
    connection: &mut SqliteConnection,
    id: OrderId,
    after_seq: u64,
    limit: usize,
) -> Result<Vec<StoredRecord>, StorageError> {
    // The domain stands in the text because the index is of this domain alone.
    let sql = format!(
        "SELECT {} FROM journal WHERE domain = 2 AND aggregate_id = ? AND seq > ? \
         ORDER BY seq, shard, position LIMIT ?",
        decode::RECORD
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(id.get().cast_signed())
        .bind(after_seq.cast_signed())
        .bind(limit_of(limit))
        .fetch_all(connection)
        .await
        .map_err(errors::classify)?;
    rows.iter().map(decode::record).collect()
}

/// All heads with their owners, links included, from one statement and so of one moment.
pub(super) async fn read_heads(
    connection: &mut SqliteConnection,
) -> Result<Vec<(ShardRef, String, Head<ShardRef>)>, StorageError> {
    let sql = "SELECT h.domain, h.shard, h.owner, h.epoch, h.last_position, h.revision, h.last_id, \
               l.peer_domain, l.peer_shard, l.sent, l.watermark \
               FROM head h LEFT JOIN link l ON l.domain = h.domain AND l.shard = h.shard \
               ORDER BY h.domain, h.shard";
    let rows = sqlx::query(sql)
        .fetch_all(connection)
        .await
        .map_err(errors::classify)?;
    let mut heads: Vec<(ShardRef, String, Head<ShardRef>)> = Vec::new();
    for row in &rows {
        let shard = decode::shard(row, 0)?;
        if heads.last().is_none_or(|(last, ..)| *last != shard) {
            let head = Head {
                last_position: decode::number(row, 4)?,
                revision: decode::number(row, 5)?,
                last_id: decode::number(row, 6)?,
                ..Head::empty(decode::number(row, 3)?)
            };
            heads.push((shard, decode::get(row, 2)?, head));
        }
        let has_link = decode::get::<Option<i64>>(row, 7)?.is_some();
        if let (true, Some((.., head))) = (has_link, heads.last_mut()) {
            let peer = decode::shard(row, 7)?;
            let (sent, watermark) = (decode::number(row, 9)?, decode::number(row, 10)?);
            if sent > 0 {
                head.sent.insert(peer, sent);
            }
            if watermark > 0 {
                head.watermarks.insert(peer, watermark);
            }
        }
    }
    Ok(heads)
}
