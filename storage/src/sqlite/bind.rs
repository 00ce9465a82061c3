//! Values on their way into a statement that reads.

use sqlx::{Arguments, Encode, Sqlite, Type, sqlite::SqliteArguments};

use crate::StorageError;

/// The values of one statement.
#[derive(Default)]
pub(super) struct Values(SqliteArguments);

impl Values {
    /// Adds a value.
    pub(super) fn add<T>(&mut self, value: T) -> Result<&mut Self, StorageError>
    where
        T: for<'q> Encode<'q, Sqlite> + Type<Sqlite>,
    {
        self.0
            .add(value)
            .map_err(|error| StorageError::Unavailable(error.to_string()))?;
        Ok(self)
    }

    /// Adds a number, bit by bit: SQLite's integers are signed.
    pub(super) fn number(&mut self, value: u64) -> Result<&mut Self, StorageError> {
        self.add(value.cast_signed())
    }

    /// What a query takes.
    pub(super) fn into_arguments(self) -> SqliteArguments {
        self.0
    }
}
