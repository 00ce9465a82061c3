//! The embedded stores, on SQLite.
//!
//! - [`SqliteStore`] is `stampede.db`: journals, heads, read models, keys, credentials and parked commands, with
//!   `synchronous=FULL`. One connection writes for all shards, on a thread of its own (`writer`, `scribe`), through
//!   rusqlite; a few others read, through sqlx. Both are the same SQLite.
//! - [`SqliteActivityLog`] is `activity.db`, with `synchronous=NORMAL`: its watermarks are in the same file and the same
//!   transaction as its entries, so a tail lost in a power cut is healed from the journals.
//! - [`SqliteSnapshot`] and [`ActivitySnapshot`] are what `audit` and `replay` read: one transaction for reading, held
//!   beside a live writer or on what a killed process has left.
//!
//! A lock on `DIR/lock` keeps out a second writer. Both files are in WAL mode.

mod activity;
mod activity_snapshot;
mod archive;
mod audit_reads;
mod bind;
mod checkpoint;
mod commit;
mod decode;
mod eras;
mod errors;
mod fault;
mod journal;
mod meta;
mod open;
mod options;
mod reads;
mod rows;
mod scribe;
mod snapshot;
mod snapshots;
mod store;
mod transaction;
mod views;
mod writer;

pub use crate::columns::{NotificationColumns, OrderColumns, ProductColumns, UserColumns};
pub use crate::snapshot::StateRow;
pub use activity::SqliteActivityLog;
pub use activity_snapshot::ActivitySnapshot;
pub use archive::SqliteArchive;
#[cfg(feature = "fault-injection")]
pub use fault::Fault;
pub use open::served_since;
pub use snapshot::SqliteSnapshot;
pub use store::{OpenMode, SqliteStore};

/// The file of the journals and read models.
pub const STORE_FILE: &str = "stampede.db";
/// The file of the activity log.
pub const ACTIVITY_FILE: &str = "activity.db";
/// The file whose lock keeps out a second writer.
pub const LOCK_FILE: &str = "lock";
