//! What `audit` reads, and what `recover` sets.

use mongodb::bson::{Document, doc};
use storage::{StorageError, mongo::MongoActivitySnapshot};

use super::*;

async fn snapshot(server: &Server, options: MongoOptions) -> MongoActivitySnapshot {
    MongoActivitySnapshot::open(&server.url, options)
        .await
        .unwrap()
}

/// All sources, read page by page.
async fn sources(snapshot: &mut MongoActivitySnapshot, page: usize) -> Vec<(ShardRef, u64)> {
    let mut all = Vec::new();
    loop {
        let more = snapshot.sources(all.last().copied(), page).await.unwrap();
        all.extend_from_slice(&more);
        if more.len() < page {
            return all;
        }
    }
}

#[tokio::test]
async fn sources_are_read_in_order_up_to_the_watermarks() {
    let server = Server::new().await;
    let database = server.next_database();
    let log = server.log(&database).await;
    let mut batch = entries(products(2), (1..=5).rev());
    batch.extend(entries(orders(11), 1..=12));
    batch.extend(entries(orders(1), 1..=3));
    batch.push(entry(None, "of a node"));
    let watermarks = [(products(2), 5), (orders(11), 10)];
    log.append(batch, &watermarks).await.unwrap();

    let mut snapshot = snapshot(&server, options(&database)).await;
    // Later than the snapshot: not told of.
    log.append(entries(products(2), 6..=9), &[(products(2), 9)])
        .await
        .unwrap();
    assert_eq!(snapshot.watermarks(), [(orders(11), 10), (products(2), 5)]);
    let expected: Vec<_> = (1..=10)
        .map(|position| (orders(11), position))
        .chain((1..=5).map(|position| (products(2), position)))
        .collect();
    assert_eq!(sources(&mut snapshot, 4).await, expected);
    // Again, from the start and from the middle.
    assert_eq!(sources(&mut snapshot, 100).await, expected);
    for middle in [6, 9, 12] {
        let after = Some(expected[middle - 1]);
        let rest = snapshot.sources(after, 100).await.unwrap();
        assert_eq!(rest, expected[middle..]);
    }
    server.clean().await;
}

#[tokio::test]
async fn after_a_restore_records_are_told_from_those_that_were_lost() {
    let server = Server::new().await;
    let database = server.next_database();
    let log = server.log(&database).await;
    log.append(entries(orders(1), 1..=9), &[(orders(1), 9)])
        .await
        .unwrap();
    log.append(vec![], &[(orders(2), 3)]).await.unwrap();
    // The database fell back to position 6.
    let lives = first_lives().chain([(orders(1), 7, "second".to_owned())]);
    let options = options_in(&database, Incarnations::new(lives));
    let log = server.log_with(options.clone()).await;
    let down = [(orders(1), 6), (orders(2), 5), (orders(3), 1)];
    log.lower_watermarks(&down).await.unwrap();
    log.lower_watermarks(&[]).await.unwrap();
    let lowered = log.watermarks().await.unwrap();
    assert_eq!(lowered, [(orders(1), 6), (orders(2), 3)]);

    log.append(entries(orders(1), 5..=8), &[(orders(1), 8)])
        .await
        .unwrap();
    // 5 and 6 were there; 7 and 8 are other records than those that were lost.
    assert_eq!(everything(&log).await.len(), 11);
    let mut snapshot = snapshot(&server, options).await;
    let expected: Vec<_> = (1..=8).map(|position| (orders(1), position)).collect();
    assert_eq!(sources(&mut snapshot, 100).await, expected);
    let watermark = server
        .database(&database)
        .collection::<Document>("watermark");
    let watermark = watermark.find_one(doc! { "_id": "orders/1" }).await;
    let watermark = watermark.unwrap().unwrap();
    assert_eq!(watermark.get_str("incarnation").unwrap(), "second");
    server.clean().await;
}

#[tokio::test]
async fn what_cannot_be_decoded_is_damage() {
    let server = Server::new().await;
    let database = server.next_database();
    let log = server.log(&database).await;
    log.append(entries(orders(1), 1..=3), &[(orders(1), 3)])
        .await
        .unwrap();
    let raw = server.database(&database);
    let damage = async |collection: &str, wrong: Document| {
        let documents = raw.collection::<Document>(collection);
        let filter = doc! { "source_shard": 1 };
        let changed = documents.update_one(filter, doc! { "$set": wrong }).await;
        assert_eq!(changed.unwrap().modified_count, 1);
    };
    let query = ActivityQuery {
        limit: 10,
        ..ActivityQuery::default()
    };
    damage("activity", doc! { "level": "loud" }).await;
    let read = log.search(&query).await;
    assert!(matches!(read, Err(StorageError::Damaged(_))), "{read:?}");
    damage("activity", doc! { "level": 7, "source_domain": 77 }).await;
    let read = log.search(&query).await;
    assert!(matches!(read, Err(StorageError::Damaged(_))), "{read:?}");
    let mut snapshot = snapshot(&server, options(&database)).await;
    let read = snapshot.sources(None, 10).await;
    assert!(matches!(read, Err(StorageError::Damaged(_))), "{read:?}");
    damage("watermark", doc! { "position": "far" }).await;
    let read = log.watermarks().await;
    assert!(matches!(read, Err(StorageError::Damaged(_))), "{read:?}");
    server.clean().await;
}
