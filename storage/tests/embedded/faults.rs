//! Faults on demand do what the real ones do.
#![cfg(feature = "fault-injection")]

use storage::{Journal, RowWrites, StorageError, sqlite::Fault};

use super::{Folders, place};
use crate::contract::fixtures::*;

#[tokio::test]
async fn commits_fail_as_often_as_asked() {
    let folders = Folders::new();
    let store = folders.store().await;
    let mut pen = Pen::claiming(&store, &[orders(1)]).await;
    place(&mut pen, &store, 0).await.unwrap();
    store.inject(Fault::FailCommits(2));
    for _ in 0..2 {
        let outcome = place(&mut pen, &store, 1).await;
        assert!(matches!(outcome, Err(StorageError::Unavailable(_))));
        pen = Pen::claiming(&store, &[orders(1)]).await;
    }
    assert_eq!(store.read(orders(1), 0, 9).await.unwrap().len(), 1);
    place(&mut pen, &store, 1).await.unwrap();
    assert_eq!(store.read(orders(1), 0, 9).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_full_disk_is_full_until_it_is_cleared() {
    let folders = Folders::new();
    let store = folders.store().await;
    let mut pen = Pen::claiming(&store, &[orders(1)]).await;
    for nth in 0..50 {
        place(&mut pen, &store, nth).await.unwrap();
    }
    for round in 1..=2 {
        store.inject(Fault::DiskFull(true));
        for _ in 0..3 {
            match store.claim(orders(1), "node", None).await {
                Err(StorageError::Full(text)) => assert!(text.contains("full"), "{text}"),
                other => panic!("{other:?}"),
            }
        }
        let read = store.read(orders(1), 0, 999).await.unwrap();
        assert_eq!(read.len(), 50 + 300 * (round - 1));
        store.inject(Fault::DiskFull(false));
        let mut pen = Pen::claiming(&store, &[orders(1)]).await;
        let many = (0..300)
            .map(|seq| (record(9, seq), vec![products(1)]))
            .collect();
        pen.write(&store, vec![turn(orders(1), many)], RowWrites::default())
            .await
            .unwrap();
        let read = store.read(orders(1), 0, 999).await.unwrap();
        assert_eq!(read.len(), 50 + 300 * round);
    }
}
