//! A transaction under way, and rows on their way into it.

use std::path::Path;

use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, ToSql};

use super::{errors, fault::Faults};
use crate::StorageError;

/// A transaction, on the thread that owns the connection. That thread begins and ends it.
pub(super) struct Transaction<'c> {
    connection: &'c Connection,
    dir: &'c Path,
    faults: &'c Faults,
    rows: u64,
}

impl<'c> Transaction<'c> {
    pub(super) const fn new(connection: &'c Connection, dir: &'c Path, faults: &'c Faults) -> Self {
        Self {
            connection,
            dir,
            faults,
            rows: 0,
        }
    }

    pub(super) fn begin(&mut self) -> Result<(), StorageError> {
        self.control("BEGIN IMMEDIATE")?;
        let begun = self.faults.at_begin(self.connection);
        begun.map_err(|error| self.error(&error))
    }

    pub(super) fn commit(&mut self) -> Result<(), StorageError> {
        self.control("COMMIT")
    }

    /// A statement without rows: SQLite would count those of the one before.
    fn control(&self, sql: &'static str) -> Result<(), StorageError> {
        let done = self.prepare(sql)?.execute([]);
        done.map(drop).map_err(|error| self.error(&error))
    }

    /// Rolls back. SQLite may have done so by itself; then there is nothing to roll back, which is as good.
    pub(super) fn rollback(&mut self) {
        let _ = self.connection.execute_batch("ROLLBACK");
        self.faults.after_rollback(self.connection);
    }

    /// How many rows were written.
    pub(super) const fn rows(&self) -> u64 {
        self.rows
    }

    /// Fails if commits are to fail: of batches and of entries of the activity log.
    pub(super) fn fail_if_asked(&self) -> Result<(), StorageError> {
        self.faults.at_commit()
    }

    /// Prepares a statement, or takes it from those that the connection keeps.
    pub(super) fn prepare(&self, sql: &'static str) -> Result<CachedStatement<'c>, StorageError> {
        let prepared = self.connection.prepare_cached(sql);
        prepared.map_err(|error| self.error(&error))
    }

    /// Carries out a statement. Returns how many rows it changed.
    pub(super) fn execute(
        &mut self,
        sql: &'static str,
        values: impl Params,
    ) -> Result<u64, StorageError> {
        let changed = self.prepare(sql)?.execute(values);
        self.count(changed)
    }

    /// Carries out a statement that changes a row and returns a number of it, or finds none.
    pub(super) fn number(
        &mut self,
        sql: &'static str,
        values: impl Params,
    ) -> Result<Option<u64>, StorageError> {
        let mut statement = self.prepare(sql)?;
        let number = statement.query_row(values, |row| row.get::<_, i64>(0));
        let number = number.optional().map_err(|error| self.error(&error))?;
        self.rows += u64::from(number.is_some());
        Ok(number.map(i64::cast_unsigned))
    }

    /// Carries out a statement for each of these rows. Returns how many rows were changed.
    ///
    /// Row by row: statements that take many rows each were no faster.
    pub(super) fn write_rows<T>(
        &mut self,
        sql: &'static str,
        rows: impl IntoIterator<Item = T>,
        bind: impl Fn(&mut Row<'_, '_>, T) -> rusqlite::Result<()>,
    ) -> Result<u64, StorageError> {
        let mut statement = self.prepare(sql)?;
        let mut written = 0;
        for row in rows {
            written += self.write_row(&mut statement, |values| bind(values, row))?;
        }
        Ok(written)
    }

    /// Carries out a statement for one row. Returns how many rows were changed.
    pub(super) fn write_row(
        &mut self,
        statement: &mut CachedStatement<'_>,
        bind: impl FnOnce(&mut Row<'_, '_>) -> rusqlite::Result<()>,
    ) -> Result<u64, StorageError> {
        let mut row = Row {
            statement,
            bound: 0,
        };
        let changed = bind(&mut row).and_then(|()| row.statement.raw_execute());
        self.count(changed)
    }

    fn count(&mut self, changed: rusqlite::Result<usize>) -> Result<u64, StorageError> {
        let changed = changed.map_err(|error| self.error(&error))? as u64;
        self.rows += changed;
        Ok(changed)
    }

    fn error(&self, error: &rusqlite::Error) -> StorageError {
        errors::classify_write(error, self.dir)
    }
}

/// A row on its way into a statement. All its values are bound, one after the other.
pub(super) struct Row<'r, 'c> {
    statement: &'r mut CachedStatement<'c>,
    bound: usize,
}

impl Row<'_, '_> {
    /// Binds the next value.
    pub(super) fn add(&mut self, value: impl ToSql) -> rusqlite::Result<&mut Self> {
        self.bound += 1;
        self.statement.raw_bind_parameter(self.bound, value)?;
        Ok(self)
    }

    /// Binds a number as the next value, bit by bit: SQLite's integers are signed.
    pub(super) fn number(&mut self, value: u64) -> rusqlite::Result<&mut Self> {
        self.add(value.cast_signed())
    }
}
