//! How connections are opened.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};
use sqlx::{ConnectOptions, sqlite::SqliteConnectOptions};

use super::errors;
use crate::StorageError;

/// How long a statement waits for a lock of another connection.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Page cache of the connection that writes journals and read models, in KiB. Indexes of old orders are touched at random.
const STORE_CACHE_KIB: u32 = 64 * 1024;
/// Page cache of the connection that writes the activity log, in KiB: it only adds at the ends of its table and indexes.
const ACTIVITY_CACHE_KIB: u32 = 8 * 1024;
/// Page cache of each connection that reads, in KiB.
const READER_CACHE_KIB: u32 = 8 * 1024;
/// Prepared statements that a connection keeps; more than there are.
const STATEMENTS: usize = 256;
/// Size to which the write-ahead log is cut when it starts anew, in bytes: a reader of a long snapshot makes it grow.
const WAL_BYTES_KEPT: u32 = 64 * 1024 * 1024;

/// When SQLite forces a commit to the device.
#[derive(Clone, Copy, Debug)]
enum Synchronous {
    /// Before it says that it is done.
    Full,
    /// When the write-ahead log is copied.
    Normal,
}

/// How a connection that writes is opened.
#[derive(Clone, Debug)]
pub(super) struct WriterOptions {
    pub(super) path: PathBuf,
    /// The folder of the file.
    pub(super) dir: PathBuf,
    synchronous: Synchronous,
    cache_kib: u32,
}

impl WriterOptions {
    /// Options for the journals and read models: what is committed is on the device.
    pub(super) fn of_store(path: &Path) -> Self {
        Self::new(path, Synchronous::Full, STORE_CACHE_KIB)
    }

    /// Options for the activity log, whose newest entries can be written again.
    pub(super) fn of_activity(path: &Path) -> Self {
        Self::new(path, Synchronous::Normal, ACTIVITY_CACHE_KIB)
    }

    fn new(path: &Path, synchronous: Synchronous, cache_kib: u32) -> Self {
        Self {
            path: path.to_owned(),
            dir: path.parent().unwrap_or(path).to_owned(),
            synchronous,
            cache_kib,
        }
    }

    /// Opens a connection to the file, which must be there.
    pub(super) fn connect(&self) -> Result<Connection, StorageError> {
        let open = || {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(&self.path, flags)?;
            connection.busy_timeout(BUSY_TIMEOUT)?;
            connection.set_prepared_statement_cache_capacity(STATEMENTS);
            for (name, value) in self.pragmas() {
                connection.execute_batch(&format!("PRAGMA {name} = {value}"))?;
            }
            Ok(connection)
        };
        open().map_err(|error| errors::classify_write_open(&error, &self.dir))
    }

    /// The same for sqlx, which knows migrations.
    pub(super) fn for_sqlx(&self, create: bool) -> SqliteConnectOptions {
        self.pragmas().into_iter().fold(
            base_options(&self.path).create_if_missing(create),
            |options, (name, value)| options.pragma(name, value),
        )
    }

    fn pragmas(&self) -> [(&'static str, String); 7] {
        let synchronous = match self.synchronous {
            Synchronous::Full => "FULL",
            Synchronous::Normal => "NORMAL",
        };
        [
            ("journal_mode", "WAL".to_owned()),
            ("synchronous", synchronous.to_owned()),
            ("cache_size", format!("-{}", self.cache_kib)),
            ("wal_autocheckpoint", "0".to_owned()),
            ("journal_size_limit", WAL_BYTES_KEPT.to_string()),
            ("temp_store", "MEMORY".to_owned()),
            ("foreign_keys", "OFF".to_owned()),
        ]
    }
}

/// Options of a connection that only reads. The file must be there.
pub(super) fn reader_options(path: &Path) -> SqliteConnectOptions {
    base_options(path)
        .read_only(true)
        .pragma("cache_size", format!("-{READER_CACHE_KIB}"))
}

fn base_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(false)
        .statement_cache_capacity(STATEMENTS)
        .pragma("temp_store", "MEMORY")
        .disable_statement_logging()
}
