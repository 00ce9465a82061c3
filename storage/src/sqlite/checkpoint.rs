//! Copying the write-ahead log into the database.
//!
//! SQLite would do so within a commit, which then takes ten times as long, and would keep an I/O error to itself, after
//! which the log could start anew although its pages are not safe in the database. Here most of it is copied by a
//! connection of its own beside the commits. What they have added meanwhile is copied between two of them, so that the
//! log can start anew. A failing device is remembered, and every later transaction fails with it.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use sqlx::{ConnectOptions, SqliteConnection};

use super::writer::Writer;
use crate::StorageError;

/// Rows written after which the log is copied. With pages of 4 KiB it is then 15 to 60 MiB long.
const ROWS_BETWEEN: u64 = 16_000;
/// What a commit counts beside its rows: it writes some pages whatever it does.
const ROWS_OF_A_COMMIT: u64 = 8;

/// When to copy, and what became of it.
#[derive(Default)]
pub(super) struct Checkpoints {
    rows: AtomicU64,
    is_under_way: AtomicBool,
    failure: OnceLock<StorageError>,
}

impl Checkpoints {
    /// The failure of the device, if a copy has met one.
    pub(super) fn check(&self) -> Result<(), StorageError> {
        self.failure.get().cloned().map_or(Ok(()), Err)
    }

    /// Notes a commit of so many rows. Copies in the background when it is time.
    pub(super) fn committed(writer: &Arc<Writer>, rows: u64) {
        let checkpoints = &writer.checkpoints;
        let rows = rows + ROWS_OF_A_COMMIT;
        let written = checkpoints.rows.fetch_add(rows, Ordering::Relaxed) + rows;
        if written >= ROWS_BETWEEN && !checkpoints.is_under_way.swap(true, Ordering::AcqRel) {
            checkpoints.rows.store(0, Ordering::Relaxed);
            let writer = Arc::clone(writer);
            tokio::spawn(async move {
                let outcome = copy_all(&writer).await;
                let checkpoints = &writer.checkpoints;
                if let Err(error) = outcome {
                    tracing::warn!(%error, "cannot copy the write-ahead log");
                    if error.is_fatal() {
                        let _ = checkpoints.failure.set(error);
                    }
                }
                checkpoints.is_under_way.store(false, Ordering::Release);
            });
        }
    }
}

async fn copy_all(writer: &Writer) -> Result<(), StorageError> {
    // Opened anew each time: a connection that stays would keep a second cache and be one more thing to close.
    let mut connection = writer
        .options()
        .connect()
        .await
        .map_err(|error| writer.error(error))?;
    copy(&mut connection)
        .await
        .map_err(|error| writer.error(error))?;
    sqlx::Connection::close(connection)
        .await
        .map_err(|error| writer.error(error))?;
    writer.between_transactions(copy).await
}

/// Copies what no reader holds back. Busy or not, what was copied is copied.
async fn copy(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("PRAGMA wal_checkpoint(PASSIVE)")
        .fetch_all(connection)
        .await
        .map(|_| ())
}
