//! The activity log in MongoDB, or in a server that speaks its protocol.
//!
//! Three collections of one database: `activity` (an entry each), `watermark` (a document for each source shard) and
//! `counter` (the last number given to an entry).
//!
//! - **No transaction holds entries and watermarks together.** Entries are written first, then the watermarks. What a
//!   failure between the two leaves is written again by whoever starts at the watermark, and is then found to be there:
//!   the `_id` of an entry is its record's name, `/orders/shards/7/<incarnation>:<position>`.
//! - **Opening needs no server.** [`MongoActivityLog::open`] only reads the URL, so that a process starts while the
//!   database is down. The first append makes the indexes; `migrate` makes them beforehand with
//!   [`MongoActivityLog::prepare`].
//! - **Every wait ends.** A server that cannot be found or that hangs is [`StorageError::Unavailable`](crate::StorageError)
//!   within the bounds below.
//!
//! Writes are acknowledged by a majority of a replica set, whatever the URL says: a watermark must not outlive its
//! entries. Snapshots, transactions and change streams are deliberately not used, so a single server is enough.

mod append;
mod connect;
mod documents;
mod errors;
mod forgotten;
mod indexes;
mod log;
mod search;
mod snapshot;
mod watermarks;

use std::{sync::Arc, time::Duration};

pub use log::MongoActivityLog;
pub use snapshot::MongoActivitySnapshot;

use crate::incarnation::Incarnations;

/// The database that is used unless another is named.
pub const DEFAULT_DATABASE: &str = "stampede";

/// How long to look for a server before giving up.
const SERVER_SELECTION_TIME_MAX: Duration = Duration::from_secs(3);
/// How long to wait for a connection to be made.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(3);
/// How long an append may take.
const APPEND_TIME_MAX: Duration = Duration::from_secs(30);
/// How long reading the watermarks may take.
const READ_TIME_MAX: Duration = Duration::from_secs(10);
/// How long a search may take. MongoDB needs a few milliseconds; FerretDB 1 reads every entry for each search.
const SEARCH_TIME_MAX: Duration = Duration::from_secs(20);
/// How long making the indexes may take before it is tried again; the server goes on meanwhile.
const PREPARE_TIME_MAX: Duration = Duration::from_secs(60);
/// How long `audit` waits for the next entries; a server may have to sort them all before the first.
const AUDIT_TIME_MAX: Duration = Duration::from_secs(300);

/// What to know of an activity log besides its URL.
#[derive(Clone, Debug)]
pub struct MongoOptions {
    /// The database.
    pub database: String,
    /// For how long after its event an entry is kept; `None` for ever. Whole seconds count. The server removes entries
    /// at its leisure, about once a minute. One that cannot (FerretDB 1) keeps them all; a warning says so.
    pub retention: Option<Duration>,
    /// In which incarnation each record was written: a part of its entry's name.
    pub incarnations: Arc<Incarnations>,
}

impl MongoOptions {
    /// The default database, and entries that are kept for ever.
    #[must_use]
    pub fn new(incarnations: Arc<Incarnations>) -> Self {
        Self {
            database: DEFAULT_DATABASE.to_owned(),
            retention: None,
            incarnations,
        }
    }
}
