//! The activity log: one actor that reads every shard's public records.

mod actor;
pub(crate) mod grpc;
mod message;
mod service;

pub use actor::{Flush, LogActor, SetSources};
pub use service::Logs;
