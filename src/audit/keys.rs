//! Idempotency keys, where there are too many to be remembered at once: what created orders is read again, for one share
//! of the keys after the other.

use domain::{
    Domain, ShardRef,
    invariants::{Checker, Scope},
};
use storage::{Snapshot, StorageError};

use super::{PAGE, scope::ORDER_CREATED, streams};
use crate::progress::Progress;

/// Tells the creations of all orders again until all keys were looked at; mostly they were already.
pub(super) async fn read(
    store: &mut dyn Snapshot,
    scope: &Scope,
    checker: &mut Checker,
    progress: &Progress,
) -> Result<(), StorageError> {
    let shards = (0..store.topology().orders).map(|shard| ShardRef {
        domain: Domain::Orders,
        shard,
    });
    while checker.begin_keys_again() {
        for shard in shards.clone() {
            match read_shard(shard, store, scope, checker, progress).await {
                // That was told when it was read for the first time.
                Err(StorageError::Damaged(_)) => {}
                read => read?,
            }
            checker.keys_of_shard_end();
        }
    }
    Ok(())
}

async fn read_shard(
    shard: ShardRef,
    store: &mut dyn Snapshot,
    scope: &Scope,
    checker: &mut Checker,
    progress: &Progress,
) -> Result<(), StorageError> {
    let mut after = scope.begins_after(shard);
    loop {
        let page = store.records(shard, after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = last.position;
        progress.expect(page.len() as u64);
        progress.done(page.len());
        for record in page
            .iter()
            .filter(|record| record.event_type == ORDER_CREATED)
        {
            if let Ok(event) = proto::decode(&record.event_type, &record.payload) {
                checker.order_key(&streams::place(record), &event);
            }
        }
    }
}
