//! I10: what is stored of an aggregate equals what its journal gives.

use std::{collections::HashMap, fmt::Debug};

use super::{Invariant, Report};

/// An aggregate of which one side has come.
#[derive(Debug)]
enum Side<T> {
    Replayed(T, u64),
    Stored(T, u64),
    /// Stored, and what is wrong with it has been told.
    Unreadable,
}

/// All aggregates of one kind.
#[derive(Debug)]
pub(super) struct Replicas<T> {
    kind: &'static str,
    open: HashMap<u64, Side<T>>,
}

impl<T: PartialEq + Debug> Replicas<T> {
    pub(super) fn of(kind: &'static str) -> Self {
        Self {
            kind,
            open: HashMap::new(),
        }
    }

    /// The journal gives this state and version.
    pub(super) fn replayed(&mut self, id: u64, state: T, version: u64, report: &mut Report) {
        match self.open.remove(&id) {
            None => {
                self.open.insert(id, Side::Replayed(state, version));
            }
            Some(Side::Stored(stored, at)) => {
                self.compare(id, (&stored, at), (&state, version), report);
            }
            Some(Side::Unreadable) => {}
            Some(Side::Replayed(..)) => {
                let detail = format!("{} {id} has two histories", self.kind);
                report.violated(Invariant::I10, 1, detail);
            }
        }
    }

    /// There is a row with this state and version, or with one that cannot be read.
    pub(super) fn stored(
        &mut self,
        id: u64,
        state: Result<T, String>,
        version: u64,
        report: &mut Report,
    ) {
        let state = match state {
            Ok(state) => state,
            Err(why) => {
                let wrong = format!(
                    "the stored state of {} {id} cannot be read: {why}",
                    self.kind
                );
                report.judge(Invariant::I10, Some(wrong));
                if self.open.remove(&id).is_none() {
                    self.open.insert(id, Side::Unreadable);
                }
                return;
            }
        };
        match self.open.remove(&id) {
            None => {
                self.open.insert(id, Side::Stored(state, version));
            }
            Some(Side::Replayed(replayed, at)) => {
                self.compare(id, (&state, version), (&replayed, at), report);
            }
            Some(Side::Stored(..) | Side::Unreadable) => {
                let detail = format!("{} {id} has two rows", self.kind);
                report.violated(Invariant::I10, 1, detail);
            }
        }
    }

    fn compare(
        &self,
        id: u64,
        (stored, version): (&T, u64),
        (replayed, seq): (&T, u64),
        report: &mut Report,
    ) {
        let wrong = if stored != replayed {
            let difference = first_difference(stored, replayed);
            Some(format!("differs from its replay: {difference}"))
        } else if version != seq {
            Some(format!(
                "has version {version}, and its last record is number {seq}"
            ))
        } else {
            None
        };
        let wrong = wrong.map(|wrong| format!("the row of {} {id} {wrong}", self.kind));
        report.judge(Invariant::I10, wrong);
    }

    /// Whatever has one side only.
    pub(super) fn finish(self, report: &mut Report) {
        let kind = self.kind;
        let mut open: Vec<(u64, Side<T>)> = self.open.into_iter().collect();
        open.sort_by_key(|(id, _)| *id);
        for (id, side) in open {
            let wrong = match side {
                Side::Replayed(..) => format!("{kind} {id} has a history and no row"),
                Side::Stored(..) => format!("{kind} {id} has a row and no history"),
                Side::Unreadable => continue,
            };
            report.judge(Invariant::I10, Some(wrong));
        }
    }
}

/// The first part in which two values differ as they are shown.
fn first_difference<T: Debug>(stored: &T, replayed: &T) -> String {
    let (stored, replayed) = (format!("{stored:#?}"), format!("{replayed:#?}"));
    let (stored, replayed): (Vec<&str>, Vec<&str>) =
        (stored.lines().collect(), replayed.lines().collect());
    let mut pairs = stored.iter().zip(&replayed);
    let Some(index) = pairs.position(|(stored, replayed)| stored != replayed) else {
        return "one has more than the other".to_owned();
    };
    // What the differing line is a part of: the field above it, if it does not name one itself.
    let depth = |line: &str| line.len() - line.trim_start().len();
    let above = stored[..index]
        .iter()
        .rfind(|line| depth(line) < depth(stored[index]))
        .map_or("", |line| line.trim());
    format!(
        "in {above} is {} stored, and {} comes out",
        stored[index].trim().trim_end_matches(','),
        replayed[index].trim().trim_end_matches(',')
    )
}
