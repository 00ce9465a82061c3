//! SQLite's result codes, by what follows from them.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::Path,
};

use crate::StorageError;

// Primary result codes, https://sqlite.org/rescode.html
const SQLITE_READONLY: i32 = 8;
const SQLITE_IOERR: i32 = 10;
const SQLITE_CORRUPT: i32 = 11;
const SQLITE_FULL: i32 = 13;
const SQLITE_CANTOPEN: i32 = 14;
const SQLITE_CONSTRAINT: i32 = 19;
const SQLITE_NOTADB: i32 = 26;
// Extended ones.
const SQLITE_READONLY_DBMOVED: i32 = 1032;
const SQLITE_IOERR_WRITE: i32 = 778;
const SQLITE_IOERR_NOMEM: i32 = 3082;
/// Trouble with the index of the write-ahead log, which is not durable and is made anew when it is missing.
const SQLITE_IOERR_SHM: [i32; 4] = [4618, 4874, 5130, 5386];
/// Trouble with locks.
const SQLITE_IOERR_LOCKS: [i32; 5] = [2058, 2314, 2826, 3594, 3850];

/// Bytes written to find out whether the disk is full.
const PROBE_BYTES: usize = 64 * 1024;
const PROBE_FILE: &str = ".probe";

/// What an error of sqlx means.
pub(super) fn classify(error: sqlx::Error) -> StorageError {
    let text = error.to_string();
    match &error {
        sqlx::Error::Database(database) => {
            let code = database.code().and_then(|code| code.parse().ok());
            by_code(code.unwrap_or(0), text)
        }
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => StorageError::Damaged(text),
        _ => StorageError::Unavailable(text),
    }
}

/// As [`classify`], for opening a file to write to it in `dir`: whatever goes wrong on a full disk, nothing was written.
pub(super) fn classify_open(error: sqlx::Error, dir: &Path) -> StorageError {
    of_open(classify(error), dir)
}

/// What an error of the connection that writes in `dir` means: tells a full quota, which SQLite reports like a broken
/// device, from one.
pub(super) fn classify_write(error: &rusqlite::Error, dir: &Path) -> StorageError {
    let Some(code) = code_of(error) else {
        return StorageError::Unavailable(error.to_string());
    };
    let text = format!("{error} (code {code})");
    if (code == SQLITE_IOERR_WRITE || code & 0xff == SQLITE_CANTOPEN) && is_unwritable(dir) {
        StorageError::Full(text)
    } else {
        by_code(code, text)
    }
}

/// As [`classify_open`], for the connection that writes.
pub(super) fn classify_write_open(error: &rusqlite::Error, dir: &Path) -> StorageError {
    of_open(classify_write(error, dir), dir)
}

fn of_open(error: StorageError, dir: &Path) -> StorageError {
    match error {
        StorageError::Unavailable(text) | StorageError::Device(text) if is_unwritable(dir) => {
            StorageError::Full(text)
        }
        other => other,
    }
}

/// SQLite's extended code of an error, if it is SQLite's.
fn code_of(error: &rusqlite::Error) -> Option<i32> {
    let failure = error.sqlite_error()?;
    Some(failure.extended_code)
}

fn by_code(code: i32, text: String) -> StorageError {
    match code {
        // The file was moved away or deleted under the process: what it writes is lost.
        SQLITE_READONLY_DBMOVED => StorageError::Device(text),
        SQLITE_IOERR_NOMEM => StorageError::Unavailable(text),
        code if SQLITE_IOERR_SHM.contains(&code) || SQLITE_IOERR_LOCKS.contains(&code) => {
            StorageError::Unavailable(text)
        }
        _ => match code & 0xff {
            SQLITE_FULL | SQLITE_READONLY => StorageError::Full(text),
            SQLITE_IOERR => StorageError::Device(text),
            SQLITE_CORRUPT | SQLITE_NOTADB => StorageError::Damaged(text),
            SQLITE_CONSTRAINT => StorageError::Conflict(text),
            _ => StorageError::Unavailable(text),
        },
    }
}

/// Whether a small file cannot be written because the disk or a quota is full, or the disk read-only.
fn is_unwritable(dir: &Path) -> bool {
    let path = dir.join(PROBE_FILE);
    let outcome = File::create(&path).and_then(|mut file| {
        file.write_all(&[0x5a; PROBE_BYTES])?;
        file.sync_data()
    });
    let _ = fs::remove_file(&path);
    outcome.is_err_and(|error| is_full(error.kind()))
}

/// Whether that kind of failure means that there is no room or no right to write.
pub(super) const fn is_full(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::ReadOnlyFilesystem
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn of(code: i32) -> StorageError {
        by_code(code, String::new())
    }

    #[test]
    fn codes_are_told_apart_by_what_follows() {
        assert!(matches!(of(13), StorageError::Full(_)));
        assert!(matches!(of(8), StorageError::Full(_)));
        assert!(matches!(of(5), StorageError::Unavailable(_)));
        assert!(matches!(of(5 | (2 << 8)), StorageError::Unavailable(_)));
        assert!(of(10 | (4 << 8)).is_fatal(), "fsync");
        assert!(of(10 | (1 << 8)).is_fatal(), "read");
        assert!(of(SQLITE_READONLY_DBMOVED).is_fatal());
        assert!(!of(10 | (19 << 8)).is_fatal(), "shm size");
        assert!(matches!(of(11 | (1 << 8)), StorageError::Damaged(_)));
        assert!(matches!(of(26), StorageError::Damaged(_)));
        assert!(matches!(of(19 | (8 << 8)), StorageError::Conflict(_)));
    }

    #[test]
    fn an_error_of_the_writer_keeps_its_extended_code() {
        let dir = tempfile::tempdir().unwrap();
        let of = |code| {
            let error = rusqlite::ffi::Error::new(code);
            classify_write(&rusqlite::Error::SqliteFailure(error, None), dir.path())
        };
        assert!(of(10 | (4 << 8)).is_fatal(), "fsync");
        assert!(of(SQLITE_IOERR_WRITE).is_fatal(), "there is room");
        assert!(!of(10 | (19 << 8)).is_fatal(), "shm size");
        assert!(matches!(of(13), StorageError::Full(_)));
        assert!(matches!(of(14), StorageError::Unavailable(_)));
        assert!(matches!(of(19 | (6 << 8)), StorageError::Conflict(_)));
    }
}
