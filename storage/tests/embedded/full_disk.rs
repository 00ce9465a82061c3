//! A disk that is really full: a small file system in memory, which only root may mount.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use domain::{OrderId, orders::OrderStatus};
use storage::{
    Journal, RowWrites, StorageError, Views,
    sqlite::{OpenMode, SqliteSnapshot, SqliteStore},
};

use super::open;
use crate::contract::fixtures::*;

/// A mounted file system of some MiB; taken down when it is dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None`, and why, where mounting is refused.
    fn mount() -> Option<Self> {
        let point = tempfile::tempdir().unwrap();
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"])
            .arg(point.path())
            .stderr(std::process::Stdio::null())
            .status();
        match status {
            Ok(status) if status.success() => Some(Self(point)),
            refused => {
                eprintln!("skipped: cannot mount a small file system: {refused:?}");
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file until nothing fits any more.
    fn fill(&self) -> PathBuf {
        let path = self.path().join("ballast");
        let mut file = File::create(&path).unwrap();
        for size in [1 << 16, 1 << 12, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .arg("--lazy")
            .arg(self.path())
            .status();
    }
}

/// Places orders until it is refused; gives back how many were placed in all, and why there are no more.
async fn place_until_refused(
    store: &SqliteStore,
    ids: &mut Vec<OrderId>,
    orders_max: usize,
) -> Option<StorageError> {
    let mut pen = Pen::claiming(store, &[orders(1)]).await;
    for _ in 0..orders_max {
        let id = OrderId::next(ids.last().copied(), 1, NOW);
        let rows = RowWrites {
            orders: vec![(order(id, 5, OrderStatus::Created), 1)],
            ..RowWrites::default()
        };
        let record = storage::NewRecord {
            payload: vec![7; 3_000],
            ..record(id.get(), 1)
        };
        let turns = vec![turn(orders(1), vec![(record, vec![products(1)])])];
        match pen.write(store, turns, rows).await {
            Ok(()) => ids.push(id),
            Err(error) => return Some(error),
        }
    }
    None
}

async fn assert_holds_exactly(store: &SqliteStore, ids: &[OrderId]) {
    let head = &store.heads(&[orders(1)]).await.unwrap()[0].1;
    assert_eq!(head.last_position, ids.len() as u64);
    assert_eq!(store.unsettled_orders(1).await.unwrap().len(), ids.len());
    let records = store.read(orders(1), 0, usize::MAX).await.unwrap();
    assert!(
        records
            .iter()
            .map(|record| record.aggregate_id)
            .eq(ids.iter().map(|id| id.get()))
    );
}

#[tokio::test]
async fn a_full_disk_refuses_until_it_has_room() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let dir = disk.path().join("data");
    let store = open(&dir).await;
    let mut ids = Vec::new();
    assert!(place_until_refused(&store, &mut ids, 20).await.is_none());
    for round in 0..3 {
        let ballast = disk.fill();
        // Claiming needs room too, so there is a little: what was in the write-ahead log may be written over.
        let refused = loop {
            match store.claim(orders(2), "node", None).await {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(
            matches!(refused, StorageError::Full(_)),
            "{round}: {refused:?}"
        );
        for _ in 0..3 {
            let refused = store.claim(orders(1), "node", None).await.unwrap_err();
            assert!(matches!(refused, StorageError::Full(_)), "{refused:?}");
        }
        // Reading goes on.
        assert_holds_exactly(&store, &ids).await;
        std::fs::remove_file(ballast).unwrap();
        let outcome = place_until_refused(&store, &mut ids, 20).await;
        assert!(outcome.is_none(), "{round}: {outcome:?}");
        assert_holds_exactly(&store, &ids).await;
    }
}

#[tokio::test]
async fn a_disk_that_fills_up_loses_nothing() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let dir = disk.path().join("data");
    let store = open(&dir).await;
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![0; 2 << 20]).unwrap();
    let mut ids = Vec::new();
    let refused = place_until_refused(&store, &mut ids, 100_000)
        .await
        .unwrap();
    assert!(matches!(refused, StorageError::Full(_)), "{refused:?}");
    assert!(ids.len() > 50, "{}", ids.len());
    assert_holds_exactly(&store, &ids).await;
    let mut snapshot = SqliteSnapshot::open(&dir).await.unwrap();
    let rows = snapshot.orders(0, usize::MAX).await.unwrap();
    assert_eq!(rows.len(), ids.len());
    drop(snapshot);
    std::fs::remove_file(&ballast).unwrap();
    let more = place_until_refused(&store, &mut ids, 20).await;
    assert!(more.is_none(), "{more:?}");
    assert_holds_exactly(&store, &ids).await;
    drop(store);
    assert_holds_exactly(&open(&dir).await, &ids).await;
}

#[tokio::test]
async fn a_store_is_not_made_on_a_full_disk() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let (made, new) = (disk.path().join("made"), disk.path().join("new"));
    for dir in [&made, &new] {
        std::fs::create_dir(dir).unwrap();
    }
    // Closed in good order: a store that is only dropped goes on closing while the disk fills.
    open(&made).await.close().await.unwrap();
    let ballast = disk.fill();
    for dir in [&made, &new] {
        let outcome = SqliteStore::open(dir, &TOPOLOGY, OpenMode::CreateIfMissing).await;
        assert!(matches!(outcome, Err(StorageError::Full(_))), "{outcome:?}");
    }
    std::fs::remove_file(ballast).unwrap();
    for dir in [&made, &new] {
        open(dir).await;
    }
}
