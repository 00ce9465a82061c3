//! Where the marks are to be.
//!
//! All journals are archived up to the same time, so that whatever one shard said to another is archived on both sides,
//! or on none. If something that is older has still to be read by somebody, the time is put back to it.

use std::{collections::BTreeMap, fmt::Write};

use domain::{ShardRef, Timestamp, routing};
use engine::Head;
use storage::{Archived, Snapshot, StorageError, StoredRecord};

use super::{PAGE, place::ReadByOthers};
use crate::{
    audit::{begin_of, last_before},
    replay::rfc_3339,
};

/// The part of one journal that is to be archived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) shard: ShardRef,
    /// The last position that was archived before.
    pub(super) after: u64,
    /// The last position that is to be archived.
    pub(super) last: u64,
}

/// What is to be archived.
#[derive(Debug)]
pub(super) struct Plan {
    /// What happened before this time.
    pub(super) before: Timestamp,
    pub(super) parts: Vec<Part>,
    /// Who has not yet read what is older than was asked for.
    held_by: Option<ShardRef>,
    /// Marks that were set before.
    pub(super) archived: Vec<Archived>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.archived.is_empty()
    }

    /// For whoever asked for what happened before `wanted`.
    pub(super) fn describe(&self, wanted: Timestamp) -> String {
        let records: u64 = self.parts.iter().map(|part| part.last - part.after).sum();
        let mut text = format!(
            "before {}: {records} records of {} journals",
            rfc_3339(self.before),
            self.parts.len()
        );
        if let (Some(source), true) = (self.held_by, self.before < wanted) {
            // Writing into a string does not fail.
            let _ = write!(
                text,
                "; what is younger has to stay, because somebody has still to read the journal of {source}"
            );
        }
        text
    }

    /// The marks as they are to be.
    pub(super) fn marks(&self) -> Vec<Archived> {
        let parts = self.parts.iter();
        parts
            .map(|part| Archived {
                shard: part.shard,
                position: part.last,
                before: self.before,
            })
            .collect()
    }
}

/// Finds out up to where journals can be archived if what happened before `wanted` is to be.
pub(super) async fn plan(
    store: &mut dyn Snapshot,
    read_by_others: &ReadByOthers,
    wanted: Timestamp,
) -> Result<Plan, StorageError> {
    let archived = store.archived().await?;
    let position_of = |shard| {
        let mark = archived.iter().find(|mark| mark.shard == shard);
        mark.map_or(0, |mark| mark.position)
    };
    let heads: BTreeMap<ShardRef, Head<ShardRef>> = store.heads().await?.into_iter().collect();
    let (mut before, mut held_by) = (wanted, None);
    for (&shard, head) in &heads {
        let told = (position_of(shard), head.last_position);
        let last = last_before(store, shard, told, begin_of(shard, before)).await?;
        let read = read_by_shards(store, shard, &heads).await?;
        let read = read.min(read_by_others.position(shard, head.last_position));
        if last > read
            && let Some(next) = store.records(shard, read, 1).await?.pop()
        {
            before = before.min(next.time);
            held_by = Some(shard);
        }
    }
    let mut parts = Vec::new();
    for (&shard, head) in &heads {
        let after = position_of(shard);
        let told = (after, head.last_position);
        let last = last_before(store, shard, told, begin_of(shard, before)).await?;
        if last > after {
            parts.push(Part { shard, after, last });
        }
    }
    Ok(Plan {
        before,
        parts,
        held_by,
        archived,
    })
}

/// How far all shards have read a journal that have to.
async fn read_by_shards(
    store: &mut dyn Snapshot,
    source: ShardRef,
    heads: &BTreeMap<ShardRef, Head<ShardRef>>,
) -> Result<u64, StorageError> {
    let watermark = |target: &ShardRef| {
        let target = heads.get(target);
        target.map_or(0, |head| head.watermarks.get(&source).copied().unwrap_or(0))
    };
    let public = routing::public_target(source, &store.topology());
    let mut read = public.as_ref().map_or(u64::MAX, watermark);
    let sent = heads.get(&source).map(|head| &head.sent);
    for (target, sent) in sent.into_iter().flatten() {
        let watermark = watermark(target);
        if watermark < *sent {
            read = read.min(last_unaddressed(store, source, *target, watermark).await?);
        }
    }
    Ok(read)
}

/// The last position of a journal before the next one that is addressed to this target. There is one.
async fn last_unaddressed(
    store: &mut dyn Snapshot,
    source: ShardRef,
    target: ShardRef,
    watermark: u64,
) -> Result<u64, StorageError> {
    let mut after = watermark;
    loop {
        let page = store.records(source, after, PAGE).await?;
        let is_addressed = |record: &&StoredRecord| {
            let mut stamps = record.stamps.iter();
            stamps.any(|stamp| stamp.target == target)
        };
        if let Some(next) = page.iter().find(is_addressed) {
            return Ok(next.position - 1);
        }
        match page.last() {
            Some(last) => after = last.position,
            // The journal is damaged: nothing is taken from it.
            None => return Ok(watermark),
        }
    }
}
