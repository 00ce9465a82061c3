//! The thread that writes, and the connection that it owns.
//!
//! The connection is taken out of its place for a transaction and put back only when the transaction has ended for sure.
//! If a job panics midway, or SQLite cannot end the transaction, the connection is closed (which rolls back what is open)
//! and the next transaction opens another.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{
    checkpoint::Checkpoints, errors, fault::Faults, options::WriterOptions,
    transaction::Transaction,
};
use crate::StorageError;

/// What the thread is asked for.
pub(super) enum Task {
    /// To run a transaction.
    Transact(Box<dyn FnOnce(&mut Scribe) + Send>),
    /// The log was copied beside the commits, or could not be; what they have added is to be copied now.
    Copied(Result<(), StorageError>),
    /// To close the connection, and end.
    Close(oneshot::Sender<Result<(), StorageError>>),
}

/// What the thread owns.
pub(super) struct Scribe {
    options: WriterOptions,
    connection: Option<Connection>,
    faults: Arc<Faults>,
    checkpoints: Checkpoints,
    /// Weak, so that the thread does not keep itself alive.
    tasks: mpsc::WeakSender<Task>,
}

impl Scribe {
    /// Opens the connection.
    pub(super) fn open(
        options: WriterOptions,
        faults: Arc<Faults>,
        tasks: mpsc::WeakSender<Task>,
    ) -> Result<Self, StorageError> {
        let connection = options.connect()?;
        Ok(Self {
            options,
            connection: Some(connection),
            faults,
            checkpoints: Checkpoints::default(),
            tasks,
        })
    }

    /// Does what it is asked for until the store is closed or dropped.
    pub(super) fn run(mut self, mut tasks: mpsc::Receiver<Task>) {
        while let Some(task) = tasks.blocking_recv() {
            match task {
                // The caller of a job that panics is told by its answer's end; the hook has told the log.
                Task::Transact(job) => {
                    let _ = catch_unwind(AssertUnwindSafe(|| job(&mut self)));
                }
                Task::Copied(copied) => {
                    let rest = copied.and_then(|()| self.copy_rest());
                    self.checkpoints.ended(rest);
                }
                Task::Close(answer) => {
                    // Also for the thread that copies, which may be waiting to get in.
                    tasks.close();
                    let _ = answer.send(self.close());
                    return;
                }
            }
        }
        let _ = self.close();
    }

    /// Runs a transaction from its beginning to its end.
    pub(super) fn transact<T>(
        &mut self,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        self.checkpoints.check()?;
        let connection = self.take()?;
        let mut transaction = Transaction::new(&connection, &self.options.dir, &self.faults);
        let outcome = transaction.begin().and_then(|()| work(&mut transaction));
        let outcome = outcome.and_then(|done| transaction.commit().map(|()| done));
        if outcome.is_err() {
            transaction.rollback();
        }
        let rows = transaction.rows();
        if connection.is_autocommit() {
            self.connection = Some(connection);
        }
        if outcome.is_ok() {
            self.checkpoints.committed(rows, &self.options, &self.tasks);
        }
        outcome
    }

    fn take(&mut self) -> Result<Connection, StorageError> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => self.options.connect(),
        }
    }

    fn copy_rest(&mut self) -> Result<(), StorageError> {
        let connection = self.take()?;
        super::checkpoint::copy(&connection)
            .map_err(|error| errors::classify_write(&error, &self.options.dir))?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Closes the connection, which empties the write-ahead log if it is the last one.
    fn close(&mut self) -> Result<(), StorageError> {
        self.checkpoints.wait();
        let closed = self.connection.take().map_or(Ok(()), Connection::close);
        closed.map_err(|(_, error)| errors::classify_write(&error, &self.options.dir))
    }
}
