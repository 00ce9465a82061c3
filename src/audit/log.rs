//! The activity log, told to the checks.
//!
//! Where entries are kept for a limited time, old ones are missing, and that is no fault. An entry is as old as its
//! record, so which may be missing is told by the journals: those of a shard up to some position.

use std::{collections::BTreeMap, time::Duration};

use domain::{
    ShardRef, Timestamp,
    invariants::{Checker, Scope},
};
use storage::{LogSnapshot, Snapshot, StorageError};

use super::{PAGE, scope::last_before};
use crate::progress::Progress;

/// How far the clocks may differ by which records are dated and entries removed.
const CLOCKS: Duration = Duration::from_secs(60);

/// A snapshot of an activity log.
pub(super) struct Log {
    pub(super) snapshot: Box<dyn LogSnapshot>,
    /// Entries of what happened before may have been removed.
    pub(super) expired_before: Option<Timestamp>,
}

/// Entries of what happened before this time may have been removed, if they are kept for so long.
pub(super) fn expired_before(now: Timestamp, retention: Option<Duration>) -> Option<Timestamp> {
    let kept_ms = i64::try_from(retention?.as_millis()).unwrap_or(i64::MAX);
    let begun = now.as_millis().saturating_sub(kept_ms);
    Some(Timestamp::from_millis(begun).plus(CLOCKS))
}

/// What of the log may be missing, and how far each source was told.
struct Gaps {
    expired_before: Option<Timestamp>,
    /// The last archived position and the last position of each journal.
    told_of: BTreeMap<ShardRef, (u64, u64)>,
    expired: BTreeMap<ShardRef, u64>,
    told: BTreeMap<ShardRef, u64>,
}

impl Log {
    /// Tells all of it.
    pub(super) async fn read(
        mut self,
        store: &mut dyn Snapshot,
        scope: &Scope,
        checker: &mut Checker,
        progress: &Progress,
    ) -> Result<(), StorageError> {
        let watermarks = self.snapshot.watermarks().await?;
        let forgotten_before = self.snapshot.forgotten_before().await?;
        for &(source, position) in &watermarks {
            checker.log_watermark(source, position);
        }
        let archived = store.archived().await?;
        let position_of = |shard| {
            let mark = archived.iter().find(|mark| mark.shard == shard);
            mark.map_or(0, |mark| mark.position)
        };
        let heads = store.heads().await?.into_iter();
        let mut gaps = Gaps {
            expired_before: self.expired_before.max(forgotten_before),
            told_of: heads
                .map(|(shard, head)| (shard, (position_of(shard), head.last_position)))
                .collect(),
            expired: BTreeMap::new(),
            told: BTreeMap::new(),
        };
        for &(source, position) in &watermarks {
            let begins_after = scope.begins_after(source);
            progress.expect(position.saturating_sub(begins_after));
            gaps.told.insert(source, begins_after);
        }
        if scope.since.is_none() {
            self.read_from(None, None, &mut gaps, store, checker, progress)
                .await?;
        } else {
            for &(source, _) in &watermarks {
                let after = Some((source, scope.begins_after(source)));
                self.read_from(after, Some(source), &mut gaps, store, checker, progress)
                    .await?;
            }
        }
        for (source, position) in watermarks {
            gaps.fill(source, position + 1, store, checker).await?;
        }
        Ok(())
    }

    /// Tells the entries after this one; those of one source, or of all.
    async fn read_from(
        &mut self,
        mut after: Option<(ShardRef, u64)>,
        only: Option<ShardRef>,
        gaps: &mut Gaps,
        store: &mut dyn Snapshot,
        checker: &mut Checker,
        progress: &Progress,
    ) -> Result<(), StorageError> {
        loop {
            let page = self.snapshot.sources(after, PAGE).await?;
            let read = page.len();
            after = page.last().copied();
            let is_wanted = |(source, _): &(ShardRef, u64)| only.is_none_or(|only| only == *source);
            let wanted: Vec<_> = page.into_iter().take_while(is_wanted).collect();
            progress.done(wanted.len());
            let is_over = read < PAGE || wanted.len() < read;
            for (source, position) in wanted {
                gaps.fill(source, position, store, checker).await?;
                checker.log_entry(source, position);
                gaps.told.insert(source, position);
            }
            if is_over {
                return Ok(());
            }
        }
    }
}

impl Gaps {
    /// Tells the entries between the last one told and this one that may have been removed, as if they were there.
    async fn fill(
        &mut self,
        source: ShardRef,
        before: u64,
        store: &mut dyn Snapshot,
        checker: &mut Checker,
    ) -> Result<(), StorageError> {
        let first = self.told.get(&source).copied().unwrap_or(0) + 1;
        if first >= before || self.expired_before.is_none() {
            return Ok(());
        }
        let expired = match self.expired.get(&source) {
            Some(expired) => *expired,
            None => {
                let expired = self.expired_up_to(source, store).await?;
                self.expired.insert(source, expired);
                expired
            }
        };
        for position in first..before.min(expired + 1) {
            checker.log_entry(source, position);
        }
        Ok(())
    }

    /// The last position of a shard whose record is so old that its entry may have been removed; 0 if there is none.
    /// Times follow positions but for a clock that steps back, for which there is some allowance.
    async fn expired_up_to(
        &self,
        source: ShardRef,
        store: &mut dyn Snapshot,
    ) -> Result<u64, StorageError> {
        let Some(limit) = self.expired_before else {
            return Ok(0);
        };
        let told = self.told_of.get(&source).copied().unwrap_or((0, 0));
        last_before(store, source, told, limit).await
    }
}
