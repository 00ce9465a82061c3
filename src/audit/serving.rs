//! By whom a store is served at the moment of an audit, and since when: an order that is overdue in a shard that has
//! been served all the time is stuck, one in a shop that does not run waits for it to start.

use std::path::Path;

use actors::runtime::Clock;
use domain::{Timestamp, invariants::Service};
use storage::{
    Directory, StorageError,
    postgres::{PostgresOptions, PostgresStore},
    sqlite::{SqliteSnapshot, served_since},
};

/// A node that has not been heard of for so long does not count, in seconds.
const HEARD_OF_WITHIN_SECS: u64 = 10;

/// Who serves the store in a directory: one process all of it, or nobody.
pub(super) fn of_directory(dir: &Path, store: &SqliteSnapshot) -> Result<Service, StorageError> {
    let since = served_since(dir)?;
    let shards = store.topology().journals();
    Ok(Service {
        now: Clock::default().now(),
        since: since
            .map(|since| shards.map(|shard| (shard, since)).collect())
            .unwrap_or_default(),
    })
}

/// Who serves the shards of a cluster, by its directory.
pub(super) async fn of_cluster(options: PostgresOptions) -> Result<Service, StorageError> {
    let store = PostgresStore::open(options).await?;
    let view = store.view().await;
    store.close().await;
    let view = view?;
    let started_at = |name: &str| {
        let node = view.nodes.iter().find(|entry| entry.node.name == name)?;
        let is_alive = node.age.as_secs() < HEARD_OF_WITHIN_SECS;
        let started_at = node.node.status.get("started_at");
        let started_at = started_at.and_then(serde_json::Value::as_i64);
        is_alive.then(|| Timestamp::from_millis(started_at.unwrap_or(0)))
    };
    let owned = view.owners.iter().filter_map(|entry| {
        let since = started_at(entry.owner.as_deref()?)?;
        Some((entry.shard, since))
    });
    Ok(Service {
        now: Clock::default().now(),
        since: owned.collect(),
    })
}
