//! Failing commits and full disks on demand, for tests of the running program. Without the feature `fault-injection`
//! nothing of it is there.

#[cfg(not(feature = "fault-injection"))]
mod none {
    use rusqlite::Connection;

    use crate::StorageError;

    /// No faults.
    #[derive(Default)]
    pub(in crate::sqlite) struct Faults {}

    #[allow(clippy::unused_self, clippy::unnecessary_wraps)]
    impl Faults {
        pub(in crate::sqlite) fn at_begin(&self, _connection: &Connection) -> rusqlite::Result<()> {
            Ok(())
        }

        pub(in crate::sqlite) fn at_commit(&self) -> Result<(), StorageError> {
            Ok(())
        }

        pub(in crate::sqlite) fn after_rollback(&self, _connection: &Connection) {}
    }
}

#[cfg(feature = "fault-injection")]
mod some {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use rusqlite::Connection;

    use crate::StorageError;

    /// What is to go wrong.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Fault {
        /// The next so many transactions are rolled back where they would be committed, and fail with
        /// [`StorageError::Unavailable`].
        FailCommits(u32),
        /// Whether every transaction that writes fails with SQLite's own "database or disk is full".
        DiskFull(bool),
    }

    /// The faults of one writer.
    #[derive(Default)]
    pub(in crate::sqlite) struct Faults {
        failing_commits: AtomicU32,
        disk_full: AtomicBool,
    }

    impl Faults {
        pub(in crate::sqlite) fn inject(&self, fault: Fault) {
            match fault {
                Fault::FailCommits(commits) => {
                    self.failing_commits.store(commits, Ordering::SeqCst);
                }
                Fault::DiskFull(full) => self.disk_full.store(full, Ordering::SeqCst),
            }
        }

        /// On a full disk: forbids the file to grow, and asks for more pages than it has free.
        pub(in crate::sqlite) fn at_begin(&self, connection: &Connection) -> rusqlite::Result<()> {
            if !self.disk_full.load(Ordering::SeqCst) {
                return Ok(());
            }
            // Zero is refused as a limit; any other limit below the size of the file counts as that size.
            connection.execute_batch(
                "PRAGMA max_page_count = 1; \
                 CREATE TABLE no_room AS SELECT zeroblob((2 + f.freelist_count) * s.page_size) \
                 FROM pragma_freelist_count f, pragma_page_size s",
            )
        }

        pub(in crate::sqlite) fn at_commit(&self) -> Result<(), StorageError> {
            let counted =
                self.failing_commits
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |commits| {
                        commits.checked_sub(1)
                    });
            match counted {
                Ok(_) => Err(StorageError::Unavailable("injected fault".to_owned())),
                Err(_) => Ok(()),
            }
        }

        pub(in crate::sqlite) fn after_rollback(&self, connection: &Connection) {
            let _ = connection.execute_batch("PRAGMA max_page_count = 4294967294");
        }
    }
}

#[cfg(not(feature = "fault-injection"))]
pub(super) use none::Faults;
#[cfg(feature = "fault-injection")]
pub use some::Fault;
#[cfg(feature = "fault-injection")]
pub(super) use some::Faults;
