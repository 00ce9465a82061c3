//! The port to the directory: which nodes there are, and which of them serves which shard.
//!
//! It only advises. Who may write is decided by the epoch in a shard's head; the directory tells others where to go, and
//! whether an owner is still alive.

use std::time::Duration;

use async_trait::async_trait;
use domain::{Domain, ShardRef};

use crate::StorageError;

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeRecord {
    /// Its name, which the heads of its shards carry; unique.
    pub name: String,
    /// Where others reach it by gRPC, `http://host:port`.
    pub address: String,
    /// The domains that it hosts.
    pub domains: Vec<Domain>,
    /// How it is, for operators.
    pub status: serde_json::Value,
}

/// A node as the directory knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeEntry {
    /// What it said last.
    pub node: NodeRecord,
    /// How long ago it said so, by the clock of the database.
    pub age: Duration,
}

/// Who serves a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerEntry {
    /// The shard.
    pub shard: ShardRef,
    /// Its owner's name; `None` while nobody serves it.
    pub owner: Option<String>,
    /// Its epoch.
    pub epoch: u64,
}

/// The directory at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DirectoryView {
    /// All nodes that have not left, also those that have not been heard of for long.
    pub nodes: Vec<NodeEntry>,
    /// All shards that were ever claimed.
    pub owners: Vec<OwnerEntry>,
}

/// How far the publisher of a shard has come with each family of topics: everything up to there is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// The public topic.
    pub public: u64,
    /// The inboxes.
    pub inbox: u64,
}

/// The directory, and what else nodes tell each other through the database.
#[async_trait]
pub trait Directory: Send + Sync + 'static {
    /// Says that a node is alive, where it is and how it is.
    async fn announce(&self, node: &NodeRecord) -> Result<(), StorageError>;

    /// Forgets a node that has left; one that is unknown is no error.
    async fn withdraw(&self, name: &str) -> Result<(), StorageError>;

    /// The directory as it is now.
    async fn view(&self) -> Result<DirectoryView, StorageError>;

    /// How far the publishers of these shards have come; a shard that never published is left out.
    async fn published(
        &self,
        shards: &[ShardRef],
    ) -> Result<Vec<(ShardRef, Published)>, StorageError>;

    /// Remembers how far publishers have come. A cursor never moves back.
    async fn set_published(&self, cursors: &[(ShardRef, Published)]) -> Result<(), StorageError>;
}
