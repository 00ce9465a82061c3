//! [`Views`] on SQLite.

use async_trait::async_trait;
use domain::{
    OrderId, ProductId, ShardRef, UserId,
    notifications::Notification,
    orders::{Order, OrderStatus},
    products::Product,
    users::User,
};
use sqlx::{
    AssertSqlSafe,
    sqlite::{SqliteArguments, SqliteRow},
};

use super::{
    bind::Values, decode, eras, errors, journal::limit_of, reads::read_history, store::SqliteStore,
};
use crate::{
    Credentials, OrderQuery, Page, ParkedRow, ProductQuery, StorageError, StoredRecord, Unsettled,
    Views, kept::Kept,
};

#[async_trait]
impl Views for SqliteStore {
    async fn order(&self, id: OrderId) -> Result<Option<Order>, StorageError> {
        self.one("SELECT id, state FROM orders WHERE id = ?", id.get())
            .await
    }

    async fn orders(&self, query: &OrderQuery) -> Result<Page<Order>, StorageError> {
        let mut list = match query.user_id {
            Some(user) => eras::orders_of(user, query.before, &self.topology)?,
            None => List::ordered(orders_source(query), "id DESC"),
        };
        if let Some(status) = query.status {
            list.filter("status = ?")?.add(status.as_str())?;
        }
        if let Some(time) = query.overdue_at {
            list.filter("deadline_ms < ?")?.add(time.as_millis())?;
        }
        if let Some(before) = query.before {
            list.filter("id < ?")?.number(before.get())?;
        }
        self.page(list, query.limit).await
    }

    async fn unsettled_orders(&self, shard: u16) -> Result<Vec<Unsettled>, StorageError> {
        let sql = "SELECT id, deadline_ms FROM orders \
                   WHERE shard = ? AND deadline_ms IS NOT NULL ORDER BY deadline_ms, id";
        let mut values = Values::default();
        values.add(shard)?;
        self.fetch(sql, values.into_arguments())
            .await?
            .iter()
            .map(|row| {
                Ok(Unsettled {
                    order_id: decode::order_id(row, 0)?,
                    deadline: decode::time(row, 1)?,
                })
            })
            .collect()
    }

    async fn order_history(
        &self,
        id: OrderId,
        after_seq: u64,
        limit: usize,
    ) -> Result<Vec<StoredRecord>, StorageError> {
        read_history(&mut *self.reader().await?, id, after_seq, limit).await
    }

    async fn product(&self, id: ProductId) -> Result<Option<Product>, StorageError> {
        self.one("SELECT id, state FROM products WHERE id = ?", id.get())
            .await
    }

    async fn existing_products(&self, ids: &[ProductId]) -> Result<Vec<ProductId>, StorageError> {
        let ids = serde_json::Value::from_iter(ids.iter().map(|id| id.get())).to_string();
        let sql =
            "SELECT DISTINCT p.id FROM json_each(?) w CROSS JOIN products p ON p.id = w.value";
        let mut values = Values::default();
        values.add(ids)?;
        let rows = self.fetch(sql, values.into_arguments()).await?;
        rows.iter().map(|row| decode::product_id(row, 0)).collect()
    }

    async fn products(&self, query: &ProductQuery) -> Result<Page<Product>, StorageError> {
        let mut list = List::ordered(
            "SELECT id, state FROM products WHERE true",
            "created_at_ms DESC, id DESC",
        );
        if let Some(text) = &query.text {
            list.filter("instr(folded, ?) > 0")?
                .add(text.to_lowercase())?;
        }
        if let Some((time, id)) = query.after {
            list.filter("(created_at_ms, id) < (?, ?)")?
                .add(time.as_millis())?
                .number(id.get())?;
        }
        self.page(list, query.limit).await
    }

    async fn user(&self, id: UserId) -> Result<Option<User>, StorageError> {
        self.one("SELECT id, state FROM users WHERE id = ?", id.get())
            .await
    }

    async fn credentials(
        &self,
        username: &str,
    ) -> Result<Option<(User, Credentials)>, StorageError> {
        let sql = "SELECT u.id, u.state, c.password_hash FROM users u JOIN credentials c ON c.user_id = u.id \
                   WHERE u.username_key = ?";
        let mut values = Values::default();
        values.add(username.to_ascii_lowercase())?;
        let rows = self.fetch(sql, values.into_arguments()).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let user: User = decode::state(row, 0, 1)?;
        let credentials = Credentials {
            user_id: user.id,
            password_hash: decode::get(row, 2)?,
        };
        Ok(Some((user, credentials)))
    }

