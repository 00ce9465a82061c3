//! What can go wrong with a store, by what follows from it.

/// A failure of a store.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StorageError {
    /// The head was not as expected: another owner has claimed the shard, or an own commit of unknown outcome landed.
    #[error("the head of {shard} has moved on")]
    HeadMoved {
        /// Which shard.
        shard: domain::ShardRef,
    },
    /// The disk is full or read-only. What was asked for was not done; it may work again later.
    #[error("the disk is full or read-only: {0}")]
    Full(String),
    /// The store cannot be reached or is busy; whether a commit landed is unknown.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// The device fails: what it said is durable may not be. The process must not go on.
    #[error("the storage device fails: {0}")]
    Device(String),
    /// The store holds something that cannot be read.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// Something that is unique (a key, a SKU, a username, a position) is taken already. Nothing was written.
    #[error("taken already: {0}")]
    Conflict(String),
    /// Another process writes to the store.
    #[error("the store is in use: {0}")]
    Locked(String),
    /// The store was made for something else: another number of shards, another schema, another program.
    #[error("the store does not fit: {0}")]
    Mismatch(String),
}

impl StorageError {
    /// Whether the process must end because durability can no longer be promised.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        matches!(self, Self::Device(_))
    }
}
