//! What the crowd was told, order by order, to be held against what the shop says in the end.

use std::collections::BTreeMap;

use super::scenario::Wanted;

/// What was told.
#[derive(Debug, Default)]
pub(super) struct Books {
    /// Every order that was given an id.
    pub(super) told: Vec<Told>,
    /// Orders that may or may not be there, because they were not answered, or answered 503: how many, by what was
    /// wanted.
    pub(super) in_doubt: BTreeMap<Wanted, u64>,
}

/// What was told of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) id: u64,
    pub(super) wanted: Wanted,
    pub(super) answer: Answered,
    pub(super) cancelled: Cancelled,
}

/// How an order was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answered {
    /// 201.
    Confirmed,
    /// 202.
    Accepted,
    /// 409 with the id of an order.
    Refused,
}

/// Whether an order was called off by its buyer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cancelled {
    No,
    /// It was asked for and not answered.
    InDoubt,
    Yes,
}

impl Books {
    /// An order was answered; returns where that is written.
    pub(super) fn told(&mut self, id: u64, wanted: Wanted, answer: Answered) -> usize {
        self.told.push(Told {
            id,
            wanted,
            answer,
            cancelled: Cancelled::No,
        });
        self.told.len() - 1
    }

    /// An order may be there.
    pub(super) fn in_doubt(&mut self, wanted: Wanted) {
        *self.in_doubt.entry(wanted).or_default() += 1;
    }

    /// An order was called off.
    pub(super) fn cancelled(&mut self, place: usize, how: Cancelled) {
        if let Some(told) = self.told.get_mut(place) {
            told.cancelled = how;
        }
    }

    /// Adds the books of another thread.
    pub(super) fn add(&mut self, other: Self) {
        self.told.extend(other.told);
        for (wanted, count) in other.in_doubt {
            *self.in_doubt.entry(wanted).or_default() += count;
        }
    }
}
