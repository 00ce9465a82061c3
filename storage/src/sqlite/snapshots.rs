//! The ports [`Snapshot`] and [`LogSnapshot`] on SQLite.

use async_trait::async_trait;
use domain::{
    Domain, OrderId, ShardRef, Timestamp, Topology, notifications::Notification, orders::Order,
    products::Product, users::User,
};
use engine::Head;

use super::{
    ActivitySnapshot, NotificationColumns, OrderColumns, ProductColumns, SqliteSnapshot,
    UserColumns,
};
use crate::{
    Archived, KeyRecord, LogSnapshot, ParkedRow, Snapshot, StateRow, StorageError, StoredRecord,
};

// Methods of the types' own come before those of the trait.
#[async_trait]
impl Snapshot for SqliteSnapshot {
    fn topology(&self) -> Topology {
        *Self::topology(self)
    }

    async fn heads(&mut self) -> Result<Vec<(ShardRef, Head<ShardRef>)>, StorageError> {
        let heads = Self::heads(self).await?.into_iter();
        Ok(heads.map(|(shard, _, head)| (shard, head)).collect())
    }

    async fn archived_in(&mut self, domain: Domain) -> Result<Vec<Archived>, StorageError> {
        let archived = self.archived().await?.into_iter();
        Ok(archived
            .filter(|mark| mark.shard.domain == domain)
            .collect())
    }

    async fn records(
        &mut self,
        shard: ShardRef,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredRecord>, StorageError> {
        Self::records(self, shard, after, limit).await
    }

    async fn order_history(
        &mut self,
        id: OrderId,
        after_seq: u64,
        limit: usize,
    ) -> Result<Vec<StoredRecord>, StorageError> {
        Self::order_history(self, id, after_seq, limit).await
    }

    async fn order_records(
        &mut self,
        after: Option<&StoredRecord>,
        limit: usize,
    ) -> Result<Vec<StoredRecord>, StorageError> {
        Self::order_records(self, after, limit).await
    }

    async fn orders(
        &mut self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StateRow<Order, OrderColumns>>, StorageError> {
        Self::orders(self, after, limit).await
    }

    async fn products(
        &mut self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StateRow<Product, ProductColumns>>, StorageError> {
        Self::products(self, after, limit).await
    }

    async fn users(
        &mut self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StateRow<User, UserColumns>>, StorageError> {
        Self::users(self, after, limit).await
    }

    async fn notifications(
        &mut self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StateRow<Notification, NotificationColumns>>, StorageError> {
        Self::notifications(self, after, limit).await
    }

    async fn key_count(&mut self) -> Result<u64, StorageError> {
        Self::key_count(self).await
    }

    async fn keys_without_owner(&mut self, limit: usize) -> Result<Vec<KeyRecord>, StorageError> {
        Self::keys_without_owner(self, limit).await
    }

    async fn parked(&mut self) -> Result<Vec<ParkedRow>, StorageError> {
        Self::parked(self).await
    }
}

#[async_trait]
impl LogSnapshot for ActivitySnapshot {
    async fn forgotten_before(&mut self) -> Result<Option<Timestamp>, StorageError> {
        Self::forgotten_before(self).await
    }

    async fn watermarks(&mut self) -> Result<Vec<(ShardRef, u64)>, StorageError> {
        Self::watermarks(self).await
    }

    async fn sources(
        &mut self,
        after: Option<(ShardRef, u64)>,
        limit: usize,
    ) -> Result<Vec<(ShardRef, u64)>, StorageError> {
        Self::sources(self, after, limit).await
    }
}
