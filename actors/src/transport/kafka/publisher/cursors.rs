//! Where cursors come from, and where they are kept.

use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};

use domain::ShardRef;
use storage::{Published, StorageError};
use tokio::time::Instant;

use super::{
    super::lane::{Lane, has_inbox},
    run::{Done, Publisher, READ_RETRY},
};

/// How often cursors are stored while they move.
const SAVE_EVERY: Duration = Duration::from_secs(1);

impl Publisher {
    /// Loads the cursors of shards that have none.
    pub(super) fn load(&mut self, now: Instant) {
        // What parts is stored first: the same shard may be back.
        if self.is_loading || now < self.load_not_before || !self.parting.is_empty() {
            return;
        }
        let asked: Vec<(ShardRef, u64)> = (self.shards.iter())
            .filter(|(_, shard)| shard.lanes.is_none())
            .map(|(shard_ref, shard)| (*shard_ref, shard.life))
            .collect();
        if asked.is_empty() {
            return;
        }
        self.is_loading = true;
        let directory = self.setup.directory.clone();
        self.under_way.push(Box::pin(async move {
            let shards: Vec<ShardRef> = asked.iter().map(|(shard, _)| *shard).collect();
            let result = directory.published(&shards).await;
            Done::Loaded(asked, result)
        }));
    }

    pub(super) fn loaded(
        &mut self,
        asked: Vec<(ShardRef, u64)>,
        result: Result<Vec<(ShardRef, Published)>, StorageError>,
        now: Instant,
    ) {
        self.is_loading = false;
        let cursors: BTreeMap<ShardRef, Published> = match result {
            Ok(cursors) => cursors.into_iter().collect(),
            Err(error) => {
                tracing::warn!(%error, "the publisher's cursors cannot be read yet");
                self.load_not_before = now + READ_RETRY;
                return;
            }
        };
        let mut waiting = self.backlog.lock();
        for (shard_ref, life) in asked {
            let (Some(shard), Some(waiting)) =
                (self.shards.get_mut(&shard_ref), waiting.get_mut(&shard_ref))
            else {
                continue;
            };
            if shard.life != life || waiting.life != life {
                continue;
            }
            let mut cursor = cursors.get(&shard_ref).copied().unwrap_or_default();
            if cursor.public > waiting.last || cursor.inbox > waiting.last {
                tracing::error!(shard = %shard_ref, ?cursor, last = waiting.last, "more was published than the journal has");
                cursor.public = cursor.public.min(waiting.last);
                cursor.inbox = cursor.inbox.min(waiting.last);
            }
            let inbox = has_inbox(shard_ref).then(|| Lane::new(cursor.inbox));
            shard.lanes = Some([Some(Lane::new(cursor.public)), inbox]);
            shard.saving = cursor;
            waiting.reached = cursor;
            waiting.stored = cursor;
        }
    }

    /// Stores cursors that have moved, once a second or when it is asked for.
    pub(super) fn save(&mut self, now: Instant, at_once: bool) {
        let hurry = at_once || self.backlog.hurry.load(Ordering::Acquire);
        let is_due = hurry || !self.parting.is_empty() || now - self.saved_at >= SAVE_EVERY;
        if self.is_saving || !is_due {
            return;
        }
        self.backlog.hurry.store(false, Ordering::Release);
        self.saved_at = now;
        let mut cursors = std::mem::take(&mut self.parting);
        for (shard_ref, shard) in &mut self.shards {
            if let Some(reached) = shard.reached()
                && reached != shard.saving
            {
                shard.saving = reached;
                cursors.push((*shard_ref, shard.life, reached));
            }
        }
        if cursors.is_empty() {
            return;
        }
        self.is_saving = true;
        let directory = self.setup.directory.clone();
        self.under_way.push(Box::pin(async move {
            let stored: Vec<(ShardRef, Published)> = (cursors.iter())
                .map(|(shard, _, published)| (*shard, *published))
                .collect();
            let result = directory.set_published(&stored).await;
            Done::Saved(cursors, result)
        }));
    }

    pub(super) fn saved(
        &mut self,
        cursors: Vec<(ShardRef, u64, Published)>,
        result: Result<(), StorageError>,
    ) {
        self.is_saving = false;
        let mut waiting = self.backlog.lock();
        for (shard_ref, life, published) in cursors {
            let known = self
                .shards
                .get_mut(&shard_ref)
                .filter(|shard| shard.life == life);
            match (&result, known) {
                (Ok(()), Some(_)) => {
                    if let Some(waiting) = waiting.get_mut(&shard_ref) {
                        waiting.stored = published;
                    }
                }
                // It is stored with the next move, or a second later; what parts with an old cursor is only doubled.
                (Err(_), Some(shard)) => shard.saving = Published::default(),
                (_, None) => {}
            }
        }
        if let Err(error) = result {
            tracing::warn!(%error, "the publisher's cursors cannot be stored yet");
        }
    }
}
