//! [`Archive`] on SQLite.
//!
//! It has connections of its own, so it works on a store that a running shop writes to: both wait for each other, a
//! transaction at a time. What it writes to the write-ahead log it copies into the database itself.

use std::path::Path;

use async_trait::async_trait;
use domain::{ShardRef, Timestamp};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor, Sqlite, SqliteConnection, Transaction,
};

use super::{ACTIVITY_FILE, STORE_FILE, decode, errors, meta, open, options::WriterOptions};
use crate::{
    Archive, Archived, StorageError, StoredRecord,
    archive::{above_the_mark, beyond},
    links,
};

/// The journals and the activity log in a directory.
#[derive(Debug)]
pub struct SqliteArchive {
    store: SqliteConnection,
    log: SqliteConnection,
    incarnation: u64,
}

impl SqliteArchive {
    /// Opens the files in this directory.
    ///
    /// # Errors
    /// [`StorageError::Mismatch`] if they have another schema, and whatever keeps them from being opened.
    pub async fn open(dir: &Path) -> Result<Self, StorageError> {
        let (path, log_path) = (dir.join(STORE_FILE), dir.join(ACTIVITY_FILE));
        // Reading first: a file that is missing, or of another version, is not to be touched.
        for (path, migrations) in [
            (&path, &open::STORE_MIGRATIONS),
            (&log_path, &open::ACTIVITY_MIGRATIONS),
        ] {
            let reading = open::begin_snapshot(path, migrations).await?;
            reading.close().await.map_err(errors::classify)?;
        }
        let mut store = connect(dir, &path).await?;
        let log = connect(dir, &log_path).await?;
        let meta = meta::read(&mut store).await?;
        Ok(Self {
            store,
            log,
            incarnation: meta.incarnation,
        })
    }

    /// Closes the files.
    ///
    /// # Errors
    /// Whatever keeps them from being closed; nothing is lost by it.
    pub async fn close(self) -> Result<(), StorageError> {
        self.store.close().await.map_err(errors::classify)?;
        self.log.close().await.map_err(errors::classify)
    }
}

/// Opens either file so that what is committed is on the device: of the log too, because what is removed relies on it.
async fn connect(dir: &Path, path: &Path) -> Result<SqliteConnection, StorageError> {
    WriterOptions::of_store(path)
        .for_sqlx(false)
        .connect()
        .await
        .map_err(|error| errors::classify_open(error, dir))
}

#[async_trait]
impl Archive for SqliteArchive {
    fn store_id(&self) -> String {
        format!("{:016x}", self.incarnation)
    }

    async fn archived(&mut self) -> Result<Vec<Archived>, StorageError> {
        read_archived(&mut self.store).await
    }

    async fn set_archived(&mut self, archived: &[Archived]) -> Result<(), StorageError> {
        // The log first: what it says is that entries may be missing, which is no lie if they are not.
        let forgotten = archived.iter().filter(|mark| mark.position > 0);
        if let Some(before) = forgotten.map(|mark| mark.before).max() {
            let sql = "INSERT INTO forgotten (id, before_ms) VALUES (1, ?) \
                       ON CONFLICT (id) DO UPDATE SET before_ms = max(before_ms, excluded.before_ms)";
            sqlx::query(sql)
                .bind(before.as_millis())
                .execute(&mut self.log)
                .await
                .map_err(errors::classify)?;
        }
        let mut transaction = begin(&mut self.store).await?;
        for mark in archived {
            set_mark(&mut transaction, mark).await?;
        }
        commit(transaction).await
    }

    async fn forget(
        &mut self,
        shard: ShardRef,
        after: u64,
        up_to: u64,
    ) -> Result<u64, StorageError> {
        let marks = read_archived(&mut self.store).await?;
        let mark = marks.iter().find(|mark| mark.shard == shard);
        let up_to = up_to.min(mark.map_or(0, |mark| mark.position));
        let of_log = "DELETE FROM activity WHERE source_domain = ? AND source_shard = ? \
                      AND position > ? AND position <= ?";
        delete(&mut self.log, of_log, shard, (after, up_to)).await?;
        let of_journal = "DELETE FROM journal WHERE domain = ? AND shard = ? \
                          AND position > ? AND position <= ?";
        delete(&mut self.store, of_journal, shard, (after, up_to)).await
    }

    async fn put_back(&mut self, records: &[StoredRecord]) -> Result<u64, StorageError> {
        let marks = read_archived(&mut self.store).await?;
        let mut transaction = begin(&mut self.store).await?;
        let mut written = 0;
        for record in records {
            let mark = marks.iter().find(|mark| mark.shard == record.shard);
            if record.position > mark.map_or(0, |mark| mark.position) {
                return Err(above_the_mark(record.shard));
            }
            written += put_back(&mut transaction, record).await?;
        }
        commit(transaction).await?;
        copy_log(&mut self.store).await?;
        Ok(written)
    }
}

