//! Making and opening the files.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::DirBuilderExt,
    path::Path,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use domain::Timestamp;

use sqlx::{
    ConnectOptions, SqliteConnection, SqlitePool,
    migrate::{MigrateError, Migrator},
    sqlite::SqlitePoolOptions,
};

use super::{
    LOCK_FILE, errors,
    options::{WriterOptions, reader_options},
};
use crate::StorageError;

/// The mode of a data directory that is made.
const DIR_MODE: u32 = 0o700;
/// How long a read waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that read the store.
pub(super) const STORE_READERS: u32 = 4;
/// Connections that read the activity log, which few people do.
pub(super) const ACTIVITY_READERS: u32 = 2;
/// How often the lock on a directory is tried for: who audits looks at it for a moment.
const LOCK_TRIES: u32 = 5;
/// The pause between two tries.
const LOCK_PAUSE: Duration = Duration::from_millis(20);
pub(super) static STORE_MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");
pub(super) static ACTIVITY_MIGRATIONS: Migrator = sqlx::migrate!("migrations/activity-sqlite");

/// The connections that read, at most so many. They are opened when they are needed.
pub(super) fn readers(path: &Path, connections_max: u32) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(reader_options(path))
}

/// Makes the directory if it is missing.
///
/// Only its owner gets into a directory that is made here: the store has password hashes and e-mail addresses.
pub(super) fn make_dir(dir: &Path) -> Result<(), StorageError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(DIR_MODE)
        .create(dir)
        .map_err(|error| io_error("cannot make", dir, &error))
}

/// The lock that keeps out a second writer.
pub(super) struct DirLock(File);

impl Drop for DirLock {
    fn drop(&mut self) {
        // Closing the file is not enough: a child process that is just being started shares it for a moment.
        let _ = self.0.unlock();
    }
}

/// Takes the lock that keeps out a second writer.
pub(super) fn lock(dir: &Path) -> Result<DirLock, StorageError> {
    let path = dir.join(LOCK_FILE);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| io_error("cannot write", &path, &error))?;
    let mut tries = 1;
    let mut taken = file.try_lock();
    while tries < LOCK_TRIES && matches!(taken, Err(TryLockError::WouldBlock)) {
        thread::sleep(LOCK_PAUSE);
        tries += 1;
        taken = file.try_lock();
    }
    match taken {
        Ok(()) => {
            // By this `served_since` knows for how long the lock has been held. Nothing else rests on it.
            #[expect(
                clippy::disallowed_methods,
                reason = "a file has the time of its file system"
            )]
            let _ = file.set_modified(SystemTime::now());
            Ok(DirLock(file))
        }
        Err(TryLockError::WouldBlock) => Err(StorageError::Locked(format!(
            "another process writes to {}; stop it first, or use another directory",
            dir.display()
        ))),
        Err(TryLockError::Error(error)) => Err(io_error("cannot lock", &path, &error)),
    }
}

/// Since when a process has the store in this directory open for writing; `None` if none has. A writer that starts at
/// this very moment tries again.
///
/// # Errors
/// Whatever keeps the lock from being looked at. A directory without one is no error.
pub fn served_since(dir: &Path) -> Result<Option<Timestamp>, StorageError> {
    let path = dir.join(LOCK_FILE);
    let failed = |error: io::Error| io_error("cannot look at", &path, &error);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    match file.try_lock_shared() {
        Ok(()) => {
            let _ = file.unlock();
            Ok(None)
        }
        Err(TryLockError::WouldBlock) => {
            let modified = file.metadata().and_then(|metadata| metadata.modified());
            let since = modified.map_err(failed)?.duration_since(UNIX_EPOCH);
            let millis = since.unwrap_or_default().as_millis();
            let millis = i64::try_from(millis).unwrap_or(i64::MAX);
            Ok(Some(Timestamp::from_millis(millis)))
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

fn io_error(what: &str, path: &Path, error: &io::Error) -> StorageError {
    let text = format!("{what} {}: {error}", path.display());
    if errors::is_full(error.kind()) {
        StorageError::Full(text)
    } else {
        StorageError::Unavailable(text)
    }
}

/// Opens a connection with sqlx and brings the schema up to date.
pub(super) async fn connect_and_migrate(
    options: &WriterOptions,
    create: bool,
    migrations: &Migrator,
) -> Result<SqliteConnection, StorageError> {
    let WriterOptions { path, dir, .. } = options;
    let describe = |error: StorageError| match error {
        StorageError::Unavailable(text) => {
            StorageError::Unavailable(format!("cannot open {}: {text}", path.display()))
        }
        other => other,
    };
    let mut connection = options
        .for_sqlx(create)
        .connect()
        .await
        .map_err(|error| describe(errors::classify_open(error, dir)))?;
    migrations
        .run(&mut connection)
        .await
        .map_err(|error| migrate_error(error, path))?;
    Ok(connection)
}

fn migrate_error(error: MigrateError, path: &Path) -> StorageError {
    let misfit = |text: &str| StorageError::Mismatch(format!("{} {text}", path.display()));
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            errors::classify_open(error, path.parent().unwrap_or(path))
        }
        MigrateError::VersionMissing(version) => misfit(&format!(
            "was made by a newer version of the program (its schema has migration {version})"
        )),
        MigrateError::VersionMismatch(version) => misfit(&format!(
            "has another schema than this program (migration {version} differs)"
        )),
        error => misfit(&format!("has a schema that does not fit: {error}")),
    }
}

/// Opens the file for reading and begins a transaction that sees it as it is now, until the connection is closed.
pub(super) async fn begin_snapshot(
    path: &Path,
    migrations: &Migrator,
) -> Result<SqliteConnection, StorageError> {
    let describe = |error: sqlx::Error| match errors::classify(error) {
        StorageError::Unavailable(text) | StorageError::Full(text) => {
            StorageError::Unavailable(format!("cannot read {}: {text}", path.display()))
        }
        other => other,
    };
    if !path.exists() {
        return Err(StorageError::Unavailable(format!(
            "there is no {}",
            path.display()
        )));
    }
    let mut connection = reader_options(path).connect().await.map_err(describe)?;
    sqlx::query("BEGIN")
        .execute(&mut connection)
        .await
        .map_err(describe)?;
    // The transaction sees the moment of its first read, which is this one.
    let applied: Option<i64> =
        sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success")
            .fetch_one(&mut connection)
            .await
            .map_err(describe)?;
    let known = migrations.iter().map(|migration| migration.version).max();
    if applied == known {
        Ok(connection)
    } else {
        Err(StorageError::Mismatch(format!(
            "{} has schema {} and this program reads schema {}; the program that writes it must be of the same version",
            path.display(),
            applied.unwrap_or(0),
            known.unwrap_or(0)
        )))
    }
}
