//! The mechanism, pure: heads, links, turns, writer generations and restart budgets as state machines.
//!
//! Nothing here knows what an order is, and nothing here runs: no actors, no tasks, no clock, no I/O. Whoever drives
//! these machines (the actors at run time, a simulator in tests) passes in what happened and the time, and carries out
//! what they return. A shard is addressed by any small ordered value `S`.
//!
//! - [`Head`]: the one row of a shard, the fence that every transaction moves.
//! - [`Inlet`]: the receiving end of a link; applies a record only where the one before it on that link was applied.
//! - [`Cursor`]: the sending end of a topic; passes a record only where every message before it was acknowledged.
//! - [`Pipeline`]: turns are handed to many aggregates at once and retire in the order in which they were begun.
//! - [`Writer`]: gathers what retired while a transaction is under way, and ends its generation when one fails.
//! - [`Confirmation`]: whether what was sent to another shard was applied there, and what it has sent back here.
//! - [`Shard`]: puts them together: turns of commands and records, aggregates found and rebuilt, keys, deadlines, parking.
//! - [`supervision`]: how often something may fail before it is somebody else's problem.

mod confirmation;
pub mod cursor;
pub mod head;
pub mod link;
pub mod pipeline;
pub mod shard;
pub mod supervision;
mod unavailable;
pub mod writer;

pub use confirmation::Confirmation;
pub use cursor::Cursor;
pub use head::{Head, Stamp};
pub use link::{Inlet, Offer};
pub use pipeline::{Pipeline, Ticket};
pub use shard::{Effects, Limits, Rules, Shard};
pub use supervision::{Policy, Restarts};
pub use unavailable::Unavailable;
pub use writer::{Batch, Entry, NewRecord, ShardCommit, StampedRecord, Writer};

/// What addresses a shard.
pub trait Address: Copy + Ord + std::fmt::Debug {}
impl<T: Copy + Ord + std::fmt::Debug> Address for T {}
