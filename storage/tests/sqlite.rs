//! The embedded stores: the contracts of the ports, and what is particular to files on a disk.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::large_futures
)]

mod contract;
mod embedded;

use embedded::Folders;
use storage::sqlite::{SqliteActivityLog, SqliteArchive};

#[tokio::test]
async fn the_store_is_a_journal() {
    let folders = Folders::new();
    contract::journal::all(async || folders.store().await).await;
}

#[tokio::test]
async fn the_store_can_be_archived() {
    let folders = Folders::new();
    contract::archive::all(async || {
        let dir = folders.next();
        let store = folders.store_in(&dir).await;
        let log = SqliteActivityLog::open(&dir).await.unwrap();
        log.close().await.unwrap();
        (store, SqliteArchive::open(&dir).await.unwrap())
    })
    .await;
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
