//! The topics of one cluster, as another program sees them, and what an operator may do to them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, Message};

/// Longer than a broker takes for an answer.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(30);
/// A partition that gives nothing for so long has been read.
const SILENCE: Duration = Duration::from_secs(2);

/// Several times the session of a member.
const SESSIONS_END_WITHIN: Duration = Duration::from_secs(30);

/// All topics whose names begin with one prefix.
#[derive(Clone)]
pub(crate) struct Topics {
    brokers: String,
    prefix: String,
}

/// Deletes the topics when it is dropped.
pub(crate) struct TopicsRemoved(pub(crate) Topics);

/// One message.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) partition: i32,
    pub(crate) key: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) headers: BTreeMap<String, String>,
}

impl Topics {
    /// Makes none: that is up to `stampede migrate`.
    pub(crate) fn new(brokers: &str, prefix: &str) -> Self {
        Self {
            brokers: brokers.to_owned(),
            prefix: prefix.to_owned(),
        }
    }

    /// What their names begin with.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The names, without the prefix, of those that exist.
    pub(crate) async fn names(&self) -> Vec<String> {
        self.blocking(|this| this.existing()).await
    }

    /// Everything that is in a topic, partition by partition in the order of the offsets.
    pub(crate) async fn read(&self, topic: &str) -> Vec<Record> {
        let topic = topic.to_owned();
        self.blocking(move |this| this.read_all(&topic)).await
    }

    /// Deletes topics with everything in them.
    pub(crate) async fn delete(&self, topics: &[&str]) {
        let names: Vec<String> = topics
            .iter()
            .map(|it| format!("{}{it}", self.prefix))
            .collect();
        self.blocking(move |this| this.delete_named(&names)).await;
    }

    /// Deletes every message that is in a topic now; the topic stays.
    pub(crate) async fn truncate(&self, topic: &str) {
        let topic = format!("{}{topic}", self.prefix);
        self.blocking(move |this| {
            let mut ends = TopicPartitionList::new();
            for partition in this.partitions(&topic) {
                ends.add_partition_offset(&topic, partition, Offset::End)
                    .unwrap();
            }
            let deleted = block_on(this.admin().delete_records(&ends, &options())).unwrap();
            for element in deleted.elements() {
                element.error().unwrap();
            }
        })
        .await;
    }

    /// Makes the consumer groups of the nodes forget what they have read. No node may run.
    pub(crate) async fn forget_groups(&self) {
        self.blocking(|this| {
            let groups = ["auth", "orders", "products", "notifications", "logs"]
                .map(|domain| format!("{}stampede.{domain}", this.prefix));
            // A member that could not say that it leaves is one until its session ends.
            let begun = Instant::now();
            for group in &groups {
                loop {
                    let deleted = block_on(this.admin().delete_groups(&[group], &options()));
                    match deleted.unwrap().remove(0) {
                        Ok(_) => break,
                        Err((_, RDKafkaErrorCode::NonEmptyGroup))
                            if begun.elapsed() < SESSIONS_END_WITHIN =>
                        {
                            std::thread::sleep(Duration::from_millis(200));
                        }
                        Err((group, error)) => panic!("group {group} is not deleted: {error}"),
                    }
                }
            }
        })
        .await;
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> T {
        let this = self.clone();
        tokio::task::spawn_blocking(move || work(&this))
            .await
            .unwrap()
    }

    fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", &self.brokers);
        client
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client().create().unwrap()
    }

    fn existing(&self) -> Vec<String> {
        let admin = self.admin();
        let metadata = admin.inner().fetch_metadata(None, REQUEST_TIME_MAX);
        let Ok(metadata) = metadata else {
            return Vec::new();
        };
        let topics = metadata.topics().iter();
        topics
            .filter_map(|topic| Some(topic.name().strip_prefix(&self.prefix)?.to_owned()))
            .collect()
    }

    fn partitions(&self, topic: &str) -> Vec<i32> {
        let admin = self.admin();
        let metadata = admin
            .inner()
            .fetch_metadata(Some(topic), REQUEST_TIME_MAX)
            .unwrap();
        let partitions = metadata.topics()[0].partitions().iter();
        partitions.map(|partition| partition.id()).collect()
    }

    fn read_all(&self, topic: &str) -> Vec<Record> {
        let topic = format!("{}{topic}", self.prefix);
        let consumer: BaseConsumer = self
            .client()
            .set("group.id", "nobody")
            .set("enable.auto.commit", "false")
            .create()
            .unwrap();
        let mut beginnings = TopicPartitionList::new();
        let mut left = 0;
        for partition in self.partitions(&topic) {
            let (first, end) = consumer
                .fetch_watermarks(&topic, partition, REQUEST_TIME_MAX)
                .unwrap();
            left += end - first;
            beginnings
                .add_partition_offset(&topic, partition, Offset::Offset(first))
                .unwrap();
        }
        consumer.assign(&beginnings).unwrap();
        let mut records = Vec::new();
        while left > 0 {
            match consumer.poll(SILENCE) {
                Some(message) => records.push(Record::of(&message.unwrap())),
                None => break,
            }
            left -= 1;
        }
        records.sort_by_key(|record: &Record| record.partition);
        records
    }

    fn delete_named(&self, names: &[String]) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        if let Err(error) = block_on(self.admin().delete_topics(&names, &options())) {
            eprintln!("topics {names:?} are left behind: {error}");
        }
    }
}

impl Drop for TopicsRemoved {
    fn drop(&mut self) {
        let topics = &self.0;
        let names = topics.existing();
        let names: Vec<String> = names
            .iter()
            .map(|it| format!("{}{it}", topics.prefix))
            .collect();
        if !names.is_empty() {
            topics.delete_named(&names);
        }
    }
}

impl Record {
    fn of(message: &BorrowedMessage<'_>) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers = message.headers().into_iter().flat_map(Headers::iter);
        Self {
            partition: message.partition(),
            key: text(message.key().unwrap_or_default()),
            payload: message.payload().unwrap_or_default().to_vec(),
            headers: headers
                .map(|header| {
                    (
                        header.key.to_owned(),
                        text(header.value.unwrap_or_default()),
                    )
                })
                .collect(),
        }
    }
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(REQUEST_TIME_MAX))
        .operation_timeout(Some(REQUEST_TIME_MAX))
}
