//! The store as a whole.

use std::path::Path;

use domain::Topology;
use sqlx::SqlitePool;

use super::{
    STORE_FILE, errors, meta,
    open::{self, DirLock},
    options::WriterOptions,
    writer::Writer,
};
use crate::StorageError;

/// Whether a store may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// Directory and store are made if they are missing.
    CreateIfMissing,
    /// The store must be there.
    Existing,
}

/// Journals and read models in one SQLite file, open for writing. The lock on its directory is held as long as it
/// lives.
pub struct SqliteStore {
    pub(super) writer: Writer,
    pub(super) readers: SqlitePool,
    pub(super) topology: Topology,
    incarnation: u64,
    _lock: DirLock,
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore")
            .field("topology", &self.topology)
            .finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens the store in this directory.
    ///
    /// # Errors
    /// [`StorageError::Locked`] while another process (or another part of this one) writes to it,
    /// [`StorageError::Mismatch`] if it has another topology or schema, and whatever keeps the files from being opened.
    pub async fn open(
        dir: &Path,
        topology: &Topology,
        mode: OpenMode,
    ) -> Result<Self, StorageError> {
        let path = dir.join(STORE_FILE);
        match mode {
            OpenMode::CreateIfMissing => open::make_dir(dir)?,
            OpenMode::Existing if !path.exists() => {
                return Err(StorageError::Unavailable(format!(
                    "there is no store in {}",
                    dir.display()
                )));
            }
            OpenMode::Existing => {}
        }
        let lock = open::lock(dir)?;
        let create = mode == OpenMode::CreateIfMissing;
        let options = WriterOptions::of_store(&path);
        let mut connection =
            open::connect_and_migrate(&options, create, &open::STORE_MIGRATIONS).await?;
        let meta = meta::establish(&mut connection, topology).await?;
        Ok(Self {
            writer: Writer::open(options, connection).await?,
            readers: open::readers(&path, open::STORE_READERS),
            topology: meta.topology,
            incarnation: meta.incarnation,
            _lock: lock,
        })
    }

    /// How many shards each domain has.
    #[must_use]
    pub const fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The random number that was made with the store and tells it from every other.
    #[must_use]
    pub const fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// Closes all connections, which also empties the write-ahead log. Dropping the store does as well, but later.
    ///
    /// # Errors
    /// Whatever keeps the log from being emptied; nothing is lost by it.
    pub async fn close(&self) -> Result<(), StorageError> {
        self.readers.close().await;
        self.writer.close().await
    }

    /// Makes something go wrong.
    #[cfg(feature = "fault-injection")]
    pub fn inject(&self, fault: super::Fault) {
        self.writer.inject(fault);
    }

    /// A connection for reading.
    pub(super) async fn reader(
        &self,
    ) -> Result<sqlx::pool::PoolConnection<sqlx::Sqlite>, StorageError> {
        self.readers.acquire().await.map_err(errors::classify)
    }
}
