//! [`Views`] on PostgreSQL.
//!
//! A user's orders and notifications are found by a plain index on user and id. The embedded store avoids one: each new
//! row would change a page at a random place, and SQLite writes every page that a commit has changed. PostgreSQL writes
//! the few bytes of the new entry, and the page itself only the first time after a checkpoint.

use std::fmt::Write;

use async_trait::async_trait;
use domain::{
    Domain, OrderId, ProductId, ShardRef, UserId,
    notifications::Notification,
    orders::{Order, OrderStatus},
    products::Product,
    users::User,
};

use super::{
    bind::{Values, text},
    decode,
    store::PostgresStore,
};
use crate::{
    Credentials, OrderQuery, Page, ParkedRow, ProductQuery, StorageError, StoredRecord, Unsettled,
    Views, kept::Kept, topology::SHARDED,
};

#[async_trait]
impl Views for PostgresStore {
    async fn order(&self, id: OrderId) -> Result<Option<Order>, StorageError> {
        let sql = "SELECT id, state FROM orders.orders WHERE id = $1";
        self.one(Domain::Orders, sql, id.get()).await
    }

    async fn orders(&self, query: &OrderQuery) -> Result<Page<Order>, StorageError> {
        let mut list = List::of(Domain::Orders, orders_source(query));
        if let Some(user) = query.user_id {
            list.filter("user_id =").number(user.get())?;
        }
        if let Some(status) = query.status {
            list.filter("status =").add(status.as_str())?;
        }
        if let Some(time) = query.overdue_at {
            list.filter("deadline_ms <").add(time.as_millis())?;
        }
        if let Some(before) = query.before {
            list.filter("id <").number(before.get())?;
        }
        self.page(list, "id DESC", query.limit).await
    }

    async fn unsettled_orders(&self, shard: u16) -> Result<Vec<Unsettled>, StorageError> {
        let sql = "SELECT id, deadline_ms FROM orders.orders \
                   WHERE shard = $1 AND deadline_ms IS NOT NULL ORDER BY deadline_ms, id";
        let mut values = Values::default();
        values.shard(shard)?;
        self.fetch(Domain::Orders, sql, values.into_arguments())
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
        let sql = format!(
            "SELECT {} FROM orders.journal WHERE aggregate_id = $1 AND seq > $2 \
             ORDER BY seq, shard, position LIMIT $3",
            decode::RECORD
        );
        let mut values = Values::default();
        values.number(id.get())?.number(after_seq)?.limit(limit)?;
        self.fetch(Domain::Orders, sql, values.into_arguments())
            .await?
            .iter()
            .map(|row| decode::record(row, Domain::Orders))
            .collect()
    }

    async fn product(&self, id: ProductId) -> Result<Option<Product>, StorageError> {
        let sql = "SELECT id, state FROM products.products WHERE id = $1";
        self.one(Domain::Products, sql, id.get()).await
    }

    async fn existing_products(&self, ids: &[ProductId]) -> Result<Vec<ProductId>, StorageError> {
        let mut values = Values::default();
        values.add(
            ids.iter()
                .map(|id| id.get().cast_signed())
                .collect::<Vec<_>>(),
        )?;
        let sql = "SELECT id FROM products.products WHERE id = ANY ($1)";
        self.fetch(Domain::Products, sql, values.into_arguments())
            .await?
            .iter()
            .map(|row| decode::product_id(row, 0))
            .collect()
    }

    async fn products(&self, query: &ProductQuery) -> Result<Page<Product>, StorageError> {
        let mut list = List::of(
            Domain::Products,
            "SELECT id, state FROM products.products WHERE true",
        );
        if let Some(searched) = &query.text {
            let folded = searched.to_lowercase();
            list.filter("0 < strpos(folded,").add(text(&folded))?;
            list.close();
        }
        if let Some((time, id)) = query.after {
            list.filter("(created_at_ms, id) < (")
                .add(time.as_millis())?;
            list.more().number(id.get())?;
            list.close();
        }
        self.page(list, "created_at_ms DESC, id DESC", query.limit)
            .await
    }

    async fn user(&self, id: UserId) -> Result<Option<User>, StorageError> {
        let sql = "SELECT id, state FROM auth.users WHERE id = $1";
        self.one(Domain::Auth, sql, id.get()).await
    }

