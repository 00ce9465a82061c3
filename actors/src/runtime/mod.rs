//! Drives the engine with actix actors.
//!
//! - [`shard`]: one actor per shard. Begins turns, finds or builds the aggregates concerned, retires turns in order.
//! - [`aggregate`]: one actor per aggregate. Decides, and nothing else.
//! - [`writer`]: one task per store. Commits what retired in groups, and then tells.
//! - [`host`]: what a domain adds: its ids, its rows, what a record of a link means to it.
//! - [`policy`]: the supervision table.
//! - [`watchdog`]: notices actors that block their thread.
//! - [`handle`]: the way to a shard's actor that outlives it.
//!
//! What is never here: business rules (`domain`), ordering and fencing rules (`engine`), SQL (`storage`).

pub mod aggregate;
pub mod clock;
pub mod decode;
pub mod faults;
pub mod handle;
pub mod host;
pub mod messages;
pub mod policy;
pub mod shard;
pub mod shards;
pub mod stats;
mod turn_taking;
pub mod watchdog;
pub mod writer;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use domain::Topology;
use storage::Journal;

pub use clock::Clock;
pub use faults::Faults;
pub use host::Host;
pub use stats::Stats;

/// What all actors of a node share.
#[derive(Clone)]
pub struct Env {
    /// The journals.
    pub journal: Arc<dyn Journal>,
    /// Shards per domain.
    pub topology: Topology,
    /// The time.
    pub clock: Clock,
    /// Counters for operators.
    pub stats: Arc<Stats>,
    /// Injected faults; nothing in builds without them.
    pub faults: Faults,
    /// Whether the node is stopping, so that an actor which ends is no alarm.
    pub is_stopping: Arc<AtomicBool>,
    /// Called when the process cannot go on, with the reason. Does not return control to the failed part.
    pub on_fatal: Arc<dyn Fn(String) + Send + Sync>,
}

impl Env {
    /// Looks at a failure of the store: one of the device ends the process, because nothing can be promised any more.
    pub(crate) fn store_failed(&self, error: &storage::StorageError) {
        if error.is_fatal() {
            (self.on_fatal)(error.to_string());
        }
    }

    /// Called by actors that must not end while the node runs: nothing restarts them, so the node has to be restarted.
    pub(crate) fn ended(&self, who: &str) {
        if !self.is_stopping.load(Ordering::Acquire) {
            (self.on_fatal)(format!("{who} has ended"));
        }
    }
}
