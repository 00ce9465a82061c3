//! What is not a record, what is of another life, and what does not fit a mailbox.

use std::time::Duration;

use actors::transport::{
    Feed,
    kafka::{Pace, codec::Envelope, topics},
};
use domain::{Domain, Timestamp};
use rdkafka::{
    ClientConfig, Message,
    consumer::{BaseConsumer, Consumer},
    message::{Header, Headers, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer},
};

use super::support::{LIFE, SOON, Shop, eventually, noting_shards, orders, products};

fn produce(shop: &Shop, topic: &str, partition: i32, headers: OwnedHeaders, payload: &[u8]) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &shop.config.brokers)
        .create()
        .unwrap();
    producer
        .send(
            BaseRecord::<str, [u8]>::to(topic)
                .partition(partition)
                .headers(headers)
                .payload(payload),
        )
        .map_err(|(error, _)| error)
        .unwrap();
    producer.flush(SOON).unwrap();
}

fn envelope<'a>(source: &'a str, position: u64, event_type: &'a str) -> Envelope<'a> {
    Envelope {
        source,
        position,
        prev: position - 1,
        event_type,
        aggregate_id: 17,
        time: Timestamp::from_millis(1_800_000_000_000),
        trace: None,
    }
}

#[actix::test]
async fn a_message_that_is_no_record_goes_to_the_dead_letters_and_holds_up_nothing() {
    let shop = Shop::new().await;
    let inbox = topics::inbox(&shop.config.topic_prefix, Domain::Orders);
    let stray = OwnedHeaders::new().insert(Header {
        key: "ce_id",
        value: Some("7"),
    });
    produce(&shop, &inbox, 1, stray, b"stray");
    let unknown = format!("/orders/shards/99/{LIFE}");
    produce(
        &shop,
        &inbox,
        1,
        envelope(&unknown, 1, "stock.refused.v1").headers(),
        b"",
    );
    let (consumer, noted) = shop.orders_consumer();
    let feed = shop.feed();
    let mut pen = shop.pen(products(0)).await;
    feed.opened(products(0), 0);
    pen.publish(&feed, 2, 1).await;
    noted.until(orders(1), products(0), 2).await;
    assert_eq!(consumer.stats().dead_letters, 2);

    let letters: BaseConsumer = shop
        .config
        .for_consumer("letters", Pace::AtOnce)
        .create()
        .unwrap();
    let topic = topics::dead_letters(&shop.config.topic_prefix);
    letters.subscribe(&[&topic]).unwrap();
    let reading = actix_rt::task::spawn_blocking(move || {
        let mut told = Vec::new();
        let end = std::time::Instant::now() + SOON;
        while told.len() < 2 && std::time::Instant::now() < end {
            let Some(Ok(letter)) = letters.poll(Duration::from_millis(100)) else {
                continue;
            };
            let headers = letter.headers().unwrap();
            let of = |name: &str| {
                let header = headers.iter().find(|header| header.key == name).unwrap();
                String::from_utf8(header.value.unwrap().to_vec()).unwrap()
            };
            told.push((
                of("dead_letter_reason"),
                of("dead_letter_topic"),
                of("dead_letter_partition"),
                of("dead_letter_offset"),
                letter.payload().unwrap_or_default().to_vec(),
            ));
        }
        told
    });
    let told = reading.await.unwrap();
    let (partition, inbox) = ("1".to_owned(), inbox.clone());
    assert_eq!(
        told,
        [
            (
                "header ce_source is missing".to_owned(),
                inbox.clone(),
                partition.clone(),
                "0".to_owned(),
                b"stray".to_vec()
            ),
            (
                "there is no shard orders/99".to_owned(),
                inbox,
                partition,
                "1".to_owned(),
                Vec::new()
            ),
        ]
    );
    assert!(consumer.stop(SOON).await);
}

#[actix::test]
async fn what_is_of_another_life_is_ignored_and_what_cannot_be_decoded_is_announced() {
    let shop = Shop::new().await;
    let inbox = topics::inbox(&shop.config.topic_prefix, Domain::Orders);
    let (consumer, noted) = shop.orders_consumer();
    let foreign = "/products/shards/0/00000000000000bb";
    produce(
        &shop,
        &inbox,
        0,
        envelope(foreign, 1, "stock.refused.v1").headers(),
        b"",
    );
    let own = format!("/products/shards/0/{LIFE}");
    produce(
        &shop,
        &inbox,
        0,
        envelope(&own, 5, "stock.vanished.v9").headers(),
        b"",
    );
    eventually("the position is announced", || {
        noted.announced(orders(0), products(0)) == 5
    })
    .await;
    assert_eq!(consumer.stats().other_incarnation, 1);
    assert_eq!(consumer.stats().undecodable, 1);
    assert_eq!(consumer.stats().dead_letters, 0);
    assert!(noted.records(orders(0), products(0)).is_empty());
    assert!(consumer.stop(SOON).await);
}

#[actix::test]
async fn a_full_mailbox_pauses_its_partition_and_loses_nothing() {
    let shop = Shop::new().await;
    let feed = shop.feed();
    let mut pen = shop.pen(products(0)).await;
    feed.opened(products(0), 0);
    for _ in 0..10 {
        pen.publish(&feed, 500, 0).await;
    }
    assert!(feed.flush(SOON).await);
    let (targets, noted) = noting_shards(Domain::Orders, 1, Duration::from_millis(100));
    let consumer = shop.consumer(Domain::Orders, targets);
    let positions = noted.until(orders(0), products(0), 5_000).await;
    assert_eq!(positions, (1..=5_000).collect::<Vec<_>>());
    assert!(consumer.stats().pauses > 0, "{:?}", consumer.stats());
    assert!(consumer.stop(SOON).await);
}
