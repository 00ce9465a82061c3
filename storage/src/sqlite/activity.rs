//! [`ActivityLog`] on SQLite.

use std::path::Path;

use async_trait::async_trait;
use domain::ShardRef;
use sqlx::{AssertSqlSafe, SqlitePool, sqlite::SqliteRow};

use super::{
    ACTIVITY_FILE,
    bind::Values,
    decode, errors,
    journal::limit_of,
    open,
    options::WriterOptions,
    rows,
    transaction::{Row, Transaction},
    writer::Writer,
};
use crate::{ActivityEntry, ActivityLog, ActivityQuery, Level, NewActivity, Page, StorageError};

const ENTRY: &str = "INSERT OR ROLLBACK INTO activity \
    (time_ms, level, service, event_type, order_id, message, folded, source_domain, source_shard, \
    position) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
    ON CONFLICT (source_domain, source_shard, position) WHERE source_domain IS NOT NULL DO NOTHING";

const WATERMARK: &str = "INSERT OR ROLLBACK INTO watermark (source_domain, source_shard, position) \
    VALUES (?, ?, ?) ON CONFLICT (source_domain, source_shard) DO UPDATE SET \
    position = max(position, excluded.position)";

/// The activity log in a file of its own.
///
/// A commit is not forced to the device (`synchronous=NORMAL`): a power cut may take the newest entries, and takes the
/// watermarks that were moved with them, so that they are read from the journals again. What nodes say of themselves
/// has no source and is best effort.
pub struct SqliteActivityLog {
    writer: Writer,
    readers: SqlitePool,
}

impl std::fmt::Debug for SqliteActivityLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteActivityLog").finish_non_exhaustive()
    }
}

impl SqliteActivityLog {
    /// Opens the log in this directory; makes it if it is missing.
    ///
    /// # Errors
    /// [`StorageError::Mismatch`] if it has another schema, and whatever keeps the file from being opened.
    pub async fn open(dir: &Path) -> Result<Self, StorageError> {
        open::make_dir(dir)?;
        let path = dir.join(ACTIVITY_FILE);
        let options = WriterOptions::of_activity(&path);
        let connection =
            open::connect_and_migrate(&options, true, &open::ACTIVITY_MIGRATIONS).await?;
        Ok(Self {
            writer: Writer::open(options, connection).await?,
            readers: open::readers(&path, open::ACTIVITY_READERS),
        })
    }

    /// Closes all connections. Dropping the log does as well, but later.
    ///
    /// # Errors
    /// Whatever keeps the write-ahead log from being emptied; nothing is lost by it.
    pub async fn close(&self) -> Result<(), StorageError> {
        self.readers.close().await;
        self.writer.close().await
    }

    /// Makes something go wrong.
    #[cfg(feature = "fault-injection")]
    pub fn inject(&self, fault: super::Fault) {
        self.writer.inject(fault);
    }
}

fn write(
    transaction: &mut Transaction<'_>,
    entries: &[NewActivity],
    watermarks: &[(ShardRef, u64)],
) -> Result<(), StorageError> {
    transaction.write_rows(ENTRY, entries, bind_entry)?;
    transaction.write_rows(WATERMARK, watermarks, |values, &(shard, position)| {
        rows::at(values, shard)?.number(position)?;
        Ok(())
    })?;
    Ok(())
}

fn bind_entry(values: &mut Row<'_, '_>, entry: &NewActivity) -> rusqlite::Result<()> {
    let folded = (!entry.message.is_ascii()).then(|| entry.message.to_lowercase());
    let source = entry.source;
    values
        .add(entry.time.as_millis())?
        .add(entry.level.as_str())?
        .add(entry.service)?
        .add(entry.event_type.as_str())?
        .add(entry.order_id.map(|order| order.get().cast_signed()))?
        .add(entry.message.as_str())?
        .add(folded)?
        .add(source.map(|(shard, _)| shard.domain.code()))?
        .add(source.map(|(shard, _)| shard.shard))?
        .add(source.map(|(_, position)| position.cast_signed()))?;
    Ok(())
}

