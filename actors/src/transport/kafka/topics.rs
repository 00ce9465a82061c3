//! Which topics there are, and that they fit the shards.

use std::{collections::BTreeMap, time::Duration};

use domain::{Domain, ShardRef, Topology};
use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    error::{KafkaError, RDKafkaErrorCode},
};

use super::{
    clients::Quiet,
    config::{KafkaConfig, REQUEST_TIMEOUT},
};

/// How long an inbox keeps a message. A target that was away for longer heals from the journals.
pub const INBOX_RETENTION: Duration = Duration::from_secs(7 * 24 * 3_600);
/// How long public topics keep events, for programs of others.
pub const PUBLIC_RETENTION: Duration = Duration::from_secs(90 * 24 * 3_600);
/// How long what could not be understood is kept.
pub const DEAD_LETTERS_RETENTION: Duration = Duration::from_secs(90 * 24 * 3_600);

/// The domains with a public topic.
pub const PUBLIC_DOMAINS: [Domain; 4] = [
    Domain::Auth,
    Domain::Orders,
    Domain::Products,
    Domain::Notifications,
];
/// The domains with an inbox.
pub const INBOX_DOMAINS: [Domain; 2] = [Domain::Orders, Domain::Products];

/// Why the topics cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TopicsError {
    /// A topic has another number of partitions than its domain has shards. Nothing here changes that.
    #[error("topic {topic} has {found} partitions and needs {expected}, one per shard")]
    Partitions {
        /// Its name.
        topic: String,
        /// How many it needs.
        expected: usize,
        /// How many it has.
        found: usize,
    },
    /// A topic does not exist.
    #[error("topic {topic} does not exist; `stampede migrate` makes it")]
    Missing {
        /// Its name.
        topic: String,
    },
    /// A topic cannot be made or deleted.
    #[error("topic {topic} cannot be made or deleted: {reason}")]
    Refused {
        /// Its name.
        topic: String,
        /// What the broker says.
        reason: String,
    },
    /// librdkafka does not take a property, or not with that value.
    #[error("kafka cannot be reached with this configuration: {0}")]
    Misconfigured(String),
    /// Kafka does not answer.
    #[error("kafka does not answer: {0}")]
    Unavailable(String),
}

impl From<KafkaError> for TopicsError {
    fn from(error: KafkaError) -> Self {
        match error {
            KafkaError::ClientConfig(..) | KafkaError::ClientCreation(_) => {
                Self::Misconfigured(error.to_string())
            }
            error => Self::Unavailable(error.to_string()),
        }
    }
}

/// What a topic carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Carries {
    /// All events of a domain; a partition per source shard.
    Public(Domain),
    /// What a domain must act on; a partition per target shard.
    Inbox(Domain),
}

/// The public topic of a domain.
#[must_use]
pub fn public(prefix: &str, domain: Domain) -> String {
    format!("{prefix}events.{}", domain.name())
}

/// The inbox of a domain.
#[must_use]
pub fn inbox(prefix: &str, domain: Domain) -> String {
    format!("{prefix}inbox.{}", domain.name())
}

/// Where messages go that nobody understands.
#[must_use]
pub fn dead_letters(prefix: &str) -> String {
    format!("{prefix}dead-letters")
}

/// The consumer group of a domain.
#[must_use]
pub fn group(prefix: &str, domain: Domain) -> String {
    format!("{prefix}stampede.{}", domain.name())
}

/// The name of the topic that carries this.
#[must_use]
pub fn name(prefix: &str, carries: Carries) -> String {
    match carries {
        Carries::Public(domain) => public(prefix, domain),
        Carries::Inbox(domain) => inbox(prefix, domain),
    }
}

/// What the topic of this name carries; `None` if it is not one of ours.
#[must_use]
pub fn parse(prefix: &str, topic: &str) -> Option<Carries> {
    let (kind, domain) = topic.strip_prefix(prefix)?.split_once('.')?;
    let domain = Domain::from_name(domain)?;
    match kind {
        "events" => Some(Carries::Public(domain)),
        "inbox" => Some(Carries::Inbox(domain)),
        _ => None,
    }
}

