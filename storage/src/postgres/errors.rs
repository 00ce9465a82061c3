//! PostgreSQL's error codes, by what follows from them.

use crate::StorageError;

/// A head was not as the batch expected it. Raised by `require` of our own schemas.
pub(super) const HEAD_MOVED: &str = "ST001";
/// A key belongs to another aggregate. Raised by `require` of our own schemas.
pub(super) const KEY_TAKEN: &str = "ST002";

// https://www.postgresql.org/docs/current/errcodes-appendix.html
const DISK_FULL: &str = "53100";
const UNIQUE_VIOLATION: &str = "23505";
const UNDEFINED_TABLE: &str = "42P01";
const UNDEFINED_COLUMN: &str = "42703";
const INVALID_SCHEMA: &str = "3F000";

/// What an error of sqlx means.
///
/// All that speaks of the server's own trouble is [`StorageError::Unavailable`]: a lost connection, a shutdown, too many
/// connections, a deadlock, a standby that cannot write (a client that is led to the new primary can), and also a
/// damaged page or a failing disk, for they are another machine's and no reason for this process to end.
pub(super) fn classify(error: sqlx::Error) -> StorageError {
    let text = error.to_string();
    match &error {
        sqlx::Error::Database(database) => by_code(database.code().as_deref().unwrap_or(""), text),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => StorageError::Damaged(text),
        sqlx::Error::Configuration(error) => StorageError::Mismatch(error.to_string()),
        sqlx::Error::PoolTimedOut => StorageError::Unavailable(
            "no connection to the database could be had in time".to_owned(),
        ),
        _ => StorageError::Unavailable(text),
    }
}

/// The code that the server gave the error, if it comes from there.
pub(super) fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

fn by_code(code: &str, text: String) -> StorageError {
    match code {
        DISK_FULL => StorageError::Full(text),
        UNIQUE_VIOLATION => StorageError::Conflict(text),
        UNDEFINED_TABLE | UNDEFINED_COLUMN | INVALID_SCHEMA => StorageError::Mismatch(format!(
            "{text}; `stampede migrate` makes and upgrades the schemas"
        )),
        _ => StorageError::Unavailable(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: &str) -> StorageError {
        by_code(code, String::new())
    }

    #[test]
    fn codes_are_told_apart_by_what_follows() {
        assert!(matches!(of("53100"), StorageError::Full(_)));
        assert!(matches!(of("23505"), StorageError::Conflict(_)));
        assert!(matches!(of("42P01"), StorageError::Mismatch(_)));
        for unavailable in [
            "08006", "25006", "40001", "40P01", "53300", "57014", "57P01", "58030", "XX001", "",
        ] {
            let error = of(unavailable);
            assert!(
                matches!(error, StorageError::Unavailable(_)),
                "{unavailable}"
            );
            assert!(!error.is_fatal());
        }
    }
}
