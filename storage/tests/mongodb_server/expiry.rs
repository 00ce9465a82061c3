//! The index by which a server removes old entries.

use std::time::Duration;

use mongodb::{IndexModel, bson::Document, bson::doc, options::IndexOptions};

use super::*;

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// The expiry of the index by time; `None` if there is no such index.
async fn expiry(server: &Server, database: &str) -> Option<Option<Duration>> {
    let entries = server.database(database).collection::<Document>("activity");
    let mut indexes = entries.list_indexes().await.unwrap();
    while indexes.advance().await.unwrap() {
        let options = indexes.deserialize_current().unwrap().options.unwrap();
        if options.name.as_deref() == Some("time") {
            return Some(options.expire_after);
        }
    }
    None
}

/// Whether the server can expire documents: FerretDB 1 cannot.
async fn can_expire(server: &Server) -> bool {
    let options = IndexOptions::builder().expire_after(DAY).build();
    let index = IndexModel::builder()
        .keys(doc! { "at": 1 })
        .options(options)
        .build();
    let database = server.database(&server.next_database());
    let scratch = database.collection::<Document>("scratch");
    scratch.create_index(index).await.is_ok()
}

#[tokio::test]
async fn the_retention_can_be_set_changed_and_removed() {
    let server = Server::new().await;
    let can_expire = can_expire(&server).await;
    let database = server.next_database();
    let steps = [None, Some(7 * DAY), Some(DAY), Some(DAY), None, Some(DAY)];
    for (nth, retention) in (1..).zip(steps) {
        let mut options = options(&database);
        options.retention = retention;
        let log = server.log_with(options).await;
        log.prepare().await.unwrap();
        log.prepare().await.unwrap();
        let expected = retention.filter(|_| can_expire);
        assert_eq!(
            expiry(&server, &database).await,
            Some(expected),
            "step {nth}"
        );
        // Far in the future, so that none of them expires.
        log.append(entries(orders(1), [nth]), &[]).await.unwrap();
        assert_eq!(everything(&log).await.len() as u64, nth);
    }
    server.clean().await;
}
