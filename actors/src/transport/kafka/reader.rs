//! What the public topics remember.
//!
//! Only for the start of a node, which compares it with the journals to notice a database that was put back to an
//! earlier state, and for `stampede recover`, which lists what such a database has forgotten. All calls are bounded in
//! time and run on threads that may wait.

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    time::{Duration, Instant},
};

use domain::ShardRef;
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
};

use super::{
    clients::Quiet,
    codec::{self, Address, Content, Malformed},
    config::{KafkaConfig, Pace, REQUEST_TIMEOUT},
    topics,
};

/// Messages at the end of a partition that are looked at: the newest may be doubled, reordered or none of ours.
const TAIL: i64 = 100;
/// The longest time for looking at the ends of all partitions.
const TAILS_TIMEOUT: Duration = Duration::from_secs(20);
/// The longest wait for a next message.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// The longest wait for one poll.
const POLL: Duration = Duration::from_millis(100);

/// Why the topics cannot be read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ReadError {
    /// Kafka does not answer as it should.
    #[error("kafka cannot be read: {0}")]
    Kafka(String),
    /// Messages that are there did not come in time.
    #[error("kafka does not bring the messages of {0} in time")]
    Late(ShardRef),
}

impl From<KafkaError> for ReadError {
    fn from(error: KafkaError) -> Self {
        Self::Kafka(error.to_string())
    }
}

/// A record of a public topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicRecord {
    /// Which record.
    pub address: Address,
    /// What it says, or why that cannot be told.
    pub content: Result<Content, Malformed>,
}

/// The newest record that the public topic of each of these shards remembers: its incarnation, and the largest position
/// seen in it near the end of the partition. A shard of which nothing was ever published is left out.
///
/// # Errors
/// [`ReadError`].
pub async fn last_records(
    config: &KafkaConfig,
    shards: &[ShardRef],
) -> Result<Vec<(ShardRef, String, u64)>, ReadError> {
    let (config, shards) = (config.clone(), shards.to_vec());
    blocking(move || last_records_blocking(&config, &shards)).await
}

/// Gives the records of a shard after a position to `take`, in the order in which the public topic has them, until it has
/// been given what was there at the time of the call, or says that it has enough. Records of every incarnation are given.
///
/// # Errors
/// [`ReadError`].
pub async fn read_after(
    config: &KafkaConfig,
    shard: ShardRef,
    position: u64,
    take: impl FnMut(PublicRecord) -> ControlFlow<()> + Send + 'static,
) -> Result<(), ReadError> {
    let config = config.clone();
    blocking(move || read_after_blocking(&config, shard, position, take)).await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
) -> Result<T, ReadError> {
    match actix_rt::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(ReadError::Kafka(error.to_string())),
    }
}

fn consumer(config: &KafkaConfig) -> Result<BaseConsumer<Quiet>, ReadError> {
    // It joins no group and commits nothing; the binding wants a name all the same.
    let group = format!("{}stampede.reader", config.topic_prefix);
    Ok(config
        .for_consumer(&group, Pace::AtOnce)
        .create_with_context(Quiet)?)
}

/// The offsets of a partition that are to be read, from the first to before the last.
struct Range {
    shard: ShardRef,
    next: i64,
    end: i64,
}

fn watermarks(
    consumer: &BaseConsumer<Quiet>,
    config: &KafkaConfig,
    shard: ShardRef,
) -> Result<Range, ReadError> {
    let topic = topics::public(&config.topic_prefix, shard.domain);
    let (next, end) = consumer.fetch_watermarks(&topic, i32::from(shard.shard), REQUEST_TIMEOUT)?;
    Ok(Range { shard, next, end })
}

fn assign(
    consumer: &BaseConsumer<Quiet>,
    config: &KafkaConfig,
    ranges: &[Range],
) -> Result<(), ReadError> {
    let mut list = TopicPartitionList::new();
    for range in ranges {
        let topic = topics::public(&config.topic_prefix, range.shard.domain);
        list.add_partition_offset(
            &topic,
            i32::from(range.shard.shard),
            Offset::Offset(range.next),
        )?;
    }
    consumer.assign(&list)?;
    Ok(())
}

fn last_records_blocking(
    config: &KafkaConfig,
    shards: &[ShardRef],
) -> Result<Vec<(ShardRef, String, u64)>, ReadError> {
    let consumer = consumer(config)?;
    let mut ranges = Vec::new();
    for shard in shards {
        let mut range = watermarks(&consumer, config, *shard)?;
        range.next = range.next.max(range.end - TAIL);
        if range.next < range.end {
            ranges.push(range);
        }
    }
    assign(&consumer, config, &ranges)?;
    let mut newest: BTreeMap<ShardRef, (String, u64)> = BTreeMap::new();
    let deadline = Instant::now() + TAILS_TIMEOUT;
    while let Some(late) = ranges.first().map(|range| range.shard) {
        if Instant::now() >= deadline {
            return Err(ReadError::Late(late));
        }
        let Some(message) = consumer.poll(POLL) else {
            continue;
        };
        let message = message?;
        let Some(index) = find(&ranges, config, &message) else {
            continue;
        };
        if let Ok(address) = codec::address(&message)
            && address.source == ranges[index].shard
        {
            // A new incarnation counts from its own start, however far the one before had come.
            let position = match newest.get(&address.source) {
                Some((incarnation, position)) if *incarnation == address.incarnation => {
                    address.position.max(*position)
                }
                _ => address.position,
            };
            newest.insert(address.source, (address.incarnation, position));
        }
        if message.offset() + 1 >= ranges[index].end {
            ranges.swap_remove(index);
        }
    }
    Ok((newest.into_iter())
        .map(|(shard, (incarnation, position))| (shard, incarnation, position))
        .collect())
}

fn find(ranges: &[Range], config: &KafkaConfig, message: &impl Message) -> Option<usize> {
    ranges.iter().position(|range| {
        i32::from(range.shard.shard) == message.partition()
            && topics::public(&config.topic_prefix, range.shard.domain) == message.topic()
    })
}

fn read_after_blocking(
    config: &KafkaConfig,
    shard: ShardRef,
    position: u64,
    mut take: impl FnMut(PublicRecord) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    let consumer = consumer(config)?;
    let range = watermarks(&consumer, config, shard)?;
    if range.next >= range.end {
        return Ok(());
    }
    let end = range.end;
    assign(&consumer, config, &[range])?;
    let mut heard_at = Instant::now();
    loop {
        let Some(message) = consumer.poll(POLL) else {
            if heard_at.elapsed() >= SILENCE_MAX {
                return Err(ReadError::Late(shard));
            }
            continue;
        };
        let message = message?;
        heard_at = Instant::now();
        if message.offset() < end
            && let Ok(address) = codec::address(&message)
            && address.source == shard
            && address.position > position
        {
            let content = codec::content(&message);
            if take(PublicRecord { address, content }).is_break() {
                return Ok(());
            }
        }
        if message.offset() + 1 >= end {
            return Ok(());
        }
    }
}