/// The topics that the consumer of a domain reads.
#[must_use]
pub fn subscription(prefix: &str, domain: Domain) -> Vec<String> {
    match domain {
        Domain::Orders | Domain::Products => vec![inbox(prefix, domain)],
        Domain::Notifications => vec![public(prefix, Domain::Orders)],
        Domain::Auth => vec![public(prefix, Domain::Auth)],
        Domain::Logs => PUBLIC_DOMAINS
            .iter()
            .map(|source| public(prefix, *source))
            .collect(),
        Domain::Payments => Vec::new(),
    }
}

/// The shard that a domain's consumer serves a partition for. For the logs it is the source of the events.
#[must_use]
pub fn served(consumer: Domain, carries: Carries, partition: i32) -> Option<ShardRef> {
    let shard = u16::try_from(partition).ok()?;
    let domain = match (consumer, carries) {
        (Domain::Logs, Carries::Public(source)) => source,
        (_, Carries::Inbox(target)) => target,
        (_, Carries::Public(_)) => consumer,
    };
    Some(ShardRef { domain, shard })
}

struct Topic {
    name: String,
    partitions: usize,
    retention: Duration,
}

fn all(prefix: &str, topology: &Topology) -> Vec<Topic> {
    let per_shard = |name, domain, retention| Topic {
        name,
        partitions: usize::from(topology.shards(domain)),
        retention,
    };
    let single = |name, retention| Topic {
        name,
        partitions: 1,
        retention,
    };
    let publics = PUBLIC_DOMAINS
        .into_iter()
        .map(|domain| per_shard(public(prefix, domain), domain, PUBLIC_RETENTION));
    let inboxes = INBOX_DOMAINS
        .into_iter()
        .map(|domain| per_shard(inbox(prefix, domain), domain, INBOX_RETENTION));
    publics
        .chain(inboxes)
        .chain([single(dead_letters(prefix), DEAD_LETTERS_RETENTION)])
        .filter(|topic| topic.partitions > 0)
        .collect()
}

/// Makes the topics that are missing, and looks at those that are there.
///
/// # Errors
/// [`TopicsError`].
pub async fn ensure(config: &KafkaConfig, topology: &Topology) -> Result<(), TopicsError> {
    let (config, topology) = (config.clone(), *topology);
    blocking(move || ensure_blocking(&config, &topology)).await
}

/// Looks whether every topic is there and fits the number of shards.
///
/// # Errors
/// [`TopicsError`].
pub async fn check(config: &KafkaConfig, topology: &Topology) -> Result<(), TopicsError> {
    let (config, topology) = (config.clone(), *topology);
    blocking(move || {
        let admin = admin(&config)?;
        let missing = missing(&admin, all(&config.topic_prefix, &topology))?;
        match missing.into_iter().next() {
            Some(topic) => Err(TopicsError::Missing { topic: topic.name }),
            None => Ok(()),
        }
    })
    .await
}

/// Deletes every topic of a cluster that is given up, with everything in them.
///
/// # Errors
/// [`TopicsError`].
pub async fn remove(config: &KafkaConfig, topology: &Topology) -> Result<(), TopicsError> {
    let (config, topology) = (config.clone(), *topology);
    blocking(move || {
        let admin = admin(&config)?;
        let topics = all(&config.topic_prefix, &topology);
        let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
        for deleted in futures::executor::block_on(admin.delete_topics(&names, &options()))? {
            match deleted {
                Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
                Err((topic, code)) => {
                    return Err(TopicsError::Refused {
                        topic,
                        reason: code.to_string(),
                    });
                }
            }
        }
        Ok(())
    })
    .await
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(REQUEST_TIMEOUT))
        .operation_timeout(Some(REQUEST_TIMEOUT))
}

