//! What the checks are told about shards and records.

use std::collections::BTreeMap;

use crate::{ShardRef, Timestamp, Topology};

/// Where a record stands, without what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Whose journal.
    pub shard: ShardRef,
    /// Its position there.
    pub position: u64,
    /// The aggregate it is about.
    pub aggregate_id: u64,
    /// Its number among the records of its aggregate; 0 for what became of a command that was set aside.
    pub seq: u64,
    /// When it was decided.
    pub time: Timestamp,
    /// The shards it is addressed to, each with the position of the record before it on that link.
    pub links: Vec<(ShardRef, u64)>,
}

impl Place {
    /// Whether the record is addressed to this shard.
    pub(super) fn is_addressed_to(&self, target: ShardRef) -> bool {
        self.links.iter().any(|(shard, _)| *shard == target)
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} position {}", self.shard, self.position)
    }
}

/// The head of a shard, as it was at the moment at which everything else was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Position of the newest record.
    pub last_position: u64,
    /// The newest id that the shard has issued.
    pub last_id: u64,
    /// The last position sent on each outgoing link.
    pub sent: BTreeMap<ShardRef, u64>,
    /// The last position applied on each incoming link.
    pub watermarks: BTreeMap<ShardRef, u64>,
}

/// All heads, and how many shards there are.
#[derive(Debug)]
pub(super) struct Heads {
    pub(super) topology: Topology,
    pub(super) by_shard: BTreeMap<ShardRef, Head>,
}

impl Heads {
    /// The last position of `source` that `target` has applied.
    pub(super) fn watermark(&self, target: ShardRef, source: ShardRef) -> u64 {
        self.by_shard
            .get(&target)
            .and_then(|head| head.watermarks.get(&source))
            .copied()
            .unwrap_or(0)
    }

    /// The newest id that a shard has issued.
    pub(super) fn last_id(&self, shard: ShardRef) -> u64 {
        self.by_shard.get(&shard).map_or(0, |head| head.last_id)
    }
}
