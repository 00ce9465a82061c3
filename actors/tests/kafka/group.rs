//! Who is suggested which shards.

use std::{collections::BTreeMap, time::Duration};

use actors::transport::{Feed, kafka::KafkaConsumer};
use domain::{Domain, ShardRef};

use super::support::{SOON, Shop, eventually};

fn wanted(consumer: &KafkaConsumer) -> Vec<u16> {
    consumer
        .assignment()
        .borrow()
        .wanted
        .iter()
        .copied()
        .collect()
}

fn is_member(consumer: &KafkaConsumer) -> bool {
    consumer.assignment().borrow().is_member
}

#[actix::test]
async fn two_nodes_share_the_shards_and_one_that_leaves_gives_its_own() {
    let shop = Shop::new().await;
    let (first, _) = shop.orders_consumer();
    eventually("the first has all", || wanted(&first) == [0, 1]).await;
    let (second, _) = shop.orders_consumer();
    eventually("they share", || {
        let mut all = [wanted(&first), wanted(&second)].concat();
        all.sort_unstable();
        all == [0, 1] && wanted(&first).len() == 1
    })
    .await;
    assert!(is_member(&first) && is_member(&second));
    assert!(first.stop(SOON).await);
    assert_eq!(wanted(&first), Vec::<u16>::new(), "it has given up its own");
    let begun = std::time::Instant::now();
    eventually("the second has all", || wanted(&second) == [0, 1]).await;
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "a node that leaves is not waited for"
    );
    // A third finds nothing to do, and is a member all the same.
    let (third, _) = shop.orders_consumer();
    let (fourth, _) = shop.orders_consumer();
    eventually("all are members", || {
        is_member(&third) && is_member(&fourth)
    })
    .await;
    for consumer in [second, third, fourth] {
        assert!(consumer.stop(SOON).await);
    }
}

#[actix::test]
async fn the_topic_of_the_users_only_shares_out_their_shards() {
    let shop = Shop::new().await;
    let auth = ShardRef {
        domain: Domain::Auth,
        shard: 0,
    };
    let feed = shop.feed();
    let mut pen = shop.pen(auth).await;
    feed.opened(auth, 0);
    pen.publish(&feed, 5, 0).await;
    assert!(feed.flush(SOON).await);
    let consumer = shop.consumer(Domain::Auth, BTreeMap::new());
    eventually("all are assigned", || wanted(&consumer) == [0, 1]).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(consumer.stats().received, 0, "its partitions are paused");
    assert!(is_member(&consumer));
    assert!(consumer.stop(SOON).await);
}