async fn blocking(
    work: impl FnOnce() -> Result<(), TopicsError> + Send + 'static,
) -> Result<(), TopicsError> {
    match actix_rt::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(TopicsError::Unavailable(error.to_string())),
    }
}

fn admin(config: &KafkaConfig) -> Result<AdminClient<Quiet>, TopicsError> {
    Ok(config.for_admin().create_with_context(Quiet)?)
}

/// Those topics that do not exist, once those that do are found to fit.
fn missing(admin: &AdminClient<Quiet>, topics: Vec<Topic>) -> Result<Vec<Topic>, TopicsError> {
    // All topics are asked for, not one by one: a question about a single topic may make a broker create it.
    let metadata = admin.inner().fetch_metadata(None, REQUEST_TIMEOUT)?;
    let found: BTreeMap<&str, usize> = metadata
        .topics()
        .iter()
        .map(|topic| (topic.name(), topic.partitions().len()))
        .collect();
    let mut missing = Vec::new();
    for topic in topics {
        match found.get(topic.name.as_str()) {
            Some(&partitions) if partitions == topic.partitions => {}
            Some(&partitions) if partitions > 0 => {
                return Err(TopicsError::Partitions {
                    topic: topic.name,
                    expected: topic.partitions,
                    found: partitions,
                });
            }
            _ => missing.push(topic),
        }
    }
    Ok(missing)
}

/// As [`ensure`], for a thread that may wait.
pub(super) fn ensure_blocking(
    config: &KafkaConfig,
    topology: &Topology,
) -> Result<(), TopicsError> {
    let admin = admin(config)?;
    let missing = missing(&admin, all(&config.topic_prefix, topology))?;
    if missing.is_empty() {
        return Ok(());
    }
    let retentions: Vec<String> = missing
        .iter()
        .map(|topic| topic.retention.as_millis().to_string())
        .collect();
    // -1: as the brokers have it by default.
    let replication = config.replication_factor.map_or(-1, i32::from);
    let new: Vec<NewTopic<'_>> = missing
        .iter()
        .zip(&retentions)
        .map(|(topic, retention)| {
            let partitions = i32::try_from(topic.partitions).unwrap_or(i32::MAX);
            NewTopic::new(
                &topic.name,
                partitions,
                TopicReplication::Fixed(replication),
            )
            .set("cleanup.policy", "delete")
            // The broker's own clock: it would refuse messages of a producer whose clock is an hour ahead, and forget at
            // once what is published late. When an event was decided is in its headers.
            .set("message.timestamp.type", "LogAppendTime")
            .set("retention.ms", retention)
        })
        .collect();
    for created in futures::executor::block_on(admin.create_topics(&new, &options()))? {
        match created {
            Ok(name) => tracing::info!(topic = name, "a topic was made"),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => {
                return Err(TopicsError::Refused {
                    topic,
                    reason: code.to_string(),
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_what_the_topic_carries() {
        let orders = Domain::Orders;
        assert_eq!(
            parse("x.", &public("x.", orders)),
            Some(Carries::Public(orders))
        );
        assert_eq!(
            parse("x.", &inbox("x.", orders)),
            Some(Carries::Inbox(orders))
        );
        assert_eq!(parse("y.", &inbox("x.", orders)), None);
        assert_eq!(parse("", &dead_letters("")), None);
        assert_eq!(parse("", "events.nothing"), None);
    }

    #[test]
    fn every_domain_with_journals_has_a_group_that_reads_a_topic_with_its_number_of_shards() {
        let topology = Topology::uniform(3);
        let topics = all("p-", &topology);
        for domain in PUBLIC_DOMAINS {
            for name in subscription("p-", domain) {
                let topic = topics.iter().find(|topic| topic.name == name);
                assert_eq!(topic.map(|topic| topic.partitions), Some(3), "{name}");
            }
        }
    }
}
