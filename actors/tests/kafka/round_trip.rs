//! From the journal's commit to the target's mailbox.

use std::time::Duration;

use actors::transport::Feed;
use domain::{Domain, ShardRef};
use storage::Published;

use super::support::{SOON, Shop, eventually, noting_shards, orders, products};

#[actix::test]
async fn every_record_arrives_in_order_with_its_place_on_the_link() {
    let shop = Shop::new().await;
    let (consumer, noted) = shop.orders_consumer();
    let feed = shop.feed();
    let mut pen = shop.pen(products(1)).await;
    feed.opened(products(1), 0);
    for round in 0..100 {
        pen.publish(&feed, 5, round % 2).await;
    }
    let assert_chain = |target: ShardRef| {
        let mut prev = 0;
        for record in noted.records(target, products(1)) {
            assert_eq!(record.prev, prev, "{target}");
            prev = record.position;
        }
    };
    eventually("all are delivered", || {
        let count = |shard| noted.positions(orders(shard), products(1)).len();
        count(0) + count(1) >= 500
    })
    .await;
    assert_chain(orders(0));
    assert_chain(orders(1));
    assert!(feed.flush(SOON).await);
    let stored = shop.cursors.0.lock().unwrap()[&products(1)];
    assert_eq!(
        stored,
        Published {
            public: 500,
            inbox: 500
        }
    );
    assert_eq!(feed.stats().acknowledged, 1_000);
    assert_eq!(
        feed.stats().readings,
        0,
        "memory had everything that was sent"
    );
    assert_eq!(consumer.stats().delivered, 500);
    assert!(consumer.stop(SOON).await);
}

#[actix::test]
async fn the_logs_and_the_notifications_follow_public_topics() {
    let shop = Shop::new().await;
    let (targets, noted) = noting_shards(Domain::Logs, 64, Duration::ZERO);
    let logs = shop.consumer(Domain::Logs, targets);
    let feed = shop.feed();
    let mut pen = shop.pen(products(0)).await;
    feed.opened(products(0), 0);
    pen.publish(&feed, 40, 1).await;
    let log = ShardRef {
        domain: Domain::Logs,
        shard: 0,
    };
    let positions = noted.until(log, products(0), 40).await;
    assert_eq!(positions, (1..=40).collect::<Vec<_>>());
    let records = noted.records(log, products(0));
    assert!(
        records
            .iter()
            .all(|record| record.prev + 1 == record.position)
    );
    eventually("all sources are assigned", || {
        logs.sources().borrow().len() == 8 && logs.assignment().borrow().is_member
    })
    .await;
    assert!(logs.stop(SOON).await);
}

#[actix::test]
async fn a_takeover_goes_on_where_the_cursor_is_and_reads_the_journal() {
    let shop = Shop::new().await;
    let mut pen = shop.pen(products(0)).await;
    let first = shop.feed();
    first.opened(products(0), 0);
    pen.publish(&first, 30, 0).await;
    assert!(first.flush(SOON).await);
    first.closed(products(0));
    first.stop();
    // These were committed by a node that died before it published them.
    pen.write(1_500, 0).await;

    let second = shop.feed();
    second.opened(products(0), pen.last);
    pen.publish(&second, 10, 0).await;
    assert!(second.flush(SOON).await);
    assert!(second.stats().readings > 0);
    assert_eq!(second.stats().acknowledged, 2 * 1_510, "nothing twice");

    let (consumer, noted) = shop.orders_consumer();
    let positions = noted.until(orders(0), products(0), pen.last).await;
    assert_eq!(positions, (1..=pen.last).collect::<Vec<_>>());
    assert!(consumer.stop(SOON).await);
}

#[actix::test]
async fn what_is_closed_is_published_no_more_and_its_cursor_is_stored() {
    let shop = Shop::new().await;
    let mut pen = shop.pen(products(0)).await;
    let feed = shop.feed();
    feed.opened(products(0), 0);
    pen.publish(&feed, 3, 0).await;
    eventually("it is published", || {
        feed.stats().backlog[&products(0)].public == 0
            && feed.stats().backlog[&products(0)].inbox == 0
    })
    .await;
    feed.closed(products(0));
    pen.publish(&feed, 3, 0).await;
    eventually("its cursor is stored", || {
        let cursors = shop.cursors.0.lock().unwrap();
        cursors
            .get(&products(0))
            .is_some_and(|cursor| cursor.public == 3)
    })
    .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(feed.stats().acknowledged, 6);
}

#[actix::test]
async fn a_lossy_feed_loses_in_inboxes_only_and_counts_it_as_done() {
    use actors::{runtime::Faults, system::Fault};

    let shop = Shop::new().await;
    let faults = Faults::new(true);
    faults.inject(Fault::Feed {
        drop: 0.5,
        double: 0.2,
        reorder: 0.2,
    });
    let feed = shop.feed_with(shop.config.clone(), faults);
    let mut pen = shop.pen(products(0)).await;
    feed.opened(products(0), 0);
    pen.publish(&feed, 400, 0).await;
    assert!(feed.flush(SOON).await);
    let (targets, noted) = noting_shards(Domain::Logs, 64, Duration::ZERO);
    let logs = shop.consumer(Domain::Logs, targets);
    let log = ShardRef {
        domain: Domain::Logs,
        shard: 0,
    };
    let public = noted.until(log, products(0), 400).await;
    assert!(public.len() > 400, "some are doubled");
    assert!(!public.is_sorted(), "some are out of order");
    let inbox = feed.stats().acknowledged - public.len() as u64;
    assert!((100..400).contains(&inbox), "{inbox} of 400 and doubles");
    assert!(logs.stop(SOON).await);
}
