//! The activity log: one actor that reads every shard's public records.

mod actor;
mod message;
mod service;

pub use actor::{Flush, LogActor};
pub use service::Logs;
