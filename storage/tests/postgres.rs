//! The store on PostgreSQL: the contracts of the ports, and what is particular to a server that many share.
//!
//! They need a server: `STAMPEDE_TEST_POSTGRES_URL` names a database in it whose role may create others.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::large_futures
)]
// What the suites of other ports need is not used here.
#![allow(dead_code)]

mod contract;
mod server;

use server::Databases;

#[tokio::test]
async fn the_store_is_a_journal() {
    let databases = Databases::new();
    contract::journal::all(async || databases.emptied().await).await;
}

#[tokio::test]
async fn the_store_can_be_archived() {
    let databases = Databases::new();
    contract::archive::all(async || (databases.emptied().await, databases.emptied().await)).await;
}

#[tokio::test]
async fn the_store_has_views() {
    let databases = Databases::new();
    contract::views::all(async || databases.emptied().await).await;
}
