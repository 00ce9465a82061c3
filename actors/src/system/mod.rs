//! How the shop itself is: nodes, shards, actors, restarts, parked commands.

mod service;
mod status;

#[cfg(feature = "fault-injection")]
pub use service::Fault;
pub(crate) use service::parked_id;
pub use service::{ParkedError, System};
pub(crate) use status::status_of;
pub use status::{
    ActorKindStatus, Node, NodeStatus, ParkedStatus, Phase, Readiness, ShardStatus, SystemStatus,
    WriterStatus,
};
