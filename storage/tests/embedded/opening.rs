//! Opening, closing, and what does not fit.

use std::process::Command;

use domain::{Topology, users::Role};
use storage::{
    ActivityLog, Journal, RowWrites, StorageError, Views,
    sqlite::{OpenMode, SqliteActivityLog, SqliteSnapshot, SqliteStore},
};

use super::{Folders, open, place};
use crate::contract::fixtures::*;

#[tokio::test]
async fn reopening_finds_everything() {
    let folders = Folders::new();
    let dir = folders.next().join("made").join("with parents");
    let store = open(&dir).await;
    let incarnation = store.incarnation();
    let mut pen = Pen::claiming(&store, &[orders(1)]).await;
    for nth in 0..3 {
        place(&mut pen, &store, nth).await.unwrap();
    }
    let rows = RowWrites {
        users: vec![(user(5, "ada", Role::Admin), 1)],
        parked: vec![parked(products(2), 1, NOW)],
        ..RowWrites::default()
    };
    pen.write(&store, vec![], rows).await.unwrap();
    let head = store.heads(&[orders(1)]).await.unwrap();
    drop(store);
    for close in [true, false] {
        let store = open(&dir).await;
        assert_eq!(store.incarnation(), incarnation);
        assert_eq!(store.topology(), &TOPOLOGY);
        assert_eq!(store.heads(&[orders(1)]).await.unwrap(), head);
        assert_eq!(store.read(orders(1), 0, 9).await.unwrap().len(), 3);
        assert!(store.order(order_id(1, 2)).await.unwrap().is_some());
        assert!(store.has_admin().await.unwrap());
        assert_eq!(store.parked(products(2)).await.unwrap().len(), 1);
        if close {
            store.close().await.unwrap();
            assert!(!dir.join("stampede.db-wal").exists());
        }
    }
}

#[tokio::test]
async fn every_store_has_its_own_incarnation() {
    let folders = Folders::new();
    let (first, second) = (folders.store().await, folders.store().await);
    assert_ne!(first.incarnation(), second.incarnation());
}

#[tokio::test]
async fn another_topology_does_not_fit() {
    let folders = Folders::new();
    let dir = folders.next();
    drop(open(&dir).await);
    let other = Topology {
        orders: 8,
        ..TOPOLOGY
    };
    let outcome = SqliteStore::open(&dir, &other, OpenMode::Existing).await;
    let text = match outcome {
        Err(StorageError::Mismatch(text)) => text,
        other => panic!("{other:?}"),
    };
    assert!(
        text.contains("orders=16") && text.contains("orders=8"),
        "{text}"
    );
    drop(open(&dir).await);
    let snapshot = SqliteSnapshot::open(&dir).await.unwrap();
    assert_eq!(snapshot.topology(), &TOPOLOGY);
}

#[tokio::test]
async fn a_second_writer_is_refused() {
    let folders = Folders::new();
    let dir = folders.next();
    let store = open(&dir).await;
    let outcome = SqliteStore::open(&dir, &TOPOLOGY, OpenMode::Existing).await;
    assert!(
        matches!(outcome, Err(StorageError::Locked(_))),
        "{outcome:?}"
    );
    drop(store);
    open(&dir).await;
}

#[tokio::test]
async fn a_store_is_made_only_where_it_may_be() {
    let folders = Folders::new();
    let dir = folders.next();
    let outcome = SqliteStore::open(&dir, &TOPOLOGY, OpenMode::Existing).await;
    assert!(matches!(outcome, Err(StorageError::Unavailable(_))));
    assert!(!dir.exists());
    let outcome = SqliteSnapshot::open(&dir).await;
    assert!(matches!(outcome, Err(StorageError::Unavailable(_))));

    let file = folders.next();
    std::fs::write(&file, "no folder").unwrap();
    let outcome = SqliteStore::open(&file, &TOPOLOGY, OpenMode::CreateIfMissing).await;
    let text = outcome.unwrap_err().to_string();
    assert!(text.contains(file.to_str().unwrap()), "{text}");
}

#[tokio::test]
async fn something_else_is_not_taken_for_a_store() {
    let folders = Folders::new();
    let dir = folders.next();
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("stampede.db"), [7; 8192]).unwrap();
    let outcome = SqliteStore::open(&dir, &TOPOLOGY, OpenMode::Existing).await;
    assert!(
        matches!(outcome, Err(StorageError::Damaged(_))),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_newer_schema_does_not_fit() {
    let folders = Folders::new();
    let dir = folders.next();
    drop(open(&dir).await);
    let log = SqliteActivityLog::open(&dir).await.unwrap();
    log.append(vec![], &[(orders(1), 1)]).await.unwrap();
    drop(log);
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (999, 'newer', true, x'00', 0)";
    change(&dir.join("stampede.db"), newer).await;
    let outcome = SqliteStore::open(&dir, &TOPOLOGY, OpenMode::Existing).await;
    assert!(
        matches!(outcome, Err(StorageError::Mismatch(_))),
        "{outcome:?}"
    );
    let outcome = SqliteSnapshot::open(&dir).await;
    assert!(matches!(outcome, Err(StorageError::Mismatch(_))));
    change(&dir.join("activity.db"), newer).await;
    let outcome = SqliteActivityLog::open(&dir).await;
    assert!(matches!(outcome, Err(StorageError::Mismatch(_))));
}

async fn change(path: &std::path::Path, sql: &'static str) {
    use sqlx::{ConnectOptions, Connection};
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let mut connection = options.connect().await.unwrap();
    sqlx::query(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_state_of_another_version_is_named() {
    let folders = Folders::new();
    let dir = folders.next();
    let store = open(&dir).await;
    let mut pen = Pen::claiming(&store, &[orders(1)]).await;
    place(&mut pen, &store, 0).await.unwrap();
    drop(store);
    change(
        &dir.join("stampede.db"),
        "UPDATE orders SET state = x'00' || substr(state, 2)",
    )
    .await;
    let store = open(&dir).await;
    let text = match store.load_orders(&[order_id(1, 0)]).await {
        Err(StorageError::Damaged(text)) => text,
        other => panic!("{other:?}"),
    };
    assert!(text.contains("version 0"), "{text}");
    let mut snapshot = SqliteSnapshot::open(&dir).await.unwrap();
    let rows = snapshot.orders(0, 9).await.unwrap();
    assert!(rows[0].state.is_err() && rows[0].columns.status == "created");
}

#[test]
fn the_lock_holds_between_processes() {
    // `flock` is a part of util-linux; where it is missing the test of one process has to do.
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let store = runtime.block_on(open(dir.path()));
    let try_lock = || {
        Command::new("flock")
            .args(["--nonblock"])
            .arg(dir.path().join("lock"))
            .arg("true")
            .status()
            .map(|status| status.success())
    };
    match try_lock() {
        Ok(locked) => assert!(!locked),
        Err(error) => return eprintln!("skipped: no flock: {error}"),
    }
    drop(store);
    assert!(try_lock().unwrap());
}
