//! The port to the journals: the source of truth, outbox and audit trail in one.

use std::sync::Arc;

use async_trait::async_trait;
use domain::{
    OrderId, ProductId, ShardRef, Timestamp, UserId, notifications::Notification, orders::Order,
    parking::ParkedCommand, products::Product, users::User,
};
use engine::{Head, ShardCommit, Stamp};

use crate::{Credentials, StorageError};

/// Which request a record goes back to, as W3C Trace Context has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace; not all zero.
    pub trace_id: [u8; 16],
    /// The span within it; not all zero.
    pub span_id: [u8; 8],
}

/// A record on its way into the journal, already encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// The aggregate it is about.
    pub aggregate_id: u64,
    /// Its number among the records of its aggregate, counted from one.
    pub seq: u64,
    /// When it was decided.
    pub time: Timestamp,
    /// Its type, such as `order.created.v1`.
    pub event_type: &'static str,
    /// The event in protobuf.
    pub payload: Vec<u8>,
    /// The request it goes back to, if that is known. A store whose records never leave the process may forget it.
    pub trace: Option<TraceContext>,
}

/// A record as the journal holds it. It is decoded by whoever reads it, so that one that cannot be decoded is seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// Whose journal.
    pub shard: ShardRef,
    /// Its position there.
    pub position: u64,
    /// The aggregate it is about.
    pub aggregate_id: u64,
    /// Its number among the records of its aggregate.
    pub seq: u64,
    /// When it was decided.
    pub time: Timestamp,
    /// Its type.
    pub event_type: String,
    /// The event in protobuf.
    pub payload: Vec<u8>,
    /// Its place on each inbox link, as it was stored at commit.
    pub stamps: Vec<Stamp<ShardRef>>,
    /// The request it goes back to, if the store remembers it.
    pub trace: Option<TraceContext>,
}

/// A name that can be taken once: a username, a SKU, a user's idempotency key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The shard that decides about it.
    pub shard: ShardRef,
    /// The text, unique within the shard's domain.
    pub text: String,
}

/// Who has taken a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyOwner {
    /// The aggregate that was created or changed under it.
    pub aggregate_id: u64,
    /// A hash of the request that took it.
    pub fingerprint: [u8; 16],
    /// Until when it is taken; for ever if `None`. An expired key counts as free, and may be taken anew.
    pub expires_at: Option<Timestamp>,
}

/// A key and its owner, to be written. Taking an unexpired key that another aggregate owns fails the whole batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// The key.
    pub key: Key,
    /// Its owner.
    pub owner: KeyOwner,
}

/// A parked command as the store holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedRow {
    /// The shard that parked it.
    pub shard: ShardRef,
    /// When.
    pub parked_at: Timestamp,
    /// What.
    pub command: ParkedCommand,
}

/// Rows that go with a batch, in the order in which they were decided. Of several states of one aggregate only the
/// last one counts; the store may leave out the others.
#[derive(Clone, Debug, Default)]
pub struct RowWrites {
    /// Orders with the number of their last record (their version), as they are now.
    pub orders: Vec<(Order, u64)>,
    /// Products with their versions, as they are now.
    pub products: Vec<(Product, u64)>,
    /// Users with their versions, as they are now.
    pub users: Vec<(User, u64)>,
    /// Notifications with their versions, as they are now.
    pub notifications: Vec<(Notification, u64)>,
    /// Credentials of new users.
    pub credentials: Vec<Credentials>,
    /// Keys taken.
    pub keys: Vec<KeyRecord>,
    /// Commands parked.
    pub parked: Vec<ParkedRow>,
    /// Parked commands that are done with, by shard and id.
    pub unparked: Vec<(ShardRef, u64)>,
}

/// What one transaction writes.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The part of each shard: its head is moved on, its records are appended, its links are updated.
    pub commits: Vec<ShardCommit<ShardRef, NewRecord>>,
    /// The rows that go with them.
    pub rows: RowWrites,
}

