//! Where facts are kept: the ports that the rest of Stampede uses, and the stores behind them.
//!
//! - [`Journal`]: claims shards, commits batches against their heads, reads records and aggregates.
//! - [`Views`]: answers the questions of the API from committed rows.
//! - [`ActivityLog`]: what has happened, for people to search.
//!
//! Each port has one contract suite that every store behind it passes. Knows SQL, never actors.

pub mod activity;
pub mod encoding;
pub mod error;
pub mod journal;
pub mod sqlite;
pub mod views;

pub use activity::{ActivityEntry, ActivityLog, ActivityQuery, Level, NewActivity};
pub use error::StorageError;
pub use journal::{
    Batch, Journal, Key, KeyOwner, KeyRecord, NewRecord, ParkedRow, RowWrites, StoredRecord,
};
pub use views::{Credentials, OrderQuery, Page, ProductQuery, Unsettled, Views};
