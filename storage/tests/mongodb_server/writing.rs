//! Each record once, each number once, whatever fails or races.

use mongodb::bson::{Document, doc};
use storage::{StorageError, mongo::MongoActivityLog};

use super::*;

/// How often whoever is told to come again does so.
const APPENDS_MAX: usize = 50;

/// Appends the whole batch again as long as the server is not able to.
async fn until_written(
    log: &MongoActivityLog,
    batch: &[NewActivity],
    watermarks: &[(ShardRef, u64)],
) {
    for _ in 0..APPENDS_MAX {
        match log.append(batch.to_vec(), watermarks).await {
            Ok(()) => return,
            Err(StorageError::Unavailable(reason)) => eprintln!("again: {reason}"),
            Err(error) => panic!("{error}"),
        }
    }
    panic!("not written in {APPENDS_MAX} tries");
}

#[tokio::test]
async fn what_a_failure_before_the_watermark_left_is_not_written_twice() {
    let server = Server::new().await;
    let log = server.log(&server.next_database()).await;
    let batch = entries(orders(1), 1..=50);
    // As far as a writer came that died before it moved the watermark, in the middle of a batch even.
    log.append(batch[..30].to_vec(), &[]).await.unwrap();
    assert_eq!(log.watermarks().await.unwrap(), []);
    log.append(batch.clone(), &[(orders(1), 50)]).await.unwrap();
    log.append(batch, &[(orders(1), 50)]).await.unwrap();
    assert_eq!(everything(&log).await.len(), 50);
    assert_eq!(log.watermarks().await.unwrap(), [(orders(1), 50)]);
    server.clean().await;
}

#[tokio::test]
async fn an_older_watermark_changes_nothing() {
    let server = Server::new().await;
    let log = server.log(&server.next_database()).await;
    for position in [9, 5] {
        log.append(vec![], &[(orders(1), position)]).await.unwrap();
    }
    assert_eq!(log.watermarks().await.unwrap(), [(orders(1), 9)]);
    server.clean().await;
}

#[tokio::test]
async fn two_writers_of_the_same_records_write_each_once() {
    let server = Server::new().await;
    let database = server.next_database();
    let (one, other) = tokio::join!(server.log(&database), server.log(&database));
    let write = async |log: &MongoActivityLog| {
        for first in (1..=1_000).step_by(50) {
            let batch = entries(orders(1), first..first + 50);
            let watermark = [(orders(1), first + 49)];
            until_written(log, &batch, &watermark).await;
        }
    };
    tokio::join!(write(&one), write(&other));
    assert_eq!(everything(&one).await.len(), 1_000);
    // FerretDB 1 reads and writes a watermark in two steps: it may be behind after a race, and is never ahead.
    let watermark = one.watermarks().await.unwrap();
    assert!(watermark.len() == 1 && watermark[0] <= (orders(1), 1_000));
    one.append(vec![], &[(orders(1), 1_000)]).await.unwrap();
    assert_eq!(one.watermarks().await.unwrap(), [(orders(1), 1_000)]);
    server.clean().await;
}

#[tokio::test]
async fn writers_of_different_records_lose_none_and_share_no_number() {
    let server = Server::new().await;
    let database = server.next_database();
    let write = async |shard| {
        let log = server.log(&database).await;
        for first in (1..=200).step_by(10) {
            let batch = entries(orders(shard), first..first + 10);
            until_written(&log, &batch, &[]).await;
        }
    };
    tokio::join!(write(1), write(2), write(3), write(4));
    let log = server.log(&database).await;
    assert_eq!(everything(&log).await.len(), 800);
    server.clean().await;
}

#[tokio::test]
async fn entries_get_other_numbers_where_theirs_are_taken() {
    let server = Server::new().await;
    let database = server.next_database();
    let log = server.log(&database).await;
    log.append(entries(orders(1), 1..=20), &[]).await.unwrap();
    // The counter falls back, as when another writer got the same block.
    let counter = server.database(&database).collection::<Document>("counter");
    let back = doc! { "$set": { "last": 5_i64 } };
    let changed = counter.update_one(doc! {}, back).await.unwrap();
    assert_eq!(changed.modified_count, 1);
    // Some of these are there already, the others collide with the numbers of those.
    log.append(entries(orders(1), 11..=30), &[]).await.unwrap();
    assert_eq!(everything(&log).await.len(), 30);
    server.clean().await;
}

#[tokio::test]
async fn a_lost_counter_goes_on_after_the_newest_entry() {
    let server = Server::new().await;
    let database = server.next_database();
    let log = server.log(&database).await;
    log.append(entries(orders(1), 1..=20), &[]).await.unwrap();
    let newest = everything(&log).await[0].id;
    let counter = server.database(&database).collection::<Document>("counter");
    counter.drop().await.unwrap();
    let log = server.log(&database).await;
    log.append(vec![entry(None, "later")], &[]).await.unwrap();
    let entries = everything(&log).await;
    assert_eq!(entries[0].message, "later");
    assert_eq!(entries[0].id, newest + 1);
    server.clean().await;
}

#[tokio::test]
async fn a_batch_of_the_largest_size_is_written() {
    let server = Server::new().await;
    let log = server.log(&server.next_database()).await;
    let batch = entries(orders(1), 1..=4_000);
    log.append(batch, &[(orders(1), 4_000)]).await.unwrap();
    assert_eq!(everything(&log).await.len(), 4_000);
    let long = "x".repeat(20 * 1024 * 1024);
    log.append(vec![entry(None, &long)], &[]).await.unwrap();
    let kept = &everything(&log).await[0].message;
    assert!(kept.len() < long.len() && long.starts_with(kept));
    server.clean().await;
}

#[tokio::test]
async fn a_record_of_no_known_incarnation_is_refused() {
    let server = Server::new().await;
    let options = options_in(&server.next_database(), Incarnations::default());
    let log = server.log_with(options).await;
    let batch = vec![entry(None, "node"), entry(Some((orders(1), 1)), "record")];
    let refused = log.append(batch, &[(orders(1), 1)]).await;
    assert!(matches!(refused, Err(StorageError::Mismatch(_))));
    assert_eq!(messages(&log).await, [""; 0]);
    assert_eq!(log.watermarks().await.unwrap(), []);
    server.clean().await;
}
