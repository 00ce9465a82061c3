//! A broker that is away, that refuses, and that has lost a topic.

use std::time::Duration;

use actors::{
    runtime::Faults,
    transport::{
        Feed,
        kafka::{KafkaConfig, topics},
    },
};
use domain::Domain;
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
    mocking::MockCluster,
    types::{RDKafkaApiKey, RDKafkaRespErr},
};

use super::support::{SHARDS, SOON, Shop, config_of, eventually, orders, products};

/// A broker in memory with the topics of a shop.
async fn mocked() -> (MockCluster<'static, DefaultMock>, Shop) {
    let cluster = MockCluster::new(1).unwrap();
    let config = config_of(cluster.bootstrap_servers());
    for topic in names(&config) {
        cluster.create_topic(&topic, i32::from(SHARDS), 1).unwrap();
    }
    (cluster, Shop::with(config).await)
}

type DefaultMock = rdkafka::producer::DefaultProducerContext;

fn names(config: &KafkaConfig) -> [String; 2] {
    [
        topics::public(&config.topic_prefix, Domain::Products),
        topics::inbox(&config.topic_prefix, Domain::Orders),
    ]
}

#[actix::test]
async fn while_kafka_is_away_commits_go_on_and_everything_arrives_later() {
    let (cluster, shop) = mocked().await;
    cluster.broker_down(1).unwrap();
    let feed = shop.feed();
    let mut pen = shop.pen(products(0)).await;
    feed.opened(products(0), 0);
    // More than the producer and memory keep.
    for _ in 0..12 {
        pen.publish(&feed, 1_000, 0).await;
    }
    assert!(!feed.flush(Duration::from_millis(500)).await);
    assert_eq!(feed.stats().backlog[&products(0)].public, 12_000);
    cluster.broker_up(1).unwrap();
    assert!(feed.flush(SOON).await);
    assert!(feed.stats().readings > 0);
    let (consumer, noted) = shop.orders_consumer();
    noted.until(orders(0), products(0), 12_000).await;
    assert!(consumer.stop(SOON).await);
}

#[actix::test]
async fn a_delivery_error_ends_the_producer_and_the_cursor_says_where_to_start_again() {
    let (cluster, shop) = mocked().await;
    let feed = shop.feed();
    let mut pen = shop.pen(products(0)).await;
    feed.opened(products(0), 0);
    pen.publish(&feed, 50, 0).await;
    assert!(feed.flush(SOON).await);
    cluster.request_errors(
        RDKafkaApiKey::Produce,
        &[
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        ],
    );
    pen.publish(&feed, 50, 0).await;
    assert!(feed.flush(SOON).await);
    let stats = feed.stats();
    assert!(stats.producer_restarts > 0 && stats.errors > 0, "{stats:?}");
    assert!(
        stats.readings > 0,
        "what was with the dead producer is read"
    );
    let (consumer, noted) = shop.orders_consumer();
    let positions = noted.until(orders(0), products(0), 100).await;
    assert!(positions.len() >= 100);
    assert!(consumer.stop(SOON).await);
}

#[actix::test]
async fn a_broker_that_is_away_takes_membership_and_not_what_is_wanted() {
    let (cluster, mut shop) = mocked().await;
    shop.config
        .consumer
        .insert("session.timeout.ms".to_owned(), "6000".to_owned());
    let (consumer, _) = shop.orders_consumer();
    let assignment = consumer.assignment();
    eventually("it is a member of all", || {
        assignment.borrow().is_member && assignment.borrow().wanted.len() == 2
    })
    .await;
    cluster.broker_down(1).unwrap();
    eventually("it is no member", || !assignment.borrow().is_member).await;
    assert_eq!(assignment.borrow().wanted.len(), 2);
    // Longer than the session: the assignment is lost, and stays wanted.
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert!(!assignment.borrow().is_member);
    assert_eq!(assignment.borrow().wanted.len(), 2);
    cluster.broker_up(1).unwrap();
    eventually("it is a member again", || assignment.borrow().is_member).await;
    assert_eq!(assignment.borrow().wanted.len(), 2);
    consumer.stop(SOON).await;
}

#[actix::test]
async fn a_topic_that_is_deleted_is_made_again_and_does_not_hold_up_the_others() {
    let shop = Shop::new().await;
    let (consumer, noted) = shop.orders_consumer();
    let feed = shop.feed_with(shop.config.clone(), Faults::default());
    let mut pen = shop.pen(products(0)).await;
    feed.opened(products(0), 0);
    pen.publish(&feed, 20, 0).await;
    noted.until(orders(0), products(0), 20).await;
    assert!(feed.flush(SOON).await);

    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", &shop.config.brokers)
        .create()
        .unwrap();
    let inbox = topics::inbox(&shop.config.topic_prefix, Domain::Orders);
    let deleted = admin
        .delete_topics(&[&inbox], &AdminOptions::new())
        .await
        .unwrap();
    assert!(deleted.iter().all(Result::is_ok));

    pen.publish(&feed, 20, 0).await;
    eventually("the public topic goes on", || {
        feed.stats().backlog[&products(0)].public == 0
    })
    .await;
    eventually("the inbox is made again", || {
        feed.stats().backlog[&products(0)].inbox == 0
    })
    .await;
    topics::check(&shop.config, &super::support::TOPOLOGY)
        .await
        .unwrap();
    pen.publish(&feed, 20, 0).await;
    // What came after the topic was deleted is delivered, or healed from the journal; the consumer goes on.
    eventually("the consumer goes on", || {
        noted.positions(orders(0), products(0)).contains(&60)
    })
    .await;
    assert!(consumer.stop(SOON).await);
}