    async fn credentials(
        &self,
        username: &str,
    ) -> Result<Option<(User, Credentials)>, StorageError> {
        let sql = "SELECT u.id, u.state, c.password_hash FROM auth.users AS u \
                   JOIN auth.credentials AS c ON c.user_id = u.id WHERE u.username_key = $1";
        let mut values = Values::default();
        values.add(text(&username.to_ascii_lowercase()))?;
        let rows = self
            .fetch(Domain::Auth, sql, values.into_arguments())
            .await?;
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
        let sql = "SELECT FROM auth.users WHERE role = 'admin' LIMIT 1";
        let rows = self
            .fetch(Domain::Auth, sql, Values::default().into_arguments())
            .await?;
        Ok(!rows.is_empty())
    }

    async fn notifications(
        &self,
        user_id: Option<UserId>,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page<Notification>, StorageError> {
        let mut list = List::of(
            Domain::Notifications,
            "SELECT id, state FROM notifications.notifications WHERE true",
        );
        if let Some(user) = user_id {
            list.filter("user_id =").number(user.get())?;
        }
        if let Some(before) = before {
            list.filter("id <").number(before)?;
        }
        self.page(list, "id DESC", limit).await
    }

    async fn all_parked(&self, limit: usize) -> Result<Vec<ParkedRow>, StorageError> {
        let mut all: Vec<ParkedRow> = Vec::new();
        for domain in SHARDED {
            let mut values = Values::default();
            values.limit(limit)?;
            let sql = self.domain(domain)?.statements.all_parked.clone();
            for row in &self.fetch(domain, sql, values.into_arguments()).await? {
                all.push(decode::parked(row, domain)?);
            }
        }
        all.sort_by_key(|row| (row.parked_at, row.shard, row.command.id));
        all.truncate(limit);
        Ok(all)
    }

    async fn shard_owners(&self) -> Result<Vec<(ShardRef, String, u64)>, StorageError> {
        let mut owners: Vec<_> = self
            .owners()
            .await?
            .into_iter()
            .filter_map(|entry| Some((entry.shard, entry.owner?, entry.epoch)))
            .collect();
        owners.sort_by_key(|(shard, ..)| *shard);
        Ok(owners)
    }
}

/// From where orders are listed, so that few rows are read in vain. An index of some rows only serves a statement
/// whose text says that it wants no others.
const fn orders_source(query: &OrderQuery) -> &'static str {
    const ALL: &str = "SELECT id, state FROM orders.orders WHERE true";
    const UNSETTLED: &str = "SELECT id, state FROM orders.orders WHERE deadline_ms IS NOT NULL";
    const REFUSED: &str = "SELECT id, state FROM orders.orders \
                           WHERE deadline_ms IS NULL AND status <> 'confirmed'";
    match query.status {
        _ if query.overdue_at.is_some() => UNSETTLED,
        Some(OrderStatus::Created | OrderStatus::Reserved) => UNSETTLED,
        Some(OrderStatus::Rejected | OrderStatus::Cancelled | OrderStatus::Expired) => REFUSED,
        Some(OrderStatus::Confirmed) | None => ALL,
    }
}

/// A list's statement while it is put together from constant parts.
struct List {
    domain: Domain,
    sql: String,
    values: Values,
}

impl List {
    fn of(domain: Domain, source: &str) -> Self {
        Self {
            domain,
            sql: source.to_owned(),
            values: Values::default(),
        }
    }

    /// Adds the beginning of a condition, and after it the value that is to be added next.
    fn filter(&mut self, condition: &'static str) -> &mut Values {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
        self.value(" ")
    }

    /// A further value of the condition, to be added next.
    fn more(&mut self) -> &mut Values {
        self.value(", ")
    }

    /// Closes the bracket that the condition has opened.
    fn close(&mut self) {
        self.sql.push(')');
    }

    fn value(&mut self, before: &str) -> &mut Values {
        // Writing into a string does not fail.
        let _ = write!(self.sql, "{before}${}", self.values.len() + 1);
        &mut self.values
    }
}

impl PostgresStore {
    async fn one<T: Kept>(
        &self,
        domain: Domain,
        sql: &'static str,
        id: u64,
    ) -> Result<Option<T>, StorageError> {
        let mut values = Values::default();
        values.number(id)?;
        let rows = self.fetch(domain, sql, values.into_arguments()).await?;
        rows.first().map(|row| decode::state(row, 0, 1)).transpose()
    }

    async fn page<T: Kept>(
        &self,
        mut list: List,
        order: &'static str,
        limit: usize,
    ) -> Result<Page<T>, StorageError> {
        list.sql.push_str(" ORDER BY ");
        list.sql.push_str(order);
        list.value(" LIMIT ").limit(limit.saturating_add(1))?;
        let rows = self
            .fetch(list.domain, list.sql, list.values.into_arguments())
            .await?;
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
