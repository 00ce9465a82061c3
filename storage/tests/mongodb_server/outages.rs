//! A server that is not there, or says nothing.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use storage::{StorageError, mongo::MongoActivitySnapshot};

use super::*;

/// Seconds within which whoever asks is told; the bound of looking for a server and some room for a busy machine.
const TOLD_WITHIN: Duration = Duration::from_secs(6);

async fn is_unavailable<T: std::fmt::Debug>(
    operation: impl Future<Output = Result<T, StorageError>>,
) {
    let begun = Instant::now();
    let outcome = operation.await;
    assert!(
        matches!(outcome, Err(StorageError::Unavailable(_))),
        "{outcome:?}"
    );
    let elapsed = begun.elapsed();
    assert!(elapsed < TOLD_WITHIN, "{elapsed:?}");
}

async fn nothing_works_and_all_say_so(url: &str) {
    // Opening needs no server.
    let log = MongoActivityLog::open(url, options("stampede"));
    let log = log.await.unwrap();
    let query = ActivityQuery::default();
    is_unavailable(log.watermarks()).await;
    is_unavailable(log.search(&query)).await;
    is_unavailable(log.prepare()).await;
    is_unavailable(log.append(entries(orders(1), 1..=2), &[(orders(1), 2)])).await;
    is_unavailable(log.append(vec![], &[(orders(1), 2)])).await;
    is_unavailable(log.lower_watermarks(&[(orders(1), 1)])).await;
    is_unavailable(MongoActivitySnapshot::open(url, options("stampede"))).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_soon() {
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = port.local_addr().unwrap();
    drop(port);
    nothing_works_and_all_say_so(&format!("mongodb://{address}")).await;
}

#[tokio::test]
async fn a_server_that_never_answers_is_unavailable_soon() {
    // Connections are made, and nobody takes them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    nothing_works_and_all_say_so(&format!("mongodb://{address}")).await;
}
