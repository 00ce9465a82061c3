//! Carries committed records between shards.
//!
//! A feed may lose, delay, double or reorder what it carries: targets heal from the journal. Within one process it is
//! memory.

mod in_process;

use domain::ShardRef;

pub use in_process::InProcessFeed;

use crate::runtime::messages::Record;

/// Carries records to their targets, if it can.
pub trait Feed: Send + Sync {
    /// Carries records of `source` to `target`. Does not wait and does not fail: what is lost is healed.
    fn publish(&self, target: ShardRef, source: ShardRef, records: Vec<Record>);
}
