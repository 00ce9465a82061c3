//! Kafka doubles, forgets, loses its topics or hangs; the journals make good for it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::interop::{is_complete, of_type};
use super::{Market, orders_wanted};
use crate::harness::{ClusterSetup, Order, Rush, SOON, Server, eventually, only_with};
use crate::harness::{Fault, Record};

const INBOXES: [&str; 2] = ["inbox.orders", "inbox.products"];

#[tokio::test]
async fn records_that_are_all_published_twice_have_their_effect_once() {
    only_with!(Cluster, "it is about Kafka");
    let market = Market::open(ClusterSetup::of(&["a", "b"])).await;
    market.admin().inject(&Fault::doubled_feed()).await;
    let rush = market.rush(8);
    rush.answered(orders_wanted() / 4).await;
    market.close(rush).await;

    let records = market.cluster.topics().read("inbox.products").await;
    let mut distinct: Vec<_> = records.iter().map(identity).collect();
    distinct.sort();
    distinct.dedup();
    assert!(
        records.len() >= 2 * distinct.len() - distinct.len() / 10,
        "{} records of {} were published: the hook does nothing",
        records.len(),
        distinct.len()
    );
}

fn identity(record: &Record) -> (i32, &str, &str) {
    (
        record.partition,
        &record.headers["ce_source"],
        &record.headers["ce_id"],
    )
}

#[tokio::test]
async fn topics_that_are_read_again_from_their_beginning_change_nothing() {
    only_with!(Cluster, "it is about Kafka");
    let mut market = Market::open(ClusterSetup::of(&["a", "b"])).await;
    let rush = market.rush(8);
    rush.answered(orders_wanted() / 6).await;
    rush.stop();
    let before = rush.finish().await;
    market.cluster.terminate().await;
    market.cluster.topics().forget_groups().await;
    market.cluster.start().await;

    market.expect_sold(&before).await;
    market.cluster.audit().await;
    let products = market.products.clone();
    let more = Rush::start(&market.buyers, 8, 300, move |number| {
        let order = Order::of(products[number % products.len()], 1);
        order.key(format!("after-{number}"))
    });
    let more = more.finish().await;
    assert_eq!(more.accepted.len(), 300, "{:?}", more.refused);
    market.cluster.audit().await;
}

#[tokio::test]
async fn inboxes_that_are_truncated_in_a_burst_lose_no_order() {
    only_with!(Cluster, "it is about Kafka");
    let market = Market::open(ClusterSetup::of(&["a", "b"])).await;
    let rush = market.rush(8);
    for _ in 0..3 {
        rush.answered_more(orders_wanted() / 12).await;
        for inbox in INBOXES {
            market.cluster.topics().truncate(inbox).await;
        }
    }
    rush.answered_more(orders_wanted() / 12).await;
    let ledger = market.close(rush).await;
    assert_eq!((ledger.put_off, ledger.cut_off), (0, 0));
}

#[tokio::test]
async fn inboxes_that_are_deleted_in_a_burst_lose_no_order_and_are_made_again() {
    only_with!(Cluster, "it is about Kafka");
    let market = Market::open(ClusterSetup::of(&["a", "b"])).await;
    let rush = market.rush(8);
    rush.answered(orders_wanted() / 12).await;
    market.cluster.topics().delete(&INBOXES).await;
    rush.answered_more(100).await;
    // By the operator, or by a node that misses them.
    market.cluster.migrate().await;
    let names = market.cluster.topics().names().await;
    assert!(
        INBOXES
            .iter()
            .all(|inbox| names.iter().any(|name| name == inbox))
    );
    rush.answered_more(orders_wanted() / 6).await;
    let ledger = market.close(rush).await;
    assert_eq!((ledger.put_off, ledger.cut_off), (0, 0));
}

/// The producer gives up on what it has sent; nothing may be lost by that, nor sent out of order for good.
#[tokio::test]
async fn messages_that_the_producer_gives_up_on_while_the_broker_hangs_arrive_after_all() {
    only_with!(Cluster, "it freezes Kafka");
    let setup = ClusterSetup::of(&["a", "b"])
        .own_servers()
        .set("kafka.producer.\"message.timeout.ms\"", "1000");
    let market = Market::open(setup).await;
    let rush = market.rush(8);
    for _ in 0..2 {
        rush.answered_more(100).await;
        market.cluster.servers().freeze(Server::Kafka).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        market.cluster.servers().thaw(Server::Kafka).await;
    }
    rush.answered_more(200).await;
    let ledger = market.close(rush).await;
    assert_eq!((ledger.put_off, ledger.cut_off), (0, 0));

    let told = async || {
        let records = market.cluster.topics().read("events.orders").await;
        let confirmed = of_type(&records, "order.confirmed.v1").into_iter();
        let confirmed: BTreeSet<&str> = confirmed.map(|record| record.key.as_str()).collect();
        (confirmed.len() == ledger.accepted.len() && is_complete(&records)).then_some(())
    };
    eventually(SOON, "the public topic tells everything in order", told).await;
}
