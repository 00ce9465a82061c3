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

/// As [`classify`], for a write in `dir`: tells a full quota, which SQLite reports like a broken device, from one.
pub(super) fn classify_write(error: sqlx::Error, dir: &Path) -> StorageError {
    let code = error.as_database_error().and_then(|database| {
        let code = database.code()?;
        code.parse::<i32>().ok()
    });
    match code {
        Some(code)
            if (code == SQLITE_IOERR_WRITE || code & 0xff == SQLITE_CANTOPEN)
                && is_unwritable(dir) =>
        {
            StorageError::Full(error.to_string())
        }
        _ => classify(error),
    }
}

/// As [`classify`], for opening a file to write to it in `dir`: whatever goes wrong on a full disk, nothing was written.
pub(super) fn classify_open(error: sqlx::Error, dir: &Path) -> StorageError {
    match classify(error) {
        StorageError::Unavailable(text) | StorageError::Device(text) if is_unwritable(dir) => {
            StorageError::Full(text)
        }
        other => other,
    }
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
}
