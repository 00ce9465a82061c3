//! Values on their way into a statement.

use sqlx::{Arguments, Encode, Sqlite, Type, sqlite::SqliteArguments};

use crate::StorageError;

/// The values of one statement.
#[derive(Default)]
pub(super) struct Values(SqliteArguments);

impl Values {
    /// Room for so many values.
    pub(super) fn with_capacity(values: usize) -> Self {
        let mut arguments = SqliteArguments::default();
        arguments.reserve(values, 0);
        Self(arguments)
    }

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
