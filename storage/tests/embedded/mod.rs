//! What is particular to files on a disk.

mod crash;
mod eras;
mod faults;
mod full_disk;
mod opening;
mod snapshots;
mod writing;

use std::{
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

use domain::orders::OrderStatus;
use storage::{
    RowWrites,
    sqlite::{OpenMode, SqliteStore},
};

use crate::contract::fixtures::*;

/// Folders for stores, one after the other, gone when it is dropped.
pub(crate) struct Folders {
    root: tempfile::TempDir,
    made: AtomicUsize,
}

impl Folders {
    pub(crate) fn new() -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
            made: AtomicUsize::new(0),
        }
    }

    /// The path of another folder, which is not made.
    pub(crate) fn next(&self) -> PathBuf {
        let nth = self.made.fetch_add(1, Ordering::Relaxed);
        self.root.path().join(nth.to_string())
    }

    pub(crate) async fn store(&self) -> SqliteStore {
        open(&self.next()).await
    }

    pub(crate) async fn store_in(&self, dir: &std::path::Path) -> SqliteStore {
        open(dir).await
    }
}

async fn open(dir: &std::path::Path) -> SqliteStore {
    SqliteStore::open(dir, &TOPOLOGY, OpenMode::CreateIfMissing)
        .await
        .unwrap()
}

/// Places the nth order of shard 1.
async fn place(pen: &mut Pen, store: &SqliteStore, nth: u32) -> Result<(), storage::StorageError> {
    let id = order_id(1, nth);
    let rows = RowWrites {
        orders: vec![(order(id, 5, OrderStatus::Created), 1)],
        keys: vec![taken(&key(orders(1), &format!("5:{nth}")), id.get(), None)],
        ..RowWrites::default()
    };
    let turns = vec![turn(
        orders(1),
        vec![(record(id.get(), 1), vec![products(1)])],
    )];
    pen.write(store, turns, rows).await
}

/// Copies a folder by another process: closing a file that SQLite has open would take this process's locks on it.
fn copy(from: &std::path::Path, to: &std::path::Path) {
    let status = Command::new("cp").arg("-r").args([from, to]).status();
    assert!(status.unwrap().success());
}
