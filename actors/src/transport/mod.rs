//! Carries committed records between shards.
//!
//! A feed may lose, delay, double or reorder what it carries: targets heal from the journal. Within one process it is
//! memory; between nodes it is Kafka.

mod in_process;
mod inbox;
pub mod kafka;

use std::{collections::BTreeSet, sync::Arc};

use domain::{Event, ShardRef};
use engine::Stamp;

pub use in_process::InProcessFeed;
pub use inbox::Inbox;

/// A record that has been committed, on its way to the feed.
#[derive(Clone, Debug)]
pub struct Committed {
    /// Its position in the journal of its shard.
    pub position: u64,
    /// As the journal holds it.
    pub record: storage::NewRecord,
    /// What happened.
    pub event: Arc<Event>,
    /// Its place on each inbox link.
    pub stamps: Vec<Stamp<ShardRef>>,
}

/// The shards of a domain that this process should serve, as far as the feed has a say in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignment {
    /// The shards that it should serve. While it is no member, those that it should have served last.
    pub wanted: BTreeSet<u16>,
    /// Whether it is a member of its group, as far as is known.
    pub is_member: bool,
}

/// Carries records to whoever must act on them, if it can.
///
/// None of this waits and none of it fails: what is lost is healed from the journal.
pub trait Feed: Send + Sync {
    /// Carries what a shard has just committed: the records that follow those of the last call for this shard.
    fn publish(&self, source: ShardRef, records: Vec<Committed>);

    /// A shard is served from here on. Its journal ends at this position.
    fn opened(&self, _shard: ShardRef, _last_position: u64) {}

    /// A shard is not served any more.
    fn closed(&self, _shard: ShardRef) {}
}
