//! The embedded stores: the contracts of the ports, and what is particular to files on a disk.

mod contract;

use std::sync::atomic::{AtomicUsize, Ordering};

use contract::fixtures::TOPOLOGY;
use storage::sqlite::{OpenMode, SqliteActivityLog, SqliteStore};

/// Folders for stores, one after the other, gone when it is dropped.
struct Folders {
    root: tempfile::TempDir,
    made: AtomicUsize,
}

impl Folders {
    fn new() -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
            made: AtomicUsize::new(0),
        }
    }

    fn next(&self) -> std::path::PathBuf {
        let nth = self.made.fetch_add(1, Ordering::Relaxed);
        self.root.path().join(nth.to_string())
    }

    async fn store(&self) -> SqliteStore {
        SqliteStore::open(&self.next(), &TOPOLOGY, OpenMode::CreateIfMissing)
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn the_store_is_a_journal() {
    let folders = Folders::new();
    contract::journal::all(async || folders.store().await).await;
}

#[tokio::test]
async fn the_store_has_views() {
    let folders = Folders::new();
    contract::views::all(async || folders.store().await).await;
}

#[tokio::test]
async fn the_activity_log_is_one() {
    let folders = Folders::new();
    contract::activity::all(async || SqliteActivityLog::open(&folders.next()).await.unwrap()).await;
}