#[async_trait]
impl ActivityLog for SqliteActivityLog {
    async fn watermarks(&self) -> Result<Vec<(ShardRef, u64)>, StorageError> {
        let mut connection = self.readers.acquire().await.map_err(errors::classify)?;
        read_watermarks(&mut connection).await
    }

    async fn append(
        &self,
        entries: Vec<NewActivity>,
        watermarks: &[(ShardRef, u64)],
    ) -> Result<(), StorageError> {
        if entries.is_empty() && watermarks.is_empty() {
            return Ok(());
        }
        let watermarks = watermarks.to_vec();
        let work = move |transaction: &mut Transaction<'_>| {
            write(transaction, &entries, &watermarks)?;
            transaction.fail_if_asked()
        };
        self.writer.transact(work).await
    }

    async fn search(&self, query: &ActivityQuery) -> Result<Page<ActivityEntry>, StorageError> {
        let (sql, values) = search_statement(query)?;
        let mut connection = self.readers.acquire().await.map_err(errors::classify)?;
        let rows = sqlx::query_with(AssertSqlSafe(sql), values.into_arguments())
            .fetch_all(&mut *connection)
            .await
            .map_err(errors::classify)?;
        Ok(Page {
            has_more: rows.len() > query.limit,
            rows: rows
                .iter()
                .take(query.limit)
                .map(entry)
                .collect::<Result<_, _>>()?,
        })
    }
}

/// The statement of a search, put together from constant parts.
fn search_statement(query: &ActivityQuery) -> Result<(String, Values), StorageError> {
    let mut sql = String::from(
        "SELECT id, time_ms, level, service, event_type, order_id, message FROM activity WHERE true",
    );
    let mut values = Values::default();
    match query.level {
        None => {}
        Some(Level::Info) => sql.push_str(" AND level = 'info'"),
        // The index of what deserves attention serves only a statement that says it wants nothing else.
        Some(level) => {
            sql.push_str(" AND level <> 'info' AND level = ?");
            values.add(level.as_str())?;
        }
    }
    if let Some(service) = &query.service {
        sql.push_str(" AND service = ?");
        values.add(service.as_str())?;
    }
    if let Some(event_type) = &query.event_type {
        sql.push_str(" AND event_type = ?");
        values.add(event_type.as_str())?;
    }
    if let Some(order) = query.order_id {
        sql.push_str(" AND order_id = ?");
        values.number(order.get())?;
    }
    if let Some(since) = query.since {
        sql.push_str(" AND time_ms >= ?");
        values.add(since.as_millis())?;
    }
    if let Some(until) = query.until {
        sql.push_str(" AND time_ms < ?");
        values.add(until.as_millis())?;
    }
    if let Some(text) = &query.text {
        sql.push_str(" AND instr(coalesce(folded, lower(message)), ?) > 0");
        values.add(text.to_lowercase())?;
    }
    if let Some(before) = query.before {
        sql.push_str(" AND id < ?");
        values.number(before)?;
    }
    sql.push_str(" ORDER BY id DESC LIMIT ?");
    values.add(limit_of(query.limit.saturating_add(1)))?;
    Ok((sql, values))
}

fn entry(row: &SqliteRow) -> Result<ActivityEntry, StorageError> {
    let level: &str = decode::get(row, 2)?;
    Ok(ActivityEntry {
        id: decode::number(row, 0)?,
        time: decode::time(row, 1)?,
        level: Level::from_name(level)
            .ok_or_else(|| StorageError::Damaged(format!("unknown level {level}")))?,
        service: decode::get(row, 3)?,
        event_type: decode::get(row, 4)?,
        order_id: decode::optional_order_id(row, 5)?,
        message: decode::get(row, 6)?,
    })
}

/// The watermark of each source shard.
pub(super) async fn read_watermarks(
    connection: &mut sqlx::SqliteConnection,
) -> Result<Vec<(ShardRef, u64)>, StorageError> {
    let sql = "SELECT source_domain, source_shard, position FROM watermark \
               ORDER BY source_domain, source_shard";
    let rows = sqlx::query(sql)
        .fetch_all(connection)
        .await
        .map_err(errors::classify)?;
    rows.iter()
        .map(|row| Ok((decode::shard(row, 0)?, decode::number(row, 2)?)))
        .collect()
}
