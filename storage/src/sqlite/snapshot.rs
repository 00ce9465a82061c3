//! One moment of a store, for `audit` and `replay`.

use std::path::Path;

use domain::{
    OrderId, ShardRef, Topology, notifications::Notification, orders::Order, products::Product,
    users::User,
};
use engine::Head;
use sqlx::{
    AssertSqlSafe, SqliteConnection,
    sqlite::{SqliteArguments, SqliteRow},
};

use super::{
    STORE_FILE, archive,
    bind::Values,
    decode, errors,
    journal::limit_of,
    meta::{self, Meta},
    open, reads,
};
use crate::{
    Archived, Key, KeyRecord, ParkedRow, StorageError, StoredRecord,
    columns::{NotificationColumns, OrderColumns, ProductColumns, UserColumns},
    encoding,
    kept::Kept,
    snapshot::StateRow,
};

/// One moment of a store, read in pages from one transaction. It can be taken beside a live writer, and of what a killed
/// process has left.
///
/// The connection opens the database for reading only. Even so SQLite needs `stampede.db-shm`, an index of the
/// write-ahead log that all processes share and that the first one after a crash makes anew; so the directory must be
/// writable, or that file there and readable. As long as the snapshot lives the write-ahead log cannot start anew and
/// grows.
#[derive(Debug)]
pub struct SqliteSnapshot {
    connection: SqliteConnection,
    meta: Meta,
}

impl SqliteSnapshot {
    /// Takes a snapshot of the store in this directory.
    ///
    /// # Errors
    /// [`StorageError::Mismatch`] if it has another schema, and whatever keeps the file from being read.
    pub async fn open(dir: &Path) -> Result<Self, StorageError> {
        let path = dir.join(STORE_FILE);
        let mut connection = open::begin_snapshot(&path, &open::STORE_MIGRATIONS).await?;
        let meta = meta::read(&mut connection).await?;
        Ok(Self { connection, meta })
    }

    /// How many shards each domain has.
    #[must_use]
    pub const fn topology(&self) -> &Topology {
        &self.meta.topology
    }

    /// The random number that was made with the store.
    #[must_use]
    pub const fn incarnation(&self) -> u64 {
        self.meta.incarnation
    }

    /// Every head with its owner, links included.
    pub async fn heads(&mut self) -> Result<Vec<(ShardRef, String, Head<ShardRef>)>, StorageError> {
        reads::read_heads(&mut self.connection).await
    }

    /// The mark of every journal whose beginning was archived.
    pub async fn archived(&mut self) -> Result<Vec<Archived>, StorageError> {
        archive::read_archived(&mut self.connection).await
    }

    /// Records of a shard after a position, in order.
    pub async fn records(
        &mut self,
        shard: ShardRef,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredRecord>, StorageError> {
        reads::read_records(&mut self.connection, shard, after, limit).await
    }

    /// Records of an order after number `after_seq`, in order.
    pub async fn order_history(
        &mut self,
        id: OrderId,
        after_seq: u64,
        limit: usize,
    ) -> Result<Vec<StoredRecord>, StorageError> {
        reads::read_history(&mut self.connection, id, after_seq, limit).await
    }

    /// Orders with an id above `after`, by id.
    pub async fn orders(
        &mut self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StateRow<Order, OrderColumns>>, StorageError> {
        let columns = "orders.shard, user_id, status, deadline_ms";
        self.states("orders", columns, after, limit, |row| {
            Ok(OrderColumns {
                shard: decode::get(row, 3)?,
                user_id: decode::number(row, 4)?,
                status: decode::get(row, 5)?,
                deadline: decode::optional_time(row, 6)?,
            })
        })
        .await
    }

    /// Products with an id above `after`, by id.
    pub async fn products(
        &mut self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StateRow<Product, ProductColumns>>, StorageError> {
        let columns = "sku, name, folded, available, allocated, created_at_ms";
        self.states("products", columns, after, limit, |row| {
            Ok(ProductColumns {
                sku: decode::get(row, 3)?,
                name: decode::get(row, 4)?,
                folded: decode::get(row, 5)?,
                available: decode::number(row, 6)?,
                allocated: decode::number(row, 7)?,
                created_at: decode::time(row, 8)?,
            })
        })
        .await
    }

    /// Users with an id above `after`, by id.
    pub async fn users(
        &mut self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StateRow<User, UserColumns>>, StorageError> {
        self.states("users", "username_key, role", after, limit, |row| {
            Ok(UserColumns {
                username_key: decode::get(row, 3)?,
                role: decode::get(row, 4)?,
            })
        })
        .await
    }

    /// Notifications with an id above `after`, by id.
    pub async fn notifications(
        &mut self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StateRow<Notification, NotificationColumns>>, StorageError> {
        let columns = "order_id, user_id, template";
        self.states("notifications", columns, after, limit, |row| {
            Ok(NotificationColumns {
                order_id: decode::number(row, 3)?,
                user_id: decode::number(row, 4)?,
                template: decode::get(row, 5)?,
            })
        })
        .await
    }

    /// Keys after this one, by domain and text.
    pub async fn keys(
        &mut self,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<KeyRecord>, StorageError> {
        let mut values = Values::default();
        values
            .add(after.map_or(0, |key| key.shard.domain.code()))?
            .add(after.map_or("", |key| key.text.as_str()))?
            .add(limit_of(limit))?;
        let sql = format!(
            "SELECT {} FROM keys WHERE (domain, text) > (?, ?) ORDER BY domain, text LIMIT ?",
            decode::KEY
        );
        let rows = self.fetch(sql, values.into_arguments()).await?;
        rows.iter().map(decode::key).collect()
    }

    /// Every parked command, by shard and id.
    pub async fn parked(&mut self) -> Result<Vec<ParkedRow>, StorageError> {
        let sql = format!(
            "SELECT {} FROM parked ORDER BY domain, shard, id",
            decode::PARKED
        );
        let rows = self.fetch(sql, SqliteArguments::default()).await?;
        rows.iter().map(decode::parked).collect()
    }

    async fn states<T: Kept, C>(
        &mut self,
        table: &'static str,
        columns: &'static str,
        after: u64,
        limit: usize,
        read_columns: impl Fn(&SqliteRow) -> Result<C, StorageError>,
    ) -> Result<Vec<StateRow<T, C>>, StorageError> {
        let sql = format!(
            "SELECT id, version, state, {columns} FROM {table} WHERE id > ? ORDER BY id LIMIT ?"
        );
        let mut values = Values::default();
        values.number(after)?.add(limit_of(limit))?;
        self.fetch(sql, values.into_arguments())
            .await?
            .iter()
            .map(|row| {
                Ok(StateRow {
                    id: decode::number(row, 0)?,
                    version: decode::number(row, 1)?,
                    state: encoding::decode(decode::get(row, 2)?),
                    columns: read_columns(row)?,
                })
            })
            .collect()
    }

    /// All rows of a statement whose text is made of constants.
    pub(super) async fn fetch(
        &mut self,
        sql: String,
        arguments: SqliteArguments,
    ) -> Result<Vec<SqliteRow>, StorageError> {
        sqlx::query_with(AssertSqlSafe(sql), arguments)
            .fetch_all(&mut self.connection)
            .await
            .map_err(errors::classify)
    }
}
