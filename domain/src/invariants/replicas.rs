//! I10: what is stored of an aggregate equals what its journal gives.

use std::{collections::HashMap, fmt::Debug};

use super::{Invariant, Report, compact::digest};

/// How an aggregate is kept until its other side comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// Whole, so that it can be said in what two sides differ.
    Whole,
    /// As a sum of 64 bits: many may wait for long.
    Sum,
}

/// An aggregate as it is kept.
#[derive(Debug)]
enum Kept<T> {
    Whole(Box<T>),
    Sum(u64),
}

/// An aggregate of which one side has come.
#[derive(Debug)]
enum Side<T> {
    Replayed(Kept<T>, u64),
    Stored(Kept<T>, u64),
    /// Stored, and what is wrong with it has been told.
    Unreadable,
}

/// All aggregates of one kind.
#[derive(Debug)]
pub(super) struct Replicas<T> {
    kind: &'static str,
    keep: Keep,
    open: HashMap<u64, Side<T>>,
}

impl<T: PartialEq + Debug> Replicas<T> {
    pub(super) fn of(kind: &'static str, keep: Keep) -> Self {
        Self {
            kind,
            keep,
            open: HashMap::new(),
        }
    }

    /// How many wait for their other side.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// The journal gives this state and version.
    pub(super) fn replayed(&mut self, id: u64, state: T, version: u64, report: &mut Report) {
        match self.open.remove(&id) {
            None => {
                let side = Side::Replayed(self.kept(state), version);
                self.open.insert(id, side);
            }
            Some(Side::Stored(stored, at)) => {
                let difference = stored.differs_from_replay(&state);
                self.judge(id, difference, at, version, report);
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
                let side = Side::Stored(self.kept(state), version);
                self.open.insert(id, side);
            }
            Some(Side::Replayed(replayed, seq)) => {
                let difference = replayed.differs_from_row(&state);
                self.judge(id, difference, version, seq, report);
            }
            Some(Side::Stored(..) | Side::Unreadable) => {
                let detail = format!("{} {id} has two rows", self.kind);
                report.violated(Invariant::I10, 1, detail);
            }
        }
    }

    /// Compares what is stored with a replay.
    pub(super) fn compare(
        &self,
        id: u64,
        (stored, version): (&T, u64),
        (replayed, seq): (&T, u64),
        report: &mut Report,
    ) {
        let difference = (stored != replayed).then(|| first_difference(stored, replayed));
        self.judge(id, difference, version, seq, report);
    }

    fn kept(&self, state: T) -> Kept<T> {
        match self.keep {
            Keep::Whole => Kept::Whole(Box::new(state)),
            Keep::Sum => Kept::Sum(digest(&state)),
        }
    }

    fn judge(
        &self,
        id: u64,
        difference: Option<String>,
        version: u64,
        seq: u64,
        report: &mut Report,
    ) {
        let wrong = match difference {
            Some(difference) => Some(format!("differs from its replay: {difference}")),
            None if version != seq => Some(format!(
                "has version {version}, and its last record is number {seq}"
            )),
            None => None,
        };
        let wrong = wrong.map(|wrong| format!("the row of {} {id} {wrong}", self.kind));
        report.judge(Invariant::I10, wrong);
    }

    /// Both sides of everything up to this id have come: what has one side only is told, and kept no longer.
    pub(super) fn come_to(&mut self, id: u64, report: &mut Report) {
        let mut alone: Vec<u64> = self
            .open
            .keys()
            .copied()
            .filter(|open| *open <= id)
            .collect();
        alone.sort_unstable();
        for id in alone {
            if let Some(side) = self.open.remove(&id) {
                Self::judge_alone(self.kind, id, &side, report);
            }
        }
    }

    /// Whatever has one side only.
    pub(super) fn finish(mut self, report: &mut Report) {
        self.come_to(u64::MAX, report);
    }

    fn judge_alone(kind: &str, id: u64, side: &Side<T>, report: &mut Report) {
        let wrong = match side {
            Side::Replayed(..) => format!("{kind} {id} has a history and no row"),
            Side::Stored(..) => format!("{kind} {id} has a row and no history"),
            Side::Unreadable => return,
        };
        report.judge(Invariant::I10, Some(wrong));
    }
}

impl<T: PartialEq + Debug> Kept<T> {
    /// In what this, which is stored, differs from a replay.
    fn differs_from_replay(&self, replayed: &T) -> Option<String> {
        match self {
            Self::Whole(stored) => {
                (**stored != *replayed).then(|| first_difference(&**stored, replayed))
            }
            Self::Sum(sum) => (*sum != digest(replayed)).then(|| shown("replayed", replayed)),
        }
    }

    /// In what this, which was replayed, differs from what is stored.
    fn differs_from_row(&self, stored: &T) -> Option<String> {
        match self {
            Self::Whole(replayed) => {
                (*stored != **replayed).then(|| first_difference(stored, &**replayed))
            }
            Self::Sum(sum) => (*sum != digest(stored)).then(|| shown("stored", stored)),
        }
    }
}

/// The side that there is, where the other one was kept as a sum.
fn shown(side: &str, value: &impl Debug) -> String {
    format!("{side} is {value:?}")
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
