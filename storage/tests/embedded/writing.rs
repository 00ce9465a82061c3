//! The connection that writes outlives what happens to a transaction.

use std::{sync::Arc, time::Duration};

use storage::{Journal, RowWrites};

use super::{Folders, open, place};
use crate::contract::fixtures::*;

#[tokio::test]
async fn a_commit_that_nobody_waits_for_is_whole_or_nothing() {
    let folders = Folders::new();
    let store = folders.store().await;
    let mut landed = 0;
    for micros in (0..3_000).step_by(100) {
        let mut pen = Pen::claiming(&store, &[orders(1)]).await;
        let batch = pen.batch(
            vec![turn(
                orders(1),
                (1..=200).map(|seq| (record(1, seq), vec![])).collect(),
            )],
            RowWrites::default(),
        );
        let patience = Duration::from_micros(micros);
        let outcome = tokio::time::timeout(patience, store.commit(&batch)).await;
        let is_known = outcome.is_ok();
        if let Ok(committed) = outcome {
            committed.unwrap();
        }
        let head = store.claim(orders(1), "node", None).await.unwrap();
        let records = store.read(orders(1), 0, usize::MAX).await.unwrap();
        assert_eq!(records.len() as u64, head.last_position);
        assert_eq!(records.len() % 200, 0);
        if is_known {
            assert_eq!(records.len(), landed + 200);
        }
        landed = records.len();
    }
}

#[tokio::test]
async fn the_log_is_copied_while_the_store_is_used() {
    let folders = Folders::new();
    let dir = folders.next();
    let store = open(&dir).await;
    let size = || std::fs::metadata(dir.join("stampede.db")).unwrap().len();
    let before = size();
    let mut pen = Pen::claiming(&store, &[orders(1)]).await;
    for _ in 0..5 {
        let records = (1..=4_000).map(|seq| (record(1, seq), vec![])).collect();
        pen.write(&store, vec![turn(orders(1), records)], RowWrites::default())
            .await
            .unwrap();
    }
    let begun = std::time::Instant::now();
    while size() < before + 1_000_000 {
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", size());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for nth in 0..3 {
        place(&mut pen, &store, nth).await.unwrap();
    }
    let records = store.read(orders(1), 0, usize::MAX).await.unwrap();
    assert_eq!(records.len(), 20_003);
}

#[tokio::test]
async fn many_write_at_once() {
    let folders = Folders::new();
    let store = Arc::new(folders.store().await);
    let mut tasks = tokio::task::JoinSet::new();
    for shard in 0..16 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let mut pen = Pen::claiming(&*store, &[orders(shard)]).await;
            for seq in 1..=10 {
                let turns = vec![turn(orders(shard), vec![(record(1, seq), vec![])])];
                pen.write(&*store, turns, RowWrites::default())
                    .await
                    .unwrap();
            }
        });
    }
    tasks.join_all().await;
    for shard in 0..16 {
        assert_eq!(store.read(orders(shard), 0, 99).await.unwrap().len(), 10);
    }
}
