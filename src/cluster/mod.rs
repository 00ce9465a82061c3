//! The distributed roles: `stampede node`, `stampede gateway`, and `stampede migrate`, which prepares the servers for
//! them.
//!
//! A gateway that hosts domains and a node that serves HTTP are the same process; `role` runs both. `stores` opens what
//! they need and waits, visibly and not for ever, for servers that are not up yet.

pub(crate) mod migrate;
pub(crate) mod restored;
pub(crate) mod role;
pub(crate) mod stores;
mod wait;

use std::collections::BTreeMap;

use actors::transport::kafka::KafkaConfig;

use crate::config::{Kafka, Properties};

/// How the feed reaches Kafka.
pub(crate) fn kafka_config(kafka: &Kafka, client_id: &str) -> KafkaConfig {
    KafkaConfig {
        brokers: kafka.brokers.join(","),
        topic_prefix: kafka.topic_prefix.clone(),
        replication_factor: Some(kafka.replication_factor),
        client_id: client_id.to_owned(),
        properties: map_of(&kafka.properties),
        producer: map_of(&kafka.producer),
        consumer: map_of(&kafka.consumer),
    }
}

fn map_of(properties: &Properties) -> BTreeMap<String, String> {
    let properties = properties.iter();
    properties
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