/// The journals of all shards that one writer serves.
#[async_trait]
pub trait Journal: Send + Sync + 'static {
    /// Takes a shard: raises its epoch by one in a durable transaction of its own, and only then reads its head. With
    /// `expected`, fails with [`StorageError::HeadMoved`] if another owner has raised the epoch since. A shard that has no
    /// head gets an empty one.
    async fn claim(
        &self,
        shard: ShardRef,
        owner: &str,
        expected: Option<u64>,
    ) -> Result<Head<ShardRef>, StorageError>;

    /// Commits a batch in ONE durable transaction: every head must have the commit's epoch and revision (otherwise
    /// [`StorageError::HeadMoved`], and nothing is written), then heads, links, records and rows are written.
    ///
    /// The batch is shared because a store may write it on a thread of its own. It is the caller's alone again when the
    /// answer is there. Whoever does not wait for the answer does not know the outcome: a commit that is under way may
    /// still land, but none that is under way lands after a later [`claim`](Self::claim).
    ///
    /// # Errors
    /// [`StorageError::HeadMoved`], [`StorageError::Full`] and [`StorageError::Conflict`]: surely not committed.
    /// Anything else: unknown.
    async fn commit(&self, batch: &Arc<Batch>) -> Result<(), StorageError>;

    /// Whether these shards still have these epochs, as far as is committed: what a command without a record is answered
    /// on may be out of date if another owner has taken the shard. A store that keeps other owners out has nothing to look at.
    ///
    /// # Errors
    /// [`StorageError::HeadMoved`] names a shard that has another one.
    async fn verify(&self, _epochs: &[(ShardRef, u64)]) -> Result<(), StorageError> {
        Ok(())
    }

    /// Gives a shard up: its head names no owner any more, if its epoch is still this one.
    async fn release(&self, _shard: ShardRef, _epoch: u64) -> Result<(), StorageError> {
        Ok(())
    }

    /// The records of `source` after position `after` that are addressed to `target`, in order, at most `limit` of
    /// them, and whether the end of the journal was reached.
    async fn read_link(
        &self,
        source: ShardRef,
        target: ShardRef,
        after: u64,
        limit: usize,
    ) -> Result<(Vec<StoredRecord>, bool), StorageError>;

    /// All records of `source` after position `after`, in order, at most `limit` of them.
    async fn read(
        &self,
        source: ShardRef,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredRecord>, StorageError>;

    /// The committed heads of these shards; a shard that was never claimed is left out.
    async fn heads(
        &self,
        shards: &[ShardRef],
    ) -> Result<Vec<(ShardRef, Head<ShardRef>)>, StorageError>;

    /// The last archived position of those of these journals whose beginning was archived: no record up to it can be
    /// read any more.
    async fn archived(&self, shards: &[ShardRef]) -> Result<Vec<(ShardRef, u64)>, StorageError> {
        let _ = shards;
        Ok(Vec::new())
    }

    /// The current states of these orders, with their versions; those that do not exist are left out.
    async fn load_orders(&self, ids: &[OrderId]) -> Result<Vec<(Order, u64)>, StorageError>;

    /// The current states of these products, with their versions.
    async fn load_products(&self, ids: &[ProductId]) -> Result<Vec<(Product, u64)>, StorageError>;

    /// The current states of these users, with their versions.
    async fn load_users(&self, ids: &[UserId]) -> Result<Vec<(User, u64)>, StorageError>;

    /// The owners of those of these keys that are taken, expired ones included.
    async fn find_keys(&self, keys: &[Key]) -> Result<Vec<KeyRecord>, StorageError>;

    /// Forgets keys that expired before `now`, at most `limit` of them; returns how many.
    async fn purge_keys(&self, now: Timestamp, limit: usize) -> Result<u64, StorageError>;

    /// The parked commands of a shard, oldest first.
    async fn parked(&self, shard: ShardRef) -> Result<Vec<ParkedRow>, StorageError>;
}
