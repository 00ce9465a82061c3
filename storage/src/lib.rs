//! Where facts are kept: the ports that the rest of Stampede uses, and the stores behind them.
//!
//! - [`Journal`]: claims shards, commits batches against their heads, reads records and aggregates.
//! - [`Views`]: answers the questions of the API from committed rows.
//! - [`ActivityLog`]: what has happened, for people to search.
//! - [`Directory`]: which nodes there are and what they serve.
//! - [`Archive`]: takes the beginnings of journals out, and puts them back.
//!
//! Each port has one contract suite that every store behind it passes. Knows SQL, never actors.

pub mod activity;
pub mod archive;
mod columns;
pub mod directory;
pub mod encoding;
pub mod error;
pub mod incarnation;
pub mod journal;
mod kept;
mod links;
pub mod mongo;
pub mod postgres;
pub mod snapshot;
pub mod sqlite;
mod topology;
pub mod views;

pub use activity::{ActivityEntry, ActivityLog, ActivityQuery, Level, NewActivity, NoActivityLog};
pub use archive::{Archive, Archived};
pub use directory::{Directory, DirectoryView, NodeEntry, NodeRecord, OwnerEntry, Published};
pub use error::StorageError;
pub use incarnation::Incarnations;
pub use journal::{
    Batch, Journal, Key, KeyOwner, KeyRecord, NewRecord, ParkedRow, RowWrites, StoredRecord,
    TraceContext,
};
pub use snapshot::{LogSnapshot, LostEvent, LostEvents, Snapshot, StateRow};
pub use views::{Credentials, OrderQuery, Page, ProductQuery, Unsettled, Views};
