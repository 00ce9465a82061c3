//! The port to the read models: what the API shows, from committed rows.

use async_trait::async_trait;
use domain::{
    OrderId, ProductId, ShardRef, Timestamp, UserId,
    notifications::Notification,
    orders::{Order, OrderStatus},
    products::Product,
    users::User,
};

use crate::{ParkedRow, StorageError, StoredRecord};

/// Rows of a list, newest first, and whether there are more.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The rows, at most as many as were asked for.
    pub rows: Vec<T>,
    /// Whether there are more after them.
    pub has_more: bool,
}

/// How a user proves who it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub user_id: UserId,
    /// The password's Argon2id hash in PHC form.
    pub password_hash: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("user_id", &self.user_id)
            .finish_non_exhaustive()
    }
}

/// Which orders to list, newest (largest id) first.
#[derive(Clone, Copy, Debug, Default)]
pub struct OrderQuery {
    /// Only this user's.
    pub user_id: Option<UserId>,
    /// Only those with this status.
    pub status: Option<OrderStatus>,
    /// Only unsettled ones whose deadline was before this time.
    pub overdue_at: Option<Timestamp>,
    /// Only those with a smaller id than this.
    pub before: Option<OrderId>,
    /// At most so many.
    pub limit: usize,
}

/// Which products to list, newest first (by creation time, then id).
#[derive(Clone, Debug, Default)]
pub struct ProductQuery {
    /// Only those whose SKU or name contains this text, whatever its case.
    pub text: Option<String>,
    /// Only those that come after the product created at that time with that id.
    pub after: Option<(Timestamp, ProductId)>,
    /// At most so many.
    pub limit: usize,
}

/// An order that waits for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsettled {
    /// The order.
    pub order_id: OrderId,
    /// When its wait ends.
    pub deadline: Timestamp,
}

/// The read models.
#[async_trait]
pub trait Views: Send + Sync + 'static {
    /// An order.
    async fn order(&self, id: OrderId) -> Result<Option<Order>, StorageError>;

    /// A list of orders.
    async fn orders(&self, query: &OrderQuery) -> Result<Page<Order>, StorageError>;

    /// The unsettled orders of a shard, by deadline.
    async fn unsettled_orders(&self, shard: u16) -> Result<Vec<Unsettled>, StorageError>;

    /// An order's records after number `after_seq`, in order, at most `limit` of them.
    async fn order_history(
        &self,
        id: OrderId,
        after_seq: u64,
        limit: usize,
    ) -> Result<Vec<StoredRecord>, StorageError>;

    /// A product.
    async fn product(&self, id: ProductId) -> Result<Option<Product>, StorageError>;

    /// Those of these products that exist.
    async fn existing_products(&self, ids: &[ProductId]) -> Result<Vec<ProductId>, StorageError>;

    /// A list of products.
    async fn products(&self, query: &ProductQuery) -> Result<Page<Product>, StorageError>;

    /// A user.
    async fn user(&self, id: UserId) -> Result<Option<User>, StorageError>;

    /// The user of that name, whatever its case, and how it proves itself.
    async fn credentials(
        &self,
        username: &str,
    ) -> Result<Option<(User, Credentials)>, StorageError>;

    /// Whether there is any user with the role of an administrator.
    async fn has_admin(&self) -> Result<bool, StorageError>;

    /// Notifications, newest (largest id) first: those of a user or all, with a smaller id than `before`.
    async fn notifications(
        &self,
        user_id: Option<UserId>,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page<Notification>, StorageError>;

    /// Every parked command, oldest first, at most `limit`.
    async fn all_parked(&self, limit: usize) -> Result<Vec<ParkedRow>, StorageError>;

    /// The owner of each claimed shard and its epoch.
    async fn shard_owners(&self) -> Result<Vec<(ShardRef, String, u64)>, StorageError>;
}
