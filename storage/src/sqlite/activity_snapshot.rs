//! One moment of an activity log, for `audit`.

use std::path::Path;

use domain::{ShardRef, Timestamp};
use sqlx::SqliteConnection;

use super::{ACTIVITY_FILE, activity, archive, decode, errors, journal::limit_of, open};
use crate::StorageError;

/// One moment of an activity log. To be taken before the one of the store: what is in the log then surely is in the
/// journals.
#[derive(Debug)]
pub struct ActivitySnapshot {
    connection: SqliteConnection,
}

impl ActivitySnapshot {
    /// Takes a snapshot of the activity log in this directory.
    ///
    /// # Errors
    /// [`StorageError::Mismatch`] if it has another schema, and whatever keeps the file from being read.
    pub async fn open(dir: &Path) -> Result<Self, StorageError> {
        let path = dir.join(ACTIVITY_FILE);
        let connection = open::begin_snapshot(&path, &open::ACTIVITY_MIGRATIONS).await?;
        Ok(Self { connection })
    }

    /// The watermark of each source shard.
    pub async fn watermarks(&mut self) -> Result<Vec<(ShardRef, u64)>, StorageError> {
        activity::read_watermarks(&mut self.connection).await
    }

    /// Before which time entries may have been removed with the records that they tell of; `None` if none were.
    pub async fn forgotten_before(&mut self) -> Result<Option<Timestamp>, StorageError> {
        archive::read_forgotten(&mut self.connection).await
    }

    /// How many entries there are from each source shard.
    pub async fn counts(&mut self) -> Result<Vec<(ShardRef, u64)>, StorageError> {
        let sql = "SELECT source_domain, source_shard, count(*) FROM activity \
                   WHERE source_domain IS NOT NULL GROUP BY source_domain, source_shard";
        let rows = sqlx::query(sql)
            .fetch_all(&mut self.connection)
            .await
            .map_err(errors::classify)?;
        rows.iter()
            .map(|row| Ok((decode::shard(row, 0)?, decode::number(row, 2)?)))
            .collect()
    }

    /// The sources of entries after this one, by shard and position.
    pub async fn sources(
        &mut self,
        after: Option<(ShardRef, u64)>,
        limit: usize,
    ) -> Result<Vec<(ShardRef, u64)>, StorageError> {
        let sql = "SELECT source_domain, source_shard, position FROM activity \
                   WHERE source_domain IS NOT NULL AND (source_domain, source_shard, position) > (?, ?, ?) \
                   ORDER BY source_domain, source_shard, position LIMIT ?";
        let rows = sqlx::query(sql)
            .bind(after.map_or(0, |(shard, _)| shard.domain.code()))
            .bind(after.map_or(0, |(shard, _)| shard.shard))
            .bind(after.map_or(0, |(_, position)| position.cast_signed()))
            .bind(limit_of(limit))
            .fetch_all(&mut self.connection)
            .await
            .map_err(errors::classify)?;
        rows.iter()
            .map(|row| Ok((decode::shard(row, 0)?, decode::number(row, 2)?)))
            .collect()
    }
}
