//! What a killed process leaves has every batch that was committed.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use domain::Timestamp;
use storage::{
    ActivityLog, ActivityQuery, Journal, Level, NewActivity, Views,
    sqlite::{ActivitySnapshot, SqliteActivityLog, SqliteSnapshot, SqliteStore},
};

use super::{Folders, copy, open, place};
use crate::contract::fixtures::*;

const FILES: [&str; 2] = ["stampede.db", "stampede.db-wal"];

async fn assert_has(store: &SqliteStore, placed: u32) {
    let head = &store.heads(&[orders(1)]).await.unwrap()[0].1;
    assert_eq!(head.last_position, u64::from(placed));
    assert_eq!(head.revision, u64::from(placed));
    let records = store.read(orders(1), 0, usize::MAX).await.unwrap();
    assert_eq!(records.len(), placed as usize);
    let ids: Vec<_> = (0..placed).map(|nth| order_id(1, nth)).collect();
    assert_eq!(store.load_orders(&ids).await.unwrap().len(), ids.len());
    assert_eq!(
        store.unsettled_orders(1).await.unwrap().len(),
        placed as usize
    );
}

#[tokio::test]
async fn a_copy_of_the_files_has_every_committed_batch() {
    let folders = Folders::new();
    let live = folders.next();
    let store = open(&live).await;
    let mut pen = Pen::claiming(&store, &[orders(1)]).await;
    for nth in 0..20 {
        place(&mut pen, &store, nth).await.unwrap();
    }
    let with_index = folders.next();
    copy(&live, &with_index);
    // After a power cut the index of the write-ahead log may be gone, which is all the same.
    let without_index = folders.next();
    std::fs::create_dir(&without_index).unwrap();
    for file in FILES {
        copy(&live.join(file), &without_index.join(file));
    }
    for dir in [with_index, without_index] {
        let mut snapshot = SqliteSnapshot::open(&dir).await.unwrap();
        assert_eq!(snapshot.records(orders(1), 0, 99).await.unwrap().len(), 20);
        drop(snapshot);
        let copied = open(&dir).await;
        assert_eq!(copied.incarnation(), store.incarnation());
        assert_has(&copied, 20).await;
        // And it can go on.
        let mut pen = Pen::claiming(&copied, &[orders(1)]).await;
        place(&mut pen, &copied, 20).await.unwrap();
        assert_has(&copied, 21).await;
    }
    assert_has(&store, 20).await;
}

#[tokio::test]
async fn a_torn_end_of_the_log_is_a_batch_that_was_not_committed() {
    let folders = Folders::new();
    let live = folders.next();
    let store = open(&live).await;
    let mut pen = Pen::claiming(&store, &[orders(1)]).await;
    let log = live.join(FILES[1]);
    for nth in 0..5 {
        place(&mut pen, &store, nth).await.unwrap();
    }
    let before = std::fs::metadata(&log).unwrap().len();
    place(&mut pen, &store, 5).await.unwrap();
    let after = std::fs::metadata(&log).unwrap().len();
    assert!(after > before);
    for (length, placed) in [(before, 5), (before + 10, 5), (after - 1, 5), (after, 6)] {
        let torn = folders.next();
        std::fs::create_dir(&torn).unwrap();
        for file in FILES {
            copy(&live.join(file), &torn.join(file));
        }
        let file = std::fs::File::options()
            .write(true)
            .open(torn.join(FILES[1]));
        file.unwrap().set_len(length).unwrap();
        assert_has(&open(&torn).await, placed).await;
    }
}

/// Set for the process that [`a_killed_process_leaves_every_batch_it_told_of`] starts and kills.
const VICTIM_DIR: &str = "STAMPEDE_TEST_VICTIM_DIR";

#[tokio::test]
async fn a_killed_process_leaves_every_batch_it_told_of() {
    let folders = Folders::new();
    let dir = folders.next();
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "embedded::crash::victim", "--nocapture"])
        .env(VICTIM_DIR, &dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut told = 0;
    let stdout = BufReader::new(victim.stdout.take().unwrap());
    for line in stdout.lines() {
        if line.unwrap().starts_with("placed ") {
            told += 1;
        }
        if told == 50 {
            victim.kill().unwrap();
            break;
        }
    }
    victim.wait().unwrap();
    assert_eq!(told, 50);

    // Read-only first, as `audit` does: nobody has the store open, and the log has not been copied.
    let mut log = ActivitySnapshot::open(&dir).await.unwrap();
    let mut snapshot = SqliteSnapshot::open(&dir).await.unwrap();
    let records = snapshot.records(orders(1), 0, 10_000).await.unwrap();
    assert!(records.len() >= told, "{} of {told}", records.len());
    let positions: Vec<_> = records.iter().map(|record| record.position).collect();
    assert_eq!(positions, (1..=records.len() as u64).collect::<Vec<_>>());
    let watermark = log.watermarks().await.unwrap()[0].1;
    let entries = log.sources(None, 10_000).await.unwrap();
    assert_eq!(
        entries,
        (1..=watermark)
            .map(|position| (orders(1), position))
            .collect::<Vec<_>>()
    );
    let store = open(&dir).await;
    assert_has(&store, u32::try_from(records.len()).unwrap()).await;
}

/// Not a test of its own: without its variable it does nothing.
#[tokio::test]
async fn victim() {
    let Some(dir) = std::env::var_os(VICTIM_DIR) else {
        return;
    };
    let store = open(dir.as_ref()).await;
    let log = SqliteActivityLog::open(dir.as_ref()).await.unwrap();
    let mut pen = Pen::claiming(&store, &[orders(1)]).await;
    for nth in 0..1_000_u32 {
        place(&mut pen, &store, nth).await.unwrap();
        let position = u64::from(nth) + 1;
        let entry = NewActivity {
            source: Some((orders(1), position)),
            time: Timestamp::from_millis(1),
            level: Level::Info,
            service: "orders",
            event_type: "order.created.v1".to_owned(),
            order_id: None,
            message: "Placed".to_owned(),
        };
        log.append(vec![entry], &[(orders(1), position)])
            .await
            .unwrap();
        println!("placed {nth}");
    }
    let page = log.search(&ActivityQuery::default()).await;
    panic!("nobody killed it: {page:?}");
}
