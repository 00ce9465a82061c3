//! I8: every public event is in the activity log exactly once.

use std::collections::{BTreeMap, BTreeSet};

use super::{Invariant, Report, Scope, record::Heads};
use crate::ShardRef;

/// The activity log, as far as it has been looked at.
#[derive(Debug, Default)]
pub(super) struct Log {
    last: BTreeMap<ShardRef, u64>,
    watermarks: BTreeMap<ShardRef, u64>,
    pub(super) scope: Scope,
}

impl Log {
    /// The next entry from a source.
    pub(super) fn entry(&mut self, source: ShardRef, position: u64, report: &mut Report) {
        let begins_after = self.scope.begins_after(source);
        let last = self.last.entry(source).or_insert(begins_after);
        if position <= *last {
            let wrong = format!("{source} position {position} is in the activity log twice");
            report.judge(Invariant::I8, Some(wrong));
            return;
        }
        report.judge(Invariant::I8, None);
        missing(source, *last + 1, position, report);
        *last = position;
    }

    /// How far the log has come with a source.
    pub(super) fn watermark(&mut self, source: ShardRef, position: u64) {
        self.watermarks.insert(source, position);
    }

    /// Compares entries, watermarks and heads.
    pub(super) fn finish(&self, heads: &Heads, report: &mut Report) {
        let sources: BTreeSet<ShardRef> = heads
            .topology
            .journals()
            .chain(self.last.keys().copied())
            .chain(self.watermarks.keys().copied())
            .collect();
        for source in sources {
            let watermark = self.watermarks.get(&source).copied().unwrap_or(0);
            let told = self.last.get(&source).copied();
            // Of a part, what is not told is as far as the watermark may be.
            let last = told.unwrap_or_else(|| self.scope.begins_after(source).min(watermark));
            let recorded = heads
                .by_shard
                .get(&source)
                .map_or(0, |head| head.last_position);
            let first = last.max(self.scope.begins_after(source)) + 1;
            missing(source, first, watermark + 1, report);
            let wrong = if last > watermark {
                Some(format!(
                    "entries up to {last}, above its watermark {watermark}"
                ))
            } else if watermark > recorded {
                Some(format!(
                    "watermark {watermark}, and the last position there is {recorded}"
                ))
            } else {
                None
            };
            let wrong = wrong.map(|wrong| format!("the activity log has of {source} {wrong}"));
            report.judge(Invariant::I8, wrong);
        }
    }
}

/// Notes that the entries from `first` to before `end` are missing, if there are any.
fn missing(source: ShardRef, first: u64, end: u64, report: &mut Report) {
    let count = end.saturating_sub(first);
    if count > 0 {
        let range = if count == 1 {
            format!("{source} position {first} is")
        } else {
            format!("{source} positions {first} to {} are", end - 1)
        };
        report.violated(
            Invariant::I8,
            count,
            format!("{range} not in the activity log"),
        );
    }
}
