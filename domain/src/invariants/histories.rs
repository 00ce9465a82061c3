//! The states that journals give, of aggregates whose records are spread over their journals.

use super::{Invariant, Place, Report, compact::Compact, dense::Dense, replicas::Replicas};

/// An aggregate as far as its history has been told.
#[derive(Debug)]
struct Told<K> {
    kept: Option<K>,
    seq: u64,
    is_compared: bool,
}

/// All aggregates of one kind.
#[derive(Debug)]
pub(super) struct Histories<A: Compact>(Dense<Told<A::Kept>>);

impl<A: Compact> Default for Histories<A> {
    fn default() -> Self {
        Self(Dense::default())
    }
}

impl<A: Compact> Histories<A> {
    /// The aggregate as it is now, as far as it is remembered.
    pub(super) fn state(&self, id: u64) -> Option<A> {
        self.0.get(id)?.kept.as_ref().map(A::recall)
    }

    /// Every aggregate about which there is a record, in the order of ids.
    pub(super) fn ids(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.ids()
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    /// The next thing that happened to an aggregate.
    pub(super) fn event(&mut self, place: &Place, event: &A::Event, report: &mut Report) {
        let id = place.aggregate_id;
        let told = self.0.get(id);
        let before = told.map_or(0, |told| told.seq);
        let state = told.and_then(|told| told.kept.as_ref()).map(A::recall);
        let existed = state.is_some();
        let state = A::evolve(state, event, place.time);
        // What is recorded about an aggregate that does not exist is a refusal. Nobody keeps its number.
        let is_next = state.is_none() || place.seq == before + 1 || (!existed && place.seq == 1);
        report.check(Invariant::I9, is_next, || {
            let (kind, seq) = (A::KIND, place.seq);
            format!("{place} is number {seq} of {kind} {id}, after number {before}")
        });
        let told = Told {
            kept: state.as_ref().map(A::keep),
            seq: place.seq,
            is_compared: false,
        };
        self.0.insert(id, told);
    }

    /// Compares a row at once with the state that the journals have given, all of which has been told. `false` if there
    /// is none, or none any more.
    pub(super) fn compare_row(
        &mut self,
        (id, state, version): (u64, &A, u64),
        rows: &Replicas<A>,
        report: &mut Report,
    ) -> bool {
        let told = self.0.get_mut(id).filter(|told| !told.is_compared);
        let Some(told) = told else {
            return false;
        };
        let Some(kept) = &told.kept else {
            return false;
        };
        let replayed = A::recall(kept);
        rows.compare(
            id,
            (&A::recall(&state.keep()), version),
            (&replayed, told.seq),
            report,
        );
        told.is_compared = true;
        true
    }

    /// Hands every state over that has not been compared with its row.
    pub(super) fn compare_with(self, rows: &mut Replicas<A>, report: &mut Report) {
        for id in self.0.ids() {
            if let Some(told) = self.0.get(id)
                && let Some(kept) = &told.kept
                && !told.is_compared
            {
                rows.replayed(id, A::recall(kept), told.seq, report);
            }
        }
    }
}
