//! Many nodes as one shop: which node serves which shard, and the way to it.
//!
//! - [`directory`]: what the directory says, kept at hand.
//! - [`ownership`]: which shards this node claims, and when.
//! - [`peers`]: connections to other nodes, and what can be asked of them.
//! - [`presence`]: says that this process is alive.
//! - [`route`]: finds the place that serves a shard, again and again for a short while if need be.
//! - [`service`]: what other nodes can ask of this one.
//! - [`secret`]: by which nodes know each other.
//!
//! A call is passed on at most once: what serves another node's call looks at its own shards only. What surely came to
//! nothing is tried again elsewhere; what may have been done is not.

pub mod directory;
pub mod ownership;
pub mod peers;
pub(crate) mod presence;
mod refusal;
pub(crate) mod route;
pub mod secret;
pub mod service;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::Arc;

use domain::ShardRef;
use tokio::sync::oneshot;

use crate::runtime::Stats;

pub use directory::DirectoryCache;
pub use ownership::Policy as OwnershipPolicy;
pub(crate) use ownership::{Drain, Hosted, Ownership, Surroundings};
pub use peers::Peers;
pub(crate) use presence::Identity;
pub use secret::ClusterSecret;
pub use service::ShardServer;

/// What a process needs to reach the shards of others.
#[derive(Clone)]
pub struct Cluster {
    /// The name of this node, or of this gateway: the directory's word that it serves a shard is no way to it.
    pub node: Arc<str>,
    /// Who serves what.
    pub directory: DirectoryCache,
    /// The way to other nodes.
    pub peers: Peers,
    /// Which shards are open in this process.
    pub stats: Arc<Stats>,
}

/// Another node's wish to serve a shard of this one. Whoever carries it out says when the shard is given up; dropping
/// `done` says that it is not.
#[derive(Debug)]
pub struct HandOverRequest {
    /// Which shard.
    pub shard: ShardRef,
    /// The name of the node that is to serve it.
    pub to: String,
    /// Told when the shard was drained and its owner is cleared.
    pub done: oneshot::Sender<()>,
}
