//! I9: positions are contiguous from 1, and so is every link; the heads agree. And of I7: a watermark is a position that
//! was sent.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    Invariant, Report, Scope,
    record::{Heads, Place},
};
use crate::{Domain, ShardRef, Timestamp, routing};

/// A journal without a record for so long may have been without a process that serves it.
const SILENCE: Duration = Duration::from_secs(45);
/// How long a shard that is served may take to give up an order that is overdue.
const GRACE: Duration = Duration::from_secs(60);
/// A link whose target is behind for so long suspends the deadlines that wait on it.
const STALLED_AFTER: Duration = Duration::from_secs(10);

/// A journal, as far as it has been looked at.
#[derive(Debug, Default)]
struct Journal {
    last_position: u64,
    /// When it was last recorded in, and since when without a silence.
    newest: Timestamp,
    active_since: Timestamp,
    sent: BTreeMap<ShardRef, u64>,
}

/// All journals.
#[derive(Debug, Default)]
pub(super) struct Positions {
    journals: BTreeMap<ShardRef, Journal>,
    /// Links whose watermark is a position that was sent, as source and target.
    met: BTreeSet<(ShardRef, ShardRef)>,
    /// When the first record above the watermark was sent, by source and target.
    behind_since: BTreeMap<(ShardRef, ShardRef), Timestamp>,
    pub(super) scope: Scope,
}

impl Positions {
    /// The next record of a shard.
    pub(super) fn place(&mut self, place: &Place, heads: &Heads, report: &mut Report) {
        let begins_after = self.scope.begins_after(place.shard);
        let journal = self.journals.entry(place.shard).or_insert_with(|| Journal {
            last_position: begins_after,
            ..Journal::default()
        });
        let is_first = journal.last_position == begins_after;
        let last = std::mem::replace(&mut journal.last_position, place.position);
        report.check(Invariant::I9, place.position == last + 1, || {
            if last == 0 {
                format!("{place} is the first")
            } else {
                format!("{place} follows position {last}")
            }
        });
        if is_first || place.time.since(journal.newest) > SILENCE {
            journal.active_since = place.time;
        }
        journal.newest = journal.newest.max(place.time);

        for &(target, prev) in &place.links {
            let before = journal.sent.insert(target, place.position);
            // What came before the first one is known where the journal is told from its beginning.
            let is_next = match before {
                Some(before) => prev == before,
                None => prev <= begins_after,
            };
            let before = before.unwrap_or(begins_after);
            report.check(Invariant::I9, is_next, || {
                format!(
                    "{place} is said to follow {prev} on the link to {target}, and follows {before}"
                )
            });
            let watermark = heads.watermark(target, place.shard);
            if watermark == place.position {
                self.met.insert((place.shard, target));
            } else if place.position > watermark {
                self.behind_since
                    .entry((place.shard, target))
                    .or_insert(place.time);
            }
        }
    }

    /// Whether an order of this shard that waits since this deadline would have been given up, judging by how long its
    /// shard has been recording since.
    pub(super) fn is_overdue(&self, shard: ShardRef, deadline: Timestamp) -> bool {
        self.journals.get(&shard).is_some_and(|journal| {
            journal.newest.since(deadline.max(journal.active_since)) >= GRACE
        })
    }

    /// Whether the deadlines of this order shard are suspended: a link between it and some product shard has been
    /// behind for long, as of the newest record or of `now`.
    pub(super) fn is_suspended(&self, orders: ShardRef, now: Option<Timestamp>) -> bool {
        let newest = self.journals.values().map(|journal| journal.newest);
        let newest = newest.chain(now).max();
        self.behind_since
            .iter()
            .filter(|((source, target), _)| *source == orders || *target == orders)
            .any(|(_, since)| newest.is_some_and(|newest| newest.since(*since) > STALLED_AFTER))
    }

    /// Compares with the heads.
    pub(super) fn finish(&self, heads: &Heads, report: &mut Report) {
        let journals: BTreeSet<ShardRef> = heads
            .topology
            .journals()
            .chain(heads.by_shard.keys().copied())
            .chain(self.journals.keys().copied())
            .collect();
        let owner = |product| heads.topology.owner_of_product(product);
        for shard in journals {
            if self.scope.has_journal(shard, owner) {
                self.finish_shard(shard, heads, report);
            }
        }
        for (&target, head) in &heads.by_shard {
            for (&source, &watermark) in &head.watermarks {
                if !self.scope.has_journal(source, owner) {
                    continue;
                }
                let wrong = self.wrong_watermark(source, target, watermark, heads);
                report.judge(Invariant::I7, wrong);
            }
        }
    }

    fn finish_shard(&self, shard: ShardRef, heads: &Heads, report: &mut Report) {
        let is_known = shard.shard < heads.topology.shards(shard.domain);
        report.check(Invariant::I9, is_known, || {
            format!("{shard} is no shard of this store")
        });
        let begins_after = self.scope.begins_after(shard);
        let empty = Journal {
            last_position: begins_after,
            ..Journal::default()
        };
        let journal = self.journals.get(&shard).unwrap_or(&empty);
        let Some(head) = heads.by_shard.get(&shard) else {
            report.check(Invariant::I9, journal.last_position == 0, || {
                format!("{shard} has records and no head")
            });
            return;
        };
        let (last, said) = (journal.last_position, head.last_position);
        report.check(Invariant::I9, last == said, || {
            format!("the head of {shard} says that its last position is {said}, and it is {last}")
        });
        let targets: BTreeSet<&ShardRef> = journal.sent.keys().chain(head.sent.keys()).collect();
        for target in targets {
            let told = journal.sent.get(target).copied();
            let said = head.sent.get(target).copied().unwrap_or(0);
            let is_right = told.map_or(said <= begins_after, |sent| sent == said);
            let sent = told.unwrap_or(begins_after);
            report.check(Invariant::I9, is_right, || {
                format!("the head of {shard} says that it has sent {target} up to {said}, and it has up to {sent}")
            });
        }
    }

    fn wrong_watermark(
        &self,
        source: ShardRef,
        target: ShardRef,
        watermark: u64,
        heads: &Heads,
    ) -> Option<String> {
        if watermark <= self.scope.begins_after(source) {
            return None;
        }
        let last = self.journals.get(&source).map_or_else(
            || self.scope.begins_after(source),
            |journal| journal.last_position,
        );
        let wrong = if watermark > last {
            format!("and the last position there is {last}")
        } else if target.domain == Domain::Notifications {
            if routing::public_target(source, &heads.topology) == Some(target) {
                return None;
            }
            "whose records it does not read".to_owned()
        } else if self.met.contains(&(source, target)) {
            return None;
        } else {
            "a position that was not sent to it".to_owned()
        };
        Some(format!(
            "{target} has watermark {watermark} on the link from {source}, {wrong}"
        ))
    }
}
