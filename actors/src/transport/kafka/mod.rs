//! The feed between nodes: Apache Kafka.
//!
//! - [`config`]: what librdkafka is told, and what an operator may tell it instead.
//! - [`topics`]: which topics there are, and that they fit the number of shards.
//! - [`codec`]: a record as a message, and a message as a record.
//! - [`publisher`]: committed records go to their topics; what memory has lost is read from the journal.
//! - [`consumer`]: messages go to the mailboxes of their shards; the group's assignment says which shards to want.
//! - [`reader`]: what the public topics remember, for a database that may have forgotten it.
//!
//! Nothing here is trusted with a fact. Kafka may lose, delay, double or reorder records, or forget them all: targets
//! check `prev` against their watermark and heal from the journals. No call that may block is made on an arbiter.

pub mod codec;
pub mod config;
pub mod consumer;
pub mod publisher;
pub mod reader;
pub mod stats;
pub mod topics;

mod backlog;
mod clients;
mod dead_letters;
mod dispatch;
mod held;
mod lane;
mod membership;
mod polling;
mod producer;
mod pulse;

pub use config::{KafkaConfig, Pace};
pub use consumer::{ConsumerSetup, KafkaConsumer};
pub use publisher::{KafkaFeed, PublisherSetup};
pub use reader::{last_records, read_after};
pub use stats::{ConsumerStats, PublisherStats, ShardBacklog};
pub use topics::TopicsError;
