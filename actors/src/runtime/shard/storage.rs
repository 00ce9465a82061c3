//! What a shard asks of storage, and what storage answers.

use std::sync::Arc;

use domain::ShardRef;
use engine::shard::{
    calls::{Answer, KeyOwner, LoadedState, Question, ReadError, ReadRecord, Record},
    rules::LinkKind,
};
use storage::{Key, StorageError, StoredRecord};

use crate::runtime::{Env, Host, decode, faults::failpoint, host::HostRules};

/// Asks storage. A failure of the device ends the process; any other is logged, and answered as one.
pub(super) async fn answer<H: Host>(
    env: Env,
    host: Arc<H>,
    shard: ShardRef,
    question: Question<HostRules<H>>,
) -> Answer<HostRules<H>> {
    let failed = |what, error| read_error(&env, shard, what, &error);
    let journal = env.journal.clone();
    match question {
        Question::State => {
            let state = state(&env, &*host, shard).await;
            failpoint!(env.faults, DuringReload);
            Answer::State(state.map_err(|error| failed("what the shard must know", error)))
        }
        Question::Heads(shards, reason) => {
            let heads = journal.heads(&shards).await;
            Answer::Heads(reason, heads.map_err(|error| failed("heads", error)))
        }
        Question::Link {
            source,
            kind,
            after,
            limit,
        } => {
            let read = match kind {
                LinkKind::Inbox => journal.read_link(source, shard, after, limit).await,
                LinkKind::Public => journal.read(source, after, limit).await.map(|records| {
                    let reached_the_end = records.len() < limit;
                    (records, reached_the_end)
                }),
            };
            let read = read.map(|(records, reached_the_end)| {
                let records = records.into_iter();
                let as_carried = records.map(|stored| as_carried(stored, kind, shard));
                (as_carried.collect(), reached_the_end)
            });
            Answer::Link(source, read.map_err(|error| failed("a journal", error)))
        }
        Question::Keys(texts) => {
            let keys: Vec<Key> = texts.into_iter().map(|text| Key { shard, text }).collect();
            let found = journal.find_keys(&keys).await.map(|found| {
                let owners = found.into_iter();
                owners
                    .map(|record| (record.key.text, owner(record.owner)))
                    .collect()
            });
            Answer::Keys(found.map_err(|error| failed("keys", error)))
        }
        Question::Aggregates(asked) => {
            let ids = asked.iter().map(|(id, _)| *id).collect();
            let read = host.load(&env, ids).await;
            Answer::Aggregates(asked, read.map_err(|error| failed("aggregates", error)))
        }
    }
}

fn read_error(env: &Env, shard: ShardRef, what: &str, error: &StorageError) -> ReadError {
    if let StorageError::Damaged(_) = error {
        return ReadError::Damaged(error.to_string());
    }
    env.store_failed(error);
    tracing::warn!(%shard, what, %error, "a shard cannot read what it needs yet");
    ReadError::Failed
}

async fn state<H: Host>(
    env: &Env,
    host: &H,
    shard: ShardRef,
) -> Result<LoadedState<HostRules<H>>, StorageError> {
    let unsettled = host.unsettled(env, shard).await?;
    let waiting = unsettled.into_iter();
    Ok(LoadedState {
        waiting: waiting
            .map(|wait| (wait.order_id.get(), wait.deadline))
            .collect(),
        parked: env.journal.parked(shard).await?,
    })
}

fn owner(owner: storage::KeyOwner) -> KeyOwner<domain::Timestamp> {
    KeyOwner {
        aggregate_id: owner.aggregate_id,
        fingerprint: owner.fingerprint,
        expires_at: owner.expires_at,
    }
}

/// A stored record as a link of this kind carries it to its target.
fn as_carried<H: Host>(
    stored: StoredRecord,
    kind: LinkKind,
    target: ShardRef,
) -> ReadRecord<HostRules<H>> {
    let prev = match kind {
        LinkKind::Public => stored.position.saturating_sub(1),
        LinkKind::Inbox => stored
            .stamps
            .iter()
            .find(|stamp| stamp.target == target)
            .map_or(0, |stamp| stamp.prev),
    };
    let decoded = decode::decode(&stored.event_type, &stored.payload);
    ReadRecord {
        position: stored.position,
        record: decoded
            .map(|event| Record {
                source: stored.shard,
                position: stored.position,
                prev,
                about: stored.aggregate_id,
                fact: Arc::new(event),
                trace: stored.trace,
            })
            .map_err(|error| error.to_string()),
    }
}
