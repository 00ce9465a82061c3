//! The activity log on a real server that speaks MongoDB's protocol: the contract of the port, and what is particular
//! to a log without transactions. `STAMPEDE_TEST_MONGODB` tells where the server is; `scripts/services up` starts one.
#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::large_futures)]

#[allow(dead_code, reason = "other stores are behind the other ports")]
mod contract;
mod mongodb_server;

use mongodb_server::Server;
use storage::mongo::MongoActivityLog;

#[tokio::test]
async fn the_activity_log_is_one() {
    let server = Server::new().await;
    contract::activity::all(async || server.log(&server.next_database()).await).await;
    server.clean().await;
}

#[tokio::test]
async fn a_url_that_is_none_does_not_fit_and_is_not_repeated() {
    let options = mongodb_server::options("stampede");
    let refused = MongoActivityLog::open("mongo://ada:secret@somewhere", options).await;
    let refused = refused.unwrap_err();
    assert!(matches!(refused, storage::StorageError::Mismatch(_)));
    assert!(!refused.to_string().contains("secret"), "{refused}");
}
