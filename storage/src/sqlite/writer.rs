//! The one connection that writes.
//!
//! It is taken out of its slot for a transaction and put back only when the transaction has ended for sure. If its
//! future is dropped midway, or SQLite cannot say what became of the transaction, the connection is closed (which rolls
//! back what is open) and the next transaction opens another.

use std::{path::PathBuf, sync::Arc};

use sqlx::{
    ConnectOptions, SqliteConnection,
    sqlite::{SqliteArguments, SqliteConnectOptions},
};
use tokio::sync::{Mutex, MutexGuard};

use super::{
    bind::Values,
    checkpoint::Checkpoints,
    errors,
    fault::Faults,
    insert::{ManyRows, query_of},
};
use crate::StorageError;

pub(super) struct Writer {
    options: SqliteConnectOptions,
    dir: PathBuf,
    slot: Mutex<Option<SqliteConnection>>,
    pub(super) faults: Faults,
    pub(super) checkpoints: Checkpoints,
}

impl Writer {
    pub(super) fn new(
        options: SqliteConnectOptions,
        dir: PathBuf,
        connection: SqliteConnection,
    ) -> Arc<Self> {
        Arc::new(Self {
            options,
            dir,
            slot: Mutex::new(Some(connection)),
            faults: Faults::default(),
            checkpoints: Checkpoints::default(),
        })
    }

    /// How its connections are opened.
    pub(super) const fn options(&self) -> &SqliteConnectOptions {
        &self.options
    }

    /// Begins a transaction that writes. Waits for the one before it.
    pub(super) async fn begin(self: &Arc<Self>) -> Result<WriteTransaction<'_>, StorageError> {
        self.checkpoints.check()?;
        let mut slot = self.slot.lock().await;
        let connection = self.take(&mut slot).await?;
        let mut transaction = WriteTransaction {
            writer: self,
            slot,
            connection: Some(connection),
            rows: 0,
        };
        match transaction.open().await {
            Ok(()) => Ok(transaction),
            Err(error) => {
                transaction.rollback().await;
                Err(error)
            }
        }
    }

    async fn take(
        &self,
        slot: &mut Option<SqliteConnection>,
    ) -> Result<SqliteConnection, StorageError> {
        match slot.take() {
            Some(connection) => Ok(connection),
            None => self
                .options
                .connect()
                .await
                .map_err(|error| errors::classify_open(error, &self.dir)),
        }
    }

    /// Does something with the connection while no transaction is under way.
    pub(super) async fn between_transactions(
        &self,
        act: impl AsyncFnOnce(&mut SqliteConnection) -> Result<(), sqlx::Error>,
    ) -> Result<(), StorageError> {
        let mut slot = self.slot.lock().await;
        let mut connection = self.take(&mut slot).await?;
        act(&mut connection).await.map_err(|e| self.error(e))?;
        *slot = Some(connection);
        Ok(())
    }

    /// Closes the connection; the next transaction would open another.
    pub(super) async fn close(&self) -> Result<(), StorageError> {
        match self.slot.lock().await.take() {
            Some(connection) => sqlx::Connection::close(connection)
                .await
                .map_err(|e| self.error(e)),
            None => Ok(()),
        }
    }

    /// What an error of a connection that writes means.
    pub(super) fn error(&self, error: sqlx::Error) -> StorageError {
        errors::classify_write(error, &self.dir)
    }
}

/// A transaction under way. Dropped without an end it is rolled back, and the connection with it.
pub(super) struct WriteTransaction<'a> {
    writer: &'a Arc<Writer>,
    slot: MutexGuard<'a, Option<SqliteConnection>>,
    connection: Option<SqliteConnection>,
    rows: u64,
}

impl WriteTransaction<'_> {
    async fn open(&mut self) -> Result<(), StorageError> {
        let writer = self.writer;
        sqlx::query("BEGIN IMMEDIATE")
            .execute(self.connection()?)
            .await
            .map_err(|e| writer.error(e))?;
        let faults = &writer.faults;
        faults
            .at_begin(self.connection()?)
            .await
            .map_err(|e| writer.error(e))
    }

    /// The connection, for reading what the transaction sees.
    pub(super) fn connection(&mut self) -> Result<&mut SqliteConnection, StorageError> {
        self.connection
            .as_mut()
            .ok_or_else(|| StorageError::Unavailable("the transaction has ended".to_owned()))
    }

    /// Carries out a statement. Returns how many rows it changed.
    pub(super) async fn execute(
        &mut self,
        sql: &Arc<str>,
        arguments: SqliteArguments,
    ) -> Result<u64, StorageError> {
        let writer = self.writer;
        let done = query_of(sql, arguments)
            .execute(self.connection()?)
            .await
            .map_err(|e| writer.error(e))?;
        self.rows += done.rows_affected();
        Ok(done.rows_affected())
    }

    /// Writes rows in as few statements as there can be. Returns how many were written.
    pub(super) async fn write_rows<T>(
        &mut self,
        statement: &ManyRows,
        mut rows: impl ExactSizeIterator<Item = T>,
        bind: impl Fn(&mut Values, T) -> Result<(), StorageError>,
    ) -> Result<u64, StorageError> {
        let mut written = 0;
        for (taken, sql) in statement.plan(rows.len()) {
            let mut values = Values::with_capacity(taken * statement.columns());
            for row in rows.by_ref().take(taken) {
                bind(&mut values, row)?;
            }
            written += self.execute(sql, values.into_arguments()).await?;
        }
        Ok(written)
    }

    /// Commits what was written, or rolls back if that failed, or if commits are to fail.
    pub(super) async fn end(self, written: Result<(), StorageError>) -> Result<(), StorageError> {
        match written.and_then(|()| self.writer.faults.at_commit()) {
            Ok(()) => self.commit().await,
            Err(error) => {
                self.rollback().await;
                Err(error)
            }
        }
    }

    /// Commits, or rolls back and says why it could not.
    pub(super) async fn commit(mut self) -> Result<(), StorageError> {
        let writer = self.writer;
        let outcome = sqlx::query("COMMIT")
            .execute(self.connection()?)
            .await
            .map_err(|e| writer.error(e));
        match outcome {
            Ok(_) => {
                *self.slot = self.connection.take();
                Checkpoints::committed(writer, self.rows);
                Ok(())
            }
            Err(error) => {
                self.rollback().await;
                Err(error)
            }
        }
    }

    /// Rolls back. SQLite may have done so by itself; then there is nothing to roll back, which is as good.
    pub(super) async fn rollback(mut self) {
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        let _ = sqlx::query("ROLLBACK").execute(&mut connection).await;
        // Only a connection without an open transaction can begin one, and this one is tried where it costs little.
        let is_usable = sqlx::raw_sql("BEGIN; ROLLBACK")
            .execute(&mut connection)
            .await
            .is_ok();
        self.writer.faults.after_rollback(&mut connection).await;
        if is_usable {
            *self.slot = Some(connection);
        }
    }
}
