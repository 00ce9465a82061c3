//! The one connection that writes, seen by those who have it write.
//!
//! A transaction is handed over whole, as one job, to a thread that owns the connection (see `scribe`), and one answer
//! comes back. Between them nothing waits for another thread: on busy processors each statement's way there and back
//! would cost more than the statement.

use std::{path::Path, sync::Arc, thread};

use sqlx::{Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

use super::{
    errors,
    fault::Faults,
    options::WriterOptions,
    scribe::{Scribe, Task},
    transaction::Transaction,
};
use crate::StorageError;

/// Transactions that wait for their turn; whoever comes later waits to get in.
const TASKS_MAX: usize = 64;

/// Hands transactions to the thread that writes. The thread ends when this is closed or dropped.
///
/// A transaction whose caller stops waiting either runs to its end or not at all: not if it had not begun, and to its end,
/// which may be a commit, if it had. Transactions run in the order in which they were handed over, so whoever claims a
/// shard afterwards knows what became of it.
pub(super) struct Writer {
    tasks: mpsc::Sender<Task>,
    #[cfg(feature = "fault-injection")]
    faults: Arc<Faults>,
}

impl Writer {
    /// Opens the file on a thread of its own. `migrated` has brought it up to date, and is closed afterwards, so that it
    /// is not the last connection, which would copy what a killed process has left in the write-ahead log.
    pub(super) async fn open(
        options: WriterOptions,
        migrated: SqliteConnection,
    ) -> Result<Self, StorageError> {
        let (tasks, received) = mpsc::channel(TASKS_MAX);
        let faults = Arc::<Faults>::default();
        let (opened, is_open) = oneshot::channel();
        let name = thread_name(&options.path);
        let (with_faults, to_itself) = (Arc::clone(&faults), tasks.downgrade());
        thread::Builder::new()
            .name(name)
            .spawn(
                move || match Scribe::open(options, with_faults, to_itself) {
                    Ok(scribe) => {
                        let _ = opened.send(Ok(()));
                        scribe.run(received);
                    }
                    Err(error) => {
                        let _ = opened.send(Err(error));
                    }
                },
            )
            .map_err(|error| {
                StorageError::Unavailable(format!("cannot start the thread that writes: {error}"))
            })?;
        is_open.await.unwrap_or_else(|_| Err(gone()))?;
        migrated.close().await.map_err(errors::classify)?;
        Ok(Self {
            tasks,
            #[cfg(feature = "fault-injection")]
            faults,
        })
    }

    /// Runs a transaction: begins, does the work, and commits if the work succeeds, otherwise rolls back.
    pub(super) async fn transact<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let (answer, answered) = oneshot::channel();
        let job = move |scribe: &mut Scribe| {
            // Whoever has gone before its turn came wants nothing any more.
            if !answer.is_closed() {
                let _ = answer.send(scribe.transact(work));
            }
        };
        self.tasks
            .send(Task::Transact(Box::new(job)))
            .await
            .map_err(|_| gone())?;
        answered.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Closes the connection, after what was handed over before, and ends the thread.
    pub(super) async fn close(&self) -> Result<(), StorageError> {
        let (answer, answered) = oneshot::channel();
        if self.tasks.send(Task::Close(answer)).await.is_err() {
            return Ok(());
        }
        answered.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Makes something go wrong.
    #[cfg(feature = "fault-injection")]
    pub(super) fn inject(&self, fault: super::Fault) {
        self.faults.inject(fault);
    }
}

/// The answer of a thread that has ended, or whose job panicked.
fn gone() -> StorageError {
    StorageError::Unavailable("the store is closed, or a transaction panicked".to_owned())
}

/// `sqlite-stampede` and `sqlite-activity`: Linux shows fifteen bytes.
fn thread_name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or(path.as_os_str());
    format!("sqlite-{}", stem.to_string_lossy())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::{Duration, Instant};

    use super::*;
    use crate::sqlite::open::{ACTIVITY_MIGRATIONS, connect_and_migrate};

    async fn writer(dir: &Path) -> Writer {
        let options = WriterOptions::of_activity(&dir.join("activity.db"));
        let migrated = connect_and_migrate(&options, true, &ACTIVITY_MIGRATIONS).await;
        Writer::open(options, migrated.unwrap()).await.unwrap()
    }

    fn take(transaction: &mut Transaction<'_>) -> Result<u64, StorageError> {
        transaction.execute("INSERT INTO watermark VALUES (1, 1, 1)", [])
    }

    #[tokio::test]
    async fn a_job_that_panics_is_answered_and_rolled_back() {
        let dir = tempfile::tempdir().unwrap();
        let writer = writer(dir.path()).await;
        for _ in 0..2 {
            let outcome = writer.transact::<()>(|transaction| {
                take(transaction)?;
                panic!("on purpose");
            });
            let outcome = outcome.await;
            assert!(matches!(outcome, Err(StorageError::Unavailable(_))));
        }
        assert_eq!(writer.transact(take).await.unwrap(), 1);
        let again = writer.transact(take).await;
        assert!(matches!(again, Err(StorageError::Conflict(_))), "{again:?}");
    }

    #[tokio::test]
    async fn whoever_writes_after_the_end_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let writer = writer(dir.path()).await;
        assert_eq!(writer.transact(take).await.unwrap(), 1);
        assert!(dir.path().join("activity.db-wal").exists());
        writer.close().await.unwrap();
        assert!(!dir.path().join("activity.db-wal").exists());
        let outcome = writer.transact(take).await;
        assert!(matches!(outcome, Err(StorageError::Unavailable(_))));
        writer.close().await.unwrap();
    }

    #[tokio::test]
    async fn the_thread_closes_the_file_when_nobody_has_the_writer_any_more() {
        let dir = tempfile::tempdir().unwrap();
        drop(writer(dir.path()).await);
        let begun = Instant::now();
        while dir.path().join("activity.db-wal").exists() {
            assert!(begun.elapsed() < Duration::from_secs(20));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
