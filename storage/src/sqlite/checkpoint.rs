//! Copying the write-ahead log into the database.
//!
//! SQLite would do so within a commit, which then takes ten times as long, and would keep an I/O error to itself, after
//! which the log could start anew although its pages are not safe in the database. Here most of it is copied by a
//! connection and a thread of its own beside the commits. What they have added meanwhile is copied between two of them, so
//! that the log can start anew. A failing device is remembered, and every later transaction fails with it.

use std::{
    io,
    thread::{self, JoinHandle},
};

use rusqlite::Connection;
use tokio::sync::mpsc::WeakSender;

use super::{errors, options::WriterOptions, scribe::Task};
use crate::StorageError;

/// Rows written after which the log is copied. With pages of 4 KiB it is then 15 to 60 MiB long.
const ROWS_BETWEEN: u64 = 16_000;
/// What a commit counts beside its rows: it writes some pages whatever it does.
const ROWS_OF_A_COMMIT: u64 = 8;

/// When to copy, and what became of it.
#[derive(Default)]
pub(super) struct Checkpoints {
    rows: u64,
    copying: Option<JoinHandle<()>>,
    failure: Option<StorageError>,
}

impl Checkpoints {
    /// The failure of the device, if a copy has met one.
    pub(super) fn check(&self) -> Result<(), StorageError> {
        self.failure.clone().map_or(Ok(()), Err)
    }

    /// Notes a commit of so many rows. Begins to copy beside the commits when it is time.
    pub(super) fn committed(
        &mut self,
        rows: u64,
        options: &WriterOptions,
        tasks: &WeakSender<Task>,
    ) {
        self.rows += rows + ROWS_OF_A_COMMIT;
        let is_copying = self.copying.as_ref().is_some_and(|it| !it.is_finished());
        if self.rows < ROWS_BETWEEN || is_copying {
            return;
        }
        self.rows = 0;
        match start(options.clone(), tasks.clone()) {
            Ok(copying) => self.copying = Some(copying),
            Err(error) => tracing::warn!(%error, "cannot start to copy the write-ahead log"),
        }
    }

    /// Notes how a copy has ended.
    pub(super) fn ended(&mut self, copied: Result<(), StorageError>) {
        if let Err(error) = copied {
            tracing::warn!(%error, "cannot copy the write-ahead log");
            if error.is_fatal() {
                self.failure = Some(error);
            }
        }
    }

    /// Waits for a copy that is under way.
    pub(super) fn wait(&mut self) {
        if let Some(copying) = self.copying.take() {
            let _ = copying.join();
        }
    }
}

/// Copies on a thread of its own, which then has the rest copied between two commits.
fn start(options: WriterOptions, tasks: WeakSender<Task>) -> io::Result<JoinHandle<()>> {
    let copying = move || {
        let copied = copy_most(&options);
        if let Some(tasks) = tasks.upgrade() {
            let _ = tasks.blocking_send(Task::Copied(copied));
        }
    };
    thread::Builder::new()
        .name("sqlite-copy".to_owned())
        .spawn(copying)
}

fn copy_most(options: &WriterOptions) -> Result<(), StorageError> {
    // Opened anew each time: a connection that stays would keep a second cache and be one more thing to close.
    let connection = options.connect()?;
    let copied = copy(&connection);
    copied
        .and_then(|()| connection.close().map_err(|(_, error)| error))
        .map_err(|error| errors::classify_write(&error, &options.dir))
}

/// Copies what no reader holds back. Busy or not, what was copied is copied.
pub(super) fn copy(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}
