//! A server that goes away: only what is under way fails, and it fails in time.

use std::{
    str::FromStr,
    time::{Duration, Instant},
};

use sqlx::{ConnectOptions, Connection, postgres::PgConnectOptions};
use storage::{Journal, StorageError, Views};

use super::{Databases, connect, open, options, place, placing, run};
use crate::contract::fixtures::*;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Ends all other connections to the database, as a restart does.
const END_CONNECTIONS: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
     WHERE datname = current_database() AND pid <> pg_backend_pid()";

#[tokio::test]
async fn connections_that_died_in_the_pool_fail_nobody() {
    let databases = Databases::new();
    let url = databases.next().await;
    let store = open(options(&url)).await;
    let mut pen = Pen::claiming(&store, &[orders(1)]).await;
    for nth in 0..8 {
        // As many as there may be are open.
        let reads = || store.read(orders(1), 0, 9);
        let (a, b, c, d) = tokio::join!(reads(), reads(), reads(), reads());
        assert!([a, b, c, d].iter().all(Result::is_ok));
        run(&url, END_CONNECTIONS).await;
        if nth % 2 == 0 {
            place(&mut pen, &store, nth).await.unwrap();
        } else {
            assert!(store.order(order_id(1, nth - 1)).await.unwrap().is_some());
        }
    }
}

#[tokio::test]
async fn a_commit_that_is_cut_off_is_unknown_and_nothing_of_it_is_there() {
    let databases = Databases::new();
    let url = databases.next().await;
    let store = open(options(&url)).await;
    let mut pen = Pen::claiming(&store, &[orders(1)]).await;
    let batch = placing(&mut pen, 0);
    let mut blocker = connect(&url).await;
    let mut held = blocker.begin().await.unwrap();
    sqlx::raw_sql("SELECT FROM orders.head FOR UPDATE")
        .execute(&mut *held)
        .await
        .unwrap();
    let cutting = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        run(
            &url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .await;
    };
    let (outcome, ()) = tokio::join!(store.commit(&batch), cutting);
    assert!(
        matches!(outcome, Err(StorageError::Unavailable(_))),
        "{outcome:?}"
    );
    held.rollback().await.unwrap();
    assert_eq!(store.read(orders(1), 0, 9).await.unwrap(), []);
    let mut pen = Pen::claiming(&store, &[orders(1)]).await;
    place(&mut pen, &store, 0).await.unwrap();
}

#[tokio::test]
async fn a_statement_ends_in_time() {
    let databases = Databases::new();
    let url = databases.next().await;
    let mut options = options(&url);
    options.statement_timeout = Duration::from_millis(300);
    let store = open(options).await;
    let mut pen = Pen::claiming(&store, &[orders(1)]).await;
    let mut blocker = connect(&url).await;
    let mut held = blocker.begin().await.unwrap();
    sqlx::raw_sql("SELECT FROM orders.head FOR UPDATE")
        .execute(&mut *held)
        .await
        .unwrap();
    let begun = Instant::now();
    let outcome = place(&mut pen, &store, 0).await;
    assert!(
        matches!(outcome, Err(StorageError::Unavailable(_))),
        "{outcome:?}"
    );
    assert!(begun.elapsed() < Duration::from_secs(3));
    held.rollback().await.unwrap();
    assert_eq!(store.read(orders(1), 0, 9).await.unwrap(), []);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_and_its_password_is_not_told() {
    // Nothing listens on the discard port.
    let options = options("postgres://user:secret@127.0.0.1:9/nothing");
    match storage::postgres::PostgresStore::open(options).await {
        Err(StorageError::Unavailable(text)) => {
            assert!(text.contains("127.0.0.1:9"), "{text}");
            assert!(!text.contains("secret"), "{text}");
        }
        other => panic!("{other:?}"),
    }
}

/// A way to the server of this URL that freezes when it is told to: what is under way stands still, and who comes next
/// is let in and not answered.
async fn freezable(url: &str) -> (String, watch::Sender<bool>) {
    let server = PgConnectOptions::from_str(url).unwrap();
    let address = (server.get_host().to_owned(), server.get_port());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (freeze, frozen) = watch::channel(false);
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let (address, mut frozen) = (address.clone(), frozen.clone());
            tokio::spawn(async move {
                let mut server = TcpStream::connect(address).await.unwrap();
                tokio::select! {
                    biased;
                    _ = frozen.wait_for(|frozen| *frozen) => {}
                    _ = copy_bidirectional(&mut client, &mut server) => return,
                }
                let _ = frozen.wait_for(|frozen| !*frozen).await;
            });
        }
    });
    let through = server.host("127.0.0.1").port(port).to_url_lossy();
    (through.to_string(), freeze)
}

#[tokio::test]
async fn a_server_that_stands_still_is_given_up_in_time() {
    let databases = Databases::new();
    let (url, freeze) = freezable(&databases.next().await).await;
    let mut options = options(&url);
    options.statement_timeout = Duration::from_millis(500);
    options.connect_timeout = Duration::from_secs(2);
    let store = open(options.clone()).await;
    let mut pen = Pen::claiming(&store, &[orders(1)]).await;
    place(&mut pen, &store, 0).await.unwrap();
    freeze.send_replace(true);
    let begun = Instant::now();
    let outcome = place(&mut pen, &store, 1).await;
    assert!(
        matches!(outcome, Err(StorageError::Unavailable(_))),
        "{outcome:?}"
    );
    let opened = storage::postgres::PostgresStore::open(options).await;
    assert!(
        matches!(opened, Err(StorageError::Unavailable(_))),
        "{opened:?}"
    );
    assert!(begun.elapsed() < Duration::from_secs(15));
    freeze.send_replace(false);
    let mut pen = Pen::claiming(&store, &[orders(1)]).await;
    place(&mut pen, &store, 1).await.unwrap();
    assert_eq!(store.read(orders(1), 0, 9).await.unwrap().len(), 2);
}
