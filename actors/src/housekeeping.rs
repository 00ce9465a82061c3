//! Forgets what is out of date: idempotency keys whose time is over.

use std::time::Duration;

use domain::Timestamp;
use storage::{Journal, StorageError};

use crate::runtime::Env;

/// How often it is looked for.
const EVERY: Duration = Duration::from_secs(60);
/// Keys that are forgotten at a time; more would hold up the writer.
const KEYS_PURGED_MAX: usize = 10_000;
/// The pause between two times, in which the writer gets its turn.
const PAUSE: Duration = Duration::from_millis(100);

/// Keeps house for as long as the node runs.
pub(crate) async fn run(env: Env) {
    loop {
        tokio::time::sleep(EVERY).await;
        let now = env.clock.now();
        if let Err(error) = purge_keys(&*env.journal, now, KEYS_PURGED_MAX).await {
            tracing::warn!(%error, "expired keys cannot be forgotten yet");
        }
    }
}

/// Forgets all keys that expired before `now`, `limit` at a time.
async fn purge_keys(
    journal: &dyn Journal,
    now: Timestamp,
    limit: usize,
) -> Result<(), StorageError> {
    while journal.purge_keys(now, limit).await? >= limit as u64 {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use domain::{Domain, ShardRef, Topology};
    use storage::{
        Batch, Key, KeyOwner, KeyRecord, RowWrites,
        sqlite::{OpenMode, SqliteStore},
    };

    use super::*;

    #[test]
    fn all_expired_keys_are_forgotten_however_many_they_are() {
        actix_rt::System::new().block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let store =
                SqliteStore::open(dir.path(), &Topology::uniform(1), OpenMode::CreateIfMissing)
                    .await
                    .unwrap();
            let shard = ShardRef {
                domain: Domain::Orders,
                shard: 0,
            };
            let keys: Vec<Key> = (0..7)
                .map(|nth| Key {
                    shard,
                    text: format!("1:{nth}"),
                })
                .collect();
            let records = keys.iter().map(|key| KeyRecord {
                key: key.clone(),
                owner: KeyOwner {
                    aggregate_id: 1,
                    fingerprint: [0; 16],
                    expires_at: Some(Timestamp::from_millis(1)),
                },
            });
            let batch = Batch {
                rows: RowWrites {
                    keys: records.collect(),
                    ..RowWrites::default()
                },
                ..Batch::default()
            };
            store.commit(&Arc::new(batch)).await.unwrap();
            assert_eq!(store.find_keys(&keys).await.unwrap().len(), 7);
            purge_keys(&store, Timestamp::from_millis(2), 2)
                .await
                .unwrap();
            assert_eq!(store.find_keys(&keys).await.unwrap(), vec![]);
        });
    }
}
