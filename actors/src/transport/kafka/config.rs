//! What librdkafka is told.
//!
//! The properties here are part of the design: an operator may override each of them, and then answers for it.

use std::{collections::BTreeMap, time::Duration};

use rdkafka::{ClientConfig, config::RDKafkaLogLevel};

/// The longest wait for an answer to a question about topics or watermarks.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Messages that one producer may hold, sent and not acknowledged ones included.
pub const PRODUCER_MESSAGES_MAX: usize = 20_000;

/// For every client.
const COMMON: &[(&str, &str)] = &[
    ("reconnect.backoff.ms", "50"),
    ("reconnect.backoff.max.ms", "1000"),
    ("socket.keepalive.enable", "true"),
    // A topic that is deleted and made again is noticed within this time.
    ("topic.metadata.refresh.interval.ms", "5000"),
    ("log.connection.close", "false"),
];

/// For producers.
const PRODUCER: &[(&str, &str)] = &[
    ("enable.idempotence", "true"),
    ("acks", "all"),
    // Never give up on a message: the journal has it anyway, and an error ends the producer.
    ("message.timeout.ms", "0"),
    ("linger.ms", "2"),
    ("compression.type", "lz4"),
    ("queue.buffering.max.kbytes", "65536"),
    // A topic that is not there for so long does not exist; until then it may just be new.
    ("topic.metadata.propagation.max.ms", "5000"),
    ("retry.backoff.ms", "50"),
    ("retry.backoff.max.ms", "500"),
];

/// For consumers.
const CONSUMER: &[(&str, &str)] = &[
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("auto.offset.reset", "earliest"),
    ("session.timeout.ms", "6000"),
    ("heartbeat.interval.ms", "1000"),
    ("max.poll.interval.ms", "60000"),
    ("partition.assignment.strategy", "cooperative-sticky"),
    ("allow.auto.create.topics", "false"),
    // Bounds of what is fetched and not yet delivered.
    ("queued.max.messages.kbytes", "16384"),
    ("queued.min.messages", "5000"),
    ("fetch.max.bytes", "8388608"),
    ("max.partition.fetch.bytes", "1048576"),
    ("fetch.wait.max.ms", "500"),
    ("fetch.error.backoff.ms", "100"),
    ("fetch.queue.backoff.ms", "20"),
];

/// How soon messages are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// At once: orders wait for them.
    AtOnce,
    /// Within a tenth of a second or two: what they tell has happened, and many together cost brokers and clients a
    /// fraction of what they cost one by one.
    Gathered,
}

impl Pace {
    /// For producers, beyond [`PRODUCER`].
    const fn producer(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::AtOnce => &[],
            Self::Gathered => &[("linger.ms", "50")],
        }
    }

    /// For consumers, beyond [`CONSUMER`].
    const fn consumer(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::AtOnce => &[],
            Self::Gathered => &[("fetch.min.bytes", "131072"), ("fetch.wait.max.ms", "100")],
        }
    }
}

/// How to reach Kafka.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KafkaConfig {
    /// The first brokers to ask, `host:port,host:port`.
    pub brokers: String,
    /// What the name of every topic and group begins with; empty by default.
    pub topic_prefix: String,
    /// Copies of each partition of a topic that is created; `None`: as the brokers have it by default.
    pub replication_factor: Option<u16>,
    /// The node's name, by which the brokers know its connections.
    pub client_id: String,
    /// Properties of librdkafka for every client; they override what is built in.
    pub properties: BTreeMap<String, String>,
    /// Properties for producers; they override `properties`.
    pub producer: BTreeMap<String, String>,
    /// Properties for consumers; they override `properties`.
    pub consumer: BTreeMap<String, String>,
}

impl KafkaConfig {
    /// What a producer is made with.
    #[must_use]
    pub fn for_producer(&self, pace: Pace) -> ClientConfig {
        let mut client = self.client([PRODUCER, pace.producer()], &self.producer);
        if client.get("queue.buffering.max.messages").is_none() {
            client.set(
                "queue.buffering.max.messages",
                PRODUCER_MESSAGES_MAX.to_string(),
            );
        }
        client
    }

    /// What a consumer of this group is made with.
    #[must_use]
    pub fn for_consumer(&self, group: &str, pace: Pace) -> ClientConfig {
        let mut client = self.client([CONSUMER, pace.consumer()], &self.consumer);
        client.set("group.id", group);
        client
    }

    /// What a client that asks about topics is made with.
    #[must_use]
    pub fn for_admin(&self) -> ClientConfig {
        self.client([&[], &[]], &BTreeMap::new())
    }

    fn client(
        &self,
        built_in: [&[(&str, &str)]; 2],
        overriding: &BTreeMap<String, String>,
    ) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set_log_level(RDKafkaLogLevel::Info);
        client.set("bootstrap.servers", &self.brokers);
        if !self.client_id.is_empty() {
            client.set("client.id", &self.client_id);
        }
        for (name, value) in COMMON.iter().chain(built_in[0]).chain(built_in[1]) {
            client.set(*name, *value);
        }
        for (name, value) in self.properties.iter().chain(overriding) {
            client.set(name, value);
        }
        client
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn properties(list: &[(&str, &str)]) -> BTreeMap<String, String> {
        list.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn an_operator_overrides_what_is_built_in_and_the_special_overrides_the_general() {
        let config = KafkaConfig {
            brokers: "one:9092".to_owned(),
            client_id: "node-1".to_owned(),
            properties: properties(&[("linger.ms", "7"), ("session.timeout.ms", "9000")]),
            producer: properties(&[("linger.ms", "9")]),
            ..KafkaConfig::default()
        };
        let producer = config.for_producer(Pace::Gathered);
        assert_eq!(producer.get("linger.ms").unwrap(), "9");
        assert_eq!(producer.get("acks").unwrap(), "all");
        assert_eq!(producer.get("client.id").unwrap(), "node-1");
        let consumer = config.for_consumer("group", Pace::Gathered);
        assert_eq!(consumer.get("fetch.wait.max.ms").unwrap(), "100");
        assert_eq!(consumer.get("session.timeout.ms").unwrap(), "9000");
        assert_eq!(consumer.get("group.id").unwrap(), "group");
    }

    #[test]
    fn librdkafka_knows_every_property() {
        let config = KafkaConfig {
            brokers: "one:9092".to_owned(),
            ..KafkaConfig::default()
        };
        for pace in [Pace::AtOnce, Pace::Gathered] {
            for client in [
                config.for_producer(pace),
                config.for_consumer("group", pace),
            ] {
                client.create_native_config().unwrap();
            }
        }
    }
}
