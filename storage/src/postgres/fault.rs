//! Failing commits and full disks on demand, for tests of the running program. Without the feature `fault-injection`
//! nothing of it is there.

#[cfg(not(feature = "fault-injection"))]
mod none {
    use crate::{StorageError, postgres::store::Database};

    /// No faults.
    #[derive(Default)]
    pub(in crate::postgres) struct Faults {}

    #[allow(clippy::unused_async, clippy::unused_self)]
    impl Faults {
        pub(in crate::postgres) async fn before_write(
            &self,
            _database: &Database,
        ) -> Result<(), StorageError> {
            Ok(())
        }

        pub(in crate::postgres) fn at_commit(&self) -> Result<(), StorageError> {
            Ok(())
        }
    }
}

#[cfg(feature = "fault-injection")]
mod some {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use sqlx::postgres::PgArguments;

    use crate::{StorageError, postgres::store::Database};

    /// What is to go wrong.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Fault {
        /// The next so many batches are not committed, and fail with [`StorageError::Unavailable`].
        FailCommits(u32),
        /// Whether everything that writes to a journal fails as on a full disk.
        DiskFull(bool),
    }

    /// The faults of one store.
    #[derive(Default)]
    pub(in crate::postgres) struct Faults {
        failing_commits: AtomicU32,
        disk_full: AtomicBool,
    }

    impl Faults {
        pub(in crate::postgres) fn inject(&self, fault: Fault) {
            match fault {
                Fault::FailCommits(commits) => {
                    self.failing_commits.store(commits, Ordering::SeqCst);
                }
                Fault::DiskFull(full) => self.disk_full.store(full, Ordering::SeqCst),
            }
        }

        /// On a full disk: lets the server fail with the very code it would have.
        pub(in crate::postgres) async fn before_write(
            &self,
            database: &Database,
        ) -> Result<(), StorageError> {
            if !self.disk_full.load(Ordering::SeqCst) {
                return Ok(());
            }
            let sql = "DO $$ BEGIN RAISE EXCEPTION 'could not extend file: the disk is full' \
                       USING ERRCODE = 'disk_full'; END $$";
            database.fetch(sql, PgArguments::default()).await.map(drop)
        }

        pub(in crate::postgres) fn at_commit(&self) -> Result<(), StorageError> {
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
    }
}

#[cfg(not(feature = "fault-injection"))]
pub(super) use none::Faults;
#[cfg(feature = "fault-injection")]
pub use some::Fault;
#[cfg(feature = "fault-injection")]
pub(super) use some::Faults;