    async fn has_admin(&self) -> Result<bool, StorageError> {
        let sql = "SELECT 1 FROM users WHERE role = 'admin' LIMIT 1";
        let rows = self.fetch(sql, SqliteArguments::default()).await?;
        Ok(!rows.is_empty())
    }

    async fn notifications(
        &self,
        user_id: Option<UserId>,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page<Notification>, StorageError> {
        let mut list = match user_id {
            Some(user) => eras::notifications_of(user, before)?,
            None => List::ordered("SELECT id, state FROM notifications WHERE true", "id DESC"),
        };
        if let Some(before) = before {
            list.filter("id < ?")?.number(before)?;
        }
        self.page(list, limit).await
    }

    async fn all_parked(&self, limit: usize) -> Result<Vec<ParkedRow>, StorageError> {
        let sql = format!(
            "SELECT {} FROM parked ORDER BY parked_at_ms, domain, shard, id LIMIT ?",
            decode::PARKED
        );
        let mut values = Values::default();
        values.add(limit_of(limit))?;
        let rows = self.fetch(sql, values.into_arguments()).await?;
        rows.iter().map(decode::parked).collect()
    }

    async fn shard_owners(&self) -> Result<Vec<(ShardRef, String, u64)>, StorageError> {
        let sql = "SELECT domain, shard, owner, epoch FROM head ORDER BY domain, shard";
        self.fetch(sql, SqliteArguments::default())
            .await?
            .iter()
            .map(|row| {
                Ok((
                    decode::shard(row, 0)?,
                    decode::get(row, 2)?,
                    decode::number(row, 3)?,
                ))
            })
            .collect()
    }
}

/// From where the orders of all users are listed, so that few rows are read in vain. An index of some rows only serves a statement whose
/// text says that it wants no others.
const fn orders_source(query: &OrderQuery) -> &'static str {
    const ALL: &str = "SELECT id, state FROM orders WHERE true";
    const UNSETTLED: &str =
        "SELECT id, state FROM orders INDEXED BY orders_unsettled WHERE deadline_ms IS NOT NULL";
    const REFUSED: &str = "SELECT id, state FROM orders INDEXED BY orders_refused \
                           WHERE deadline_ms IS NULL AND status <> 'confirmed'";
    match query.status {
        _ if query.overdue_at.is_some() => UNSETTLED,
        Some(OrderStatus::Created | OrderStatus::Reserved) => UNSETTLED,
        Some(OrderStatus::Rejected | OrderStatus::Cancelled | OrderStatus::Expired) => REFUSED,
        Some(OrderStatus::Confirmed) | None => ALL,
    }
}

/// A list's statement while it is put together from constant parts.
pub(super) struct List {
    sql: String,
    order: Option<&'static str>,
    values: Values,
}

impl List {
    /// A list in this order.
    fn ordered(source: &str, order: &'static str) -> Self {
        Self {
            sql: source.to_owned(),
            order: Some(order),
            values: Values::default(),
        }
    }

    /// A list whose rows come in the right order by themselves.
    pub(super) fn in_its_own_order(source: String) -> Self {
        Self {
            sql: source,
            order: None,
            values: Values::default(),
        }
    }

    /// The values of its statement so far.
    pub(super) const fn values(&mut self) -> &mut Values {
        &mut self.values
    }

    /// Adds a condition, whose values are to be added next.
    fn filter(&mut self, condition: &'static str) -> Result<&mut Values, StorageError> {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
        Ok(&mut self.values)
    }
}

impl SqliteStore {
    /// All rows of a statement whose text is made of constants.
    async fn fetch(
        &self,
        sql: impl Into<String>,
        arguments: SqliteArguments,
    ) -> Result<Vec<SqliteRow>, StorageError> {
        sqlx::query_with(AssertSqlSafe(sql.into()), arguments)
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(errors::classify)
    }

    async fn one<T: Kept>(&self, sql: &'static str, id: u64) -> Result<Option<T>, StorageError> {
        let mut values = Values::default();
        values.number(id)?;
        let rows = self.fetch(sql, values.into_arguments()).await?;
        rows.first().map(|row| decode::state(row, 0, 1)).transpose()
    }

    async fn page<T: Kept>(&self, mut list: List, limit: usize) -> Result<Page<T>, StorageError> {
        list.values.add(limit_of(limit.saturating_add(1)))?;
        let mut sql = list.sql;
        if let Some(order) = list.order {
            sql.push_str(" ORDER BY ");
            sql.push_str(order);
        }
        sql.push_str(" LIMIT ?");
        let rows = self.fetch(sql, list.values.into_arguments()).await?;
        Ok(Page {
            has_more: rows.len() > limit,
            rows: rows
                .iter()
                .take(limit)
                .map(|row| decode::state(row, 0, 1))
                .collect::<Result<_, _>>()?,
        })
    }
}
