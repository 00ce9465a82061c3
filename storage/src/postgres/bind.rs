//! Values on their way into a statement.

use std::borrow::Cow;

use sqlx::{Arguments, Encode, Postgres, Type, postgres::PgArguments};

use crate::StorageError;

/// The values of one statement.
#[derive(Default)]
pub(super) struct Values(PgArguments);

impl Values {
    /// Adds a value.
    pub(super) fn add<'t, T>(&mut self, value: T) -> Result<&mut Self, StorageError>
    where
        T: Encode<'t, Postgres> + Type<Postgres>,
    {
        self.0
            .add(value)
            .map_err(|error| StorageError::Unavailable(error.to_string()))?;
        Ok(self)
    }

    /// Adds a number, bit by bit: PostgreSQL's integers are signed.
    pub(super) fn number(&mut self, value: u64) -> Result<&mut Self, StorageError> {
        self.add(value.cast_signed())
    }

    /// Adds the number of a shard. There are at most 1,024.
    pub(super) fn shard(&mut self, shard: u16) -> Result<&mut Self, StorageError> {
        self.add(shard.cast_signed())
    }

    /// Adds a number of rows.
    pub(super) fn limit(&mut self, limit: usize) -> Result<&mut Self, StorageError> {
        self.add(i64::try_from(limit).unwrap_or(i64::MAX))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// What a query takes.
    pub(super) fn into_arguments(self) -> PgArguments {
        self.0
    }
}

/// The text as PostgreSQL takes it: it knows every character but U+0000, which becomes the one that stands for what
/// cannot be shown. Only columns for indexes and for people lose it, the state and the events keep it.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}
