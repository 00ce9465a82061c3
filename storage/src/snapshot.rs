//! One moment of the stores, for `audit` and `replay`.
//!
//! Everything is read in pages, so that memory is bounded by the page, and as it is: rows may be wrong, and that is for
//! the reader to find out. A snapshot changes nothing and keeps nobody from writing.

use async_trait::async_trait;
use domain::{
    Domain, OrderId, ShardRef, Timestamp, Topology, notifications::Notification, orders::Order,
    products::Product, users::User,
};
use engine::Head;

use crate::{
    Archived, KeyRecord, ParkedRow, StorageError, StoredRecord,
    columns::{NotificationColumns, OrderColumns, ProductColumns, UserColumns},
    encoding::DecodeError,
    topology::SHARDED,
};

/// A row that keeps the state of an aggregate, as it is: it may be wrong, and that is for the reader to find out.
#[derive(Clone, Debug, PartialEq)]
pub struct StateRow<T, C> {
    /// The id under which it is kept.
    pub id: u64,
    /// The number of the aggregate's last record.
    pub version: u64,
    /// The state.
    pub state: Result<T, DecodeError>,
    /// What stands beside it.
    pub columns: C,
}

/// A public event that others have seen and that a restore of the database has made the journal forget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostEvent {
    /// Whose journal it was in.
    pub shard: ShardRef,
    /// In which life of it.
    pub incarnation: String,
    /// At which position.
    pub position: u64,
    /// The aggregate it was about; 0 where nobody remembers.
    pub aggregate_id: u64,
    /// When it was decided.
    pub time: Timestamp,
    /// Its type, such as `order.created.v1`.
    pub event_type: String,
}

/// Lost events, as `stampede recover` has noted them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LostEvents {
    /// How many there are.
    pub total: u64,
    /// Some of them, by shard and position.
    pub examples: Vec<LostEvent>,
}

/// One moment of journals and read models.
#[async_trait]
pub trait Snapshot: Send {
    /// How many shards each domain has.
    fn topology(&self) -> Topology;

    /// Every head, links included.
    async fn heads(&mut self) -> Result<Vec<(ShardRef, Head<ShardRef>)>, StorageError>;

    /// The mark of every journal of a domain whose beginning was archived.
    async fn archived_in(&mut self, domain: Domain) -> Result<Vec<Archived>, StorageError>;

    /// The mark of every journal whose beginning was archived.
    async fn archived(&mut self) -> Result<Vec<Archived>, StorageError> {
        let mut archived = Vec::new();
        for domain in SHARDED {
            archived.extend(self.archived_in(domain).await?);
        }
        Ok(archived)
    }

    /// Records of a shard after a position, in order.
    async fn records(
        &mut self,
        shard: ShardRef,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredRecord>, StorageError>;

    /// Records of an order after number `after_seq`, in order.
    async fn order_history(
        &mut self,
        id: OrderId,
        after_seq: u64,
        limit: usize,
    ) -> Result<Vec<StoredRecord>, StorageError>;

    /// Records of all order shards after this one: order by order, and each order's by number and then position.
    async fn order_records(
        &mut self,
        after: Option<&StoredRecord>,
        limit: usize,
    ) -> Result<Vec<StoredRecord>, StorageError>;

    /// Orders with an id above `after`, by id.
    async fn orders(
        &mut self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StateRow<Order, OrderColumns>>, StorageError>;

    /// Products with an id above `after`, by id.
    async fn products(
        &mut self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StateRow<Product, ProductColumns>>, StorageError>;

    /// Users with an id above `after`, by id.
    async fn users(
        &mut self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StateRow<User, UserColumns>>, StorageError>;

    /// Notifications with an id above `after`, by id.
    async fn notifications(
        &mut self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StateRow<Notification, NotificationColumns>>, StorageError>;

    /// How many keys are kept, expired ones included.
    async fn key_count(&mut self) -> Result<u64, StorageError>;

    /// Keys whose aggregate does not exist, at most so many.
    async fn keys_without_owner(&mut self, limit: usize) -> Result<Vec<KeyRecord>, StorageError>;

    /// Every parked command, by shard and id.
    async fn parked(&mut self) -> Result<Vec<ParkedRow>, StorageError>;

    /// What `stampede recover` has noted, with so many examples at most. No store but one that was restored has any.
    async fn lost_events(&mut self, _examples: usize) -> Result<LostEvents, StorageError> {
        Ok(LostEvents::default())
    }
}

/// One moment of an activity log. To be taken before that of the journals, so that whatever it tells of is in those.
#[async_trait]
pub trait LogSnapshot: Send {
    /// Before which time entries may have been removed with the records that they tell of; `None` if none were.
    async fn forgotten_before(&mut self) -> Result<Option<Timestamp>, StorageError> {
        Ok(None)
    }

    /// The watermark of each source shard.
    async fn watermarks(&mut self) -> Result<Vec<(ShardRef, u64)>, StorageError>;

    /// The sources of entries after this one, by shard and position.
    async fn sources(
        &mut self,
        after: Option<(ShardRef, u64)>,
        limit: usize,
    ) -> Result<Vec<(ShardRef, u64)>, StorageError>;
}
