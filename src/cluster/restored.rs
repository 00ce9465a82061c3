//! Notices that a database was restored to an earlier backup: somebody else remembers records that it has forgotten.

use std::{collections::BTreeMap, time::Duration};

use actors::transport::kafka::{KafkaConfig, last_records, reader::ReadError};
use anyhow::{Result, bail};
use domain::ShardRef;
use engine::Head;
use storage::{ActivityLog, Incarnations, Journal, postgres::PostgresStore};

use crate::config::ClusterConfig;

/// How often Kafka is asked what it remembers before that is given up: topics that were just made have no leader yet.
const TRIES: usize = 6;
/// The pause before it is asked again.
const TRY_AGAIN: Duration = Duration::from_millis(500);
/// How long Kafka and MongoDB have to say what they remember; what cannot be asked is not waited for.
const ASKING: Duration = Duration::from_secs(20);
/// Whoever remembers a life of the database that it knows nothing of.
const LATER_LIFE: &str = "Kafka, from a later life of the database,";
/// Shards that an error names.
const NAMED_MAX: usize = 3;

/// Somebody who remembers more of a shard's journal than the journal has.
struct Ahead {
    shard: ShardRef,
    who: &'static str,
    remembers: u64,
    ends: u64,
}

/// Looks whether the public topics, the activity log or other shards remember records that the journals do not have.
///
/// # Errors
/// If they do; it names `stampede recover`.
pub(crate) async fn check(
    config: &ClusterConfig,
    kafka: &KafkaConfig,
    postgres: &PostgresStore,
    incarnations: &Incarnations,
    activity: &dyn ActivityLog,
) -> Result<()> {
    let shards: Vec<ShardRef> = postgres.topology().journals().collect();
    // First what others remember, then what the journals have: other nodes may be at work.
    let mut remembered: Vec<(ShardRef, &'static str, u64)> = Vec::new();
    let mut later_lives = Vec::new();
    match tokio::time::timeout(ASKING, last_records_at_last(kafka, &shards)).await {
        Ok(Ok(records)) => {
            for (shard, incarnation, position) in records {
                if incarnations.current(shard) == incarnation {
                    remembered.push((shard, "Kafka", position));
                } else if is_of_a_later_life(postgres, incarnations, shard, &incarnation).await? {
                    later_lives.push((shard, LATER_LIFE, position));
                }
            }
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "the public topics cannot be compared with the journals")
        }
        Err(_) => tracing::warn!("the public topics cannot be compared with the journals in time"),
    }
    if config.mongodb.is_some() {
        match tokio::time::timeout(ASKING, activity.watermarks()).await {
            Ok(Ok(watermarks)) => remembered.extend(
                (watermarks.into_iter())
                    .map(|(shard, position)| (shard, "the activity log", position)),
            ),
            _ => tracing::warn!("the activity log cannot be compared with the journals"),
        }
    }
    for (_, head) in postgres.heads(&shards).await? {
        let watermarks = head.watermarks.into_iter();
        remembered.extend(watermarks.map(|(source, position)| (source, "another shard", position)));
    }
    let heads: BTreeMap<ShardRef, Head<ShardRef>> =
        postgres.heads(&shards).await?.into_iter().collect();
    let than_it = |(shard, who, remembers): (ShardRef, &'static str, u64)| Ahead {
        shard,
        who,
        remembers,
        ends: heads.get(&shard).map_or(0, |head| head.last_position),
    };
    let remembered = remembered.into_iter().map(than_it);
    // A new database has forgotten nothing, whatever an old one may have left in the topics.
    let later_lives = later_lives.into_iter().map(than_it);
    let mut ahead: Vec<Ahead> = remembered
        .filter(|it| it.remembers > it.ends)
        .chain(later_lives.filter(|it| it.ends > 0))
        .collect();
    if ahead.is_empty() {
        return Ok(());
    }
    ahead.sort_by_key(|it| it.shard);
    let examples: Vec<String> = ahead
        .iter()
        .take(NAMED_MAX)
        .map(|it| {
            format!(
                "the journal of {} ends at position {}, but {} remembers position {}",
                it.shard, it.ends, it.who, it.remembers
            )
        })
        .collect();
    bail!(
        "the database was restored to an earlier state ({}{}): stop all nodes and run `stampede recover`",
        examples.join("; "),
        if ahead.len() > NAMED_MAX { "; …" } else { "" }
    )
}

/// Whether an incarnation is neither one of the database's own nor one whose records it knows to be lost.
async fn is_of_a_later_life(
    postgres: &PostgresStore,
    incarnations: &Incarnations,
    shard: ShardRef,
    incarnation: &str,
) -> Result<bool> {
    let is_known = incarnations.is_known(shard, incarnation);
    Ok(!is_known && !postgres.has_lost(shard, incarnation).await?)
}

/// What the public topics remember; asked again where they do not say at once.
async fn last_records_at_last(
    kafka: &KafkaConfig,
    shards: &[ShardRef],
) -> Result<Vec<(ShardRef, String, u64)>, ReadError> {
    let mut tries = 1;
    loop {
        match last_records(kafka, shards).await {
            Err(_) if tries < TRIES => {
                tries += 1;
                tokio::time::sleep(TRY_AGAIN).await;
            }
            asked => return asked,
        }
    }
}
