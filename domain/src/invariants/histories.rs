//! The states that journals give, of aggregates whose records are spread over their journals.

use std::collections::HashMap;

use super::{Invariant, Place, Report, replicas::Replicas};
use crate::Aggregate;

/// An aggregate as far as its history has been told.
#[derive(Debug)]
struct Told<A> {
    state: Option<A>,
    seq: u64,
}

/// All aggregates of one kind.
#[derive(Debug)]
pub(super) struct Histories<A>(HashMap<u64, Told<A>>);

impl<A> Default for Histories<A> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<A: Aggregate> Histories<A> {
    /// The aggregate as it is now.
    pub(super) fn state(&self, id: u64) -> Option<&A> {
        self.0.get(&id)?.state.as_ref()
    }

    /// Every aggregate about which there is a record.
    pub(super) fn ids(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.keys().copied()
    }

    /// The next thing that happened to an aggregate.
    pub(super) fn event(&mut self, place: &Place, event: &A::Event, report: &mut Report) {
        let told = self.0.entry(place.aggregate_id).or_insert(Told {
            state: None,
            seq: 0,
        });
        let existed = told.state.is_some();
        told.state = A::evolve(told.state.take(), event, place.time);
        let before = std::mem::replace(&mut told.seq, place.seq);
        // What is recorded about an aggregate that does not exist is a refusal. Nobody keeps its number.
        let is_next =
            told.state.is_none() || place.seq == before + 1 || (!existed && place.seq == 1);
        report.check(Invariant::I9, is_next, || {
            let (kind, id, seq) = (A::KIND, place.aggregate_id, place.seq);
            format!("{place} is number {seq} of {kind} {id}, after number {before}")
        });
    }

    /// Hands every state over to be compared with the rows.
    pub(super) fn compare_with(self, rows: &mut Replicas<A>, report: &mut Report) {
        for (id, told) in self.0 {
            if let Some(state) = told.state {
                rows.replayed(id, state, told.seq, report);
            }
        }
    }
}
