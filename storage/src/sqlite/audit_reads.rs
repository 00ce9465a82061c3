//! What `audit` reads beside journals and tables as they lie: orders with their histories, and keys that nobody owns.

use domain::Domain;
use sqlx::sqlite::SqliteArguments;

use super::{bind::Values, decode, journal::limit_of, snapshot::SqliteSnapshot};
use crate::{KeyRecord, StorageError, StoredRecord};

impl SqliteSnapshot {
    /// Records of all order shards after this one: order by order, and each order's by number and then position.
    ///
    /// # Errors
    /// [`StorageError::Damaged`] where a row cannot be read as a record.
    pub async fn order_records(
        &mut self,
        after: Option<&StoredRecord>,
        limit: usize,
    ) -> Result<Vec<StoredRecord>, StorageError> {
        let mut values = Values::default();
        values
            .number(after.map_or(0, |record| record.aggregate_id))?
            .number(after.map_or(0, |record| record.seq))?
            .add(after.map_or(0, |record| record.shard.shard))?
            .number(after.map_or(0, |record| record.position))?
            .add(limit_of(limit))?;
        // The domain stands in the text because the index is of this domain alone. Without being told, SQLite sorts.
        let sql = format!(
            "SELECT {} FROM journal INDEXED BY journal_order WHERE domain = {} \
             AND (aggregate_id, seq, shard, position) > (?, ?, ?, ?) \
             ORDER BY aggregate_id, seq, shard, position LIMIT ?",
            decode::RECORD,
            Domain::Orders.code()
        );
        let rows = self.fetch(sql, values.into_arguments()).await?;
        rows.iter().map(decode::record).collect()
    }

    /// How many keys are kept, expired ones included.
    ///
    /// # Errors
    /// Whatever keeps the file from being read.
    pub async fn key_count(&mut self) -> Result<u64, StorageError> {
        let sql = "SELECT count(*) FROM keys".to_owned();
        let rows = self.fetch(sql, SqliteArguments::default()).await?;
        rows.first().map_or(Ok(0), |row| decode::number(row, 0))
    }

    /// Keys whose aggregate does not exist, at most so many.
    ///
    /// # Errors
    /// [`StorageError::Damaged`] where a row cannot be read as a key.
    pub async fn keys_without_owner(
        &mut self,
        limit: usize,
    ) -> Result<Vec<KeyRecord>, StorageError> {
        let sql = format!(
            "SELECT {} FROM keys WHERE NOT CASE domain \
             WHEN {} THEN EXISTS (SELECT 1 FROM users WHERE id = keys.aggregate_id) \
             WHEN {} THEN EXISTS (SELECT 1 FROM orders WHERE id = keys.aggregate_id) \
             WHEN {} THEN EXISTS (SELECT 1 FROM products WHERE id = keys.aggregate_id) \
             ELSE false END ORDER BY domain, text LIMIT ?",
            decode::KEY,
            Domain::Auth.code(),
            Domain::Orders.code(),
            Domain::Products.code()
        );
        let mut values = Values::default();
        values.add(limit_of(limit))?;
        let rows = self.fetch(sql, values.into_arguments()).await?;
        rows.iter().map(decode::key).collect()
    }
}