/// The mark of every journal that has one.
pub(super) async fn read_archived(
    connection: &mut SqliteConnection,
) -> Result<Vec<Archived>, StorageError> {
    let sql = "SELECT domain, shard, position, before_ms FROM archived ORDER BY domain, shard";
    let rows = sqlx::query(sql)
        .fetch_all(connection)
        .await
        .map_err(errors::classify)?;
    rows.iter()
        .map(|row| {
            Ok(Archived {
                shard: decode::shard(row, 0)?,
                position: decode::number(row, 2)?,
                before: decode::time(row, 3)?,
            })
        })
        .collect()
}

/// Before which time entries of the activity log may have been removed.
pub(super) async fn read_forgotten(
    connection: &mut SqliteConnection,
) -> Result<Option<Timestamp>, StorageError> {
    let before: Option<i64> = sqlx::query_scalar("SELECT before_ms FROM forgotten")
        .fetch_optional(connection)
        .await
        .map_err(errors::classify)?;
    Ok(before.map(Timestamp::from_millis))
}

async fn set_mark(
    transaction: &mut Transaction<'_, Sqlite>,
    mark: &Archived,
) -> Result<(), StorageError> {
    let (domain, shard) = (mark.shard.domain.code(), mark.shard.shard);
    if mark.position == 0 {
        let sql = "DELETE FROM archived WHERE domain = ? AND shard = ?";
        let query = sqlx::query(sql).bind(domain).bind(shard);
        let done = query.execute(&mut **transaction).await;
        return done.map(drop).map_err(errors::classify);
    }
    let sql = "INSERT INTO archived (domain, shard, position, before_ms) \
               SELECT domain, shard, ?3, ?4 FROM head \
               WHERE domain = ?1 AND shard = ?2 AND last_position >= ?3 \
               ON CONFLICT (domain, shard) DO UPDATE SET \
               position = excluded.position, before_ms = excluded.before_ms";
    let done = sqlx::query(sql)
        .bind(domain)
        .bind(shard)
        .bind(mark.position.cast_signed())
        .bind(mark.before.as_millis())
        .execute(&mut **transaction)
        .await
        .map_err(errors::classify)?;
    if done.rows_affected() == 1 {
        Ok(())
    } else {
        Err(beyond(mark))
    }
}

/// Deletes what a statement names by domain, shard and two positions.
async fn delete(
    connection: &mut SqliteConnection,
    sql: &'static str,
    shard: ShardRef,
    (after, up_to): (u64, u64),
) -> Result<u64, StorageError> {
    let mut transaction = begin(connection).await?;
    let done = sqlx::query(sql)
        .bind(shard.domain.code())
        .bind(shard.shard)
        .bind(after.cast_signed())
        .bind(up_to.cast_signed())
        .execute(&mut *transaction)
        .await
        .map_err(errors::classify)?;
    commit(transaction).await?;
    copy_log(connection).await?;
    Ok(done.rows_affected())
}

async fn put_back(
    transaction: &mut Transaction<'_, Sqlite>,
    record: &StoredRecord,
) -> Result<u64, StorageError> {
    let sql = format!(
        "INSERT INTO journal ({}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        decode::RECORD
    );
    let done = sqlx::query(AssertSqlSafe(sql))
        .bind(record.shard.domain.code())
        .bind(record.shard.shard)
        .bind(record.position.cast_signed())
        .bind(record.aggregate_id.cast_signed())
        .bind(record.seq.cast_signed())
        .bind(record.time.as_millis())
        .bind(&record.event_type)
        .bind(&record.payload)
        .bind(links::to_text(&record.stamps))
        .execute(&mut **transaction)
        .await
        .map_err(errors::classify)?;
    Ok(done.rows_affected())
}

/// A transaction that writes from its beginning: one that read first could not wait for another.
async fn begin(connection: &mut SqliteConnection) -> Result<Transaction<'_, Sqlite>, StorageError> {
    let begun = connection.begin_with("BEGIN IMMEDIATE").await;
    begun.map_err(errors::classify)
}

async fn commit(transaction: Transaction<'_, Sqlite>) -> Result<(), StorageError> {
    transaction.commit().await.map_err(errors::classify)
}

/// Copies the write-ahead log as far as nobody holds it back.
async fn copy_log(connection: &mut SqliteConnection) -> Result<(), StorageError> {
    connection
        .execute("PRAGMA wal_checkpoint(PASSIVE)")
        .await
        .map(drop)
        .map_err(errors::classify)
}
