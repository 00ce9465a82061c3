//! How the shop itself is: nodes, shards, actors, restarts, parked commands.

mod fault;
mod node;
mod service;
mod status;

pub use fault::{ACTORS, Decisions, FREEZE_MAX, Fault, FaultError, SLOW_COMMIT_MAX};
#[cfg(feature = "fault-injection")]
pub use fault::{Action, Point};
pub(crate) use service::parked_id;
pub use service::{ParkedError, System};
pub(crate) use status::status_of;
pub use status::{
    ActorKindStatus, BudgetStatus, HeldLinkStatus, Node, NodeStatus, ParkedStatus, Phase,
    Readiness, ShardStatus, StuckStatus, SystemStatus, ThreadStatus, WriterStatus,
};
