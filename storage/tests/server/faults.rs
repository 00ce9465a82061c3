//! Faults on demand do what the real ones do.
#![cfg(feature = "fault-injection")]

use storage::{Journal, StorageError, postgres::Fault};

use super::{Databases, place};
use crate::contract::fixtures::*;

#[tokio::test]
async fn commits_fail_as_often_as_asked() {
    let databases = Databases::new();
    let store = databases.store().await;
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
    let databases = Databases::new();
    let store = databases.store().await;
    let mut pen = Pen::claiming(&store, &[orders(1)]).await;
    place(&mut pen, &store, 0).await.unwrap();
    store.inject(Fault::DiskFull(true));
    let outcome = place(&mut pen, &store, 1).await;
    assert!(matches!(outcome, Err(StorageError::Full(_))), "{outcome:?}");
    match store.claim(orders(1), "node", None).await {
        Err(StorageError::Full(text)) => assert!(text.contains("full"), "{text}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(store.read(orders(1), 0, 9).await.unwrap().len(), 1);
    store.inject(Fault::DiskFull(false));
    let mut pen = Pen::claiming(&store, &[orders(1)]).await;
    place(&mut pen, &store, 1).await.unwrap();
}
