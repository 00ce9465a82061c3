//! How the shop itself is: shards, actors, restarts, parked commands.

mod service;

#[cfg(feature = "fault-injection")]
pub use service::Fault;
pub(crate) use service::parked_id;
pub use service::{
    ActorKindStatus, ParkedError, ParkedStatus, Phase, Readiness, ShardStatus, System,
    SystemStatus, WriterStatus,
};
