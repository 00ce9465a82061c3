//! Turns of a shard: begun in order, decided by many aggregates at once, retired in order.
//!
//! A turn is one command, or one record of a link, and has a part for each aggregate concerned. Aggregates decide their
//! parts whenever they come to it. Because turns retire in the order in which they were begun, a link's watermark never
//! passes an effect that is not in the same or an earlier transaction, and an aggregate's events reach the journal in
//! the order in which it decided them.

use std::collections::VecDeque;

/// Identifies a turn within its generation; later turns have larger tickets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

#[derive(Debug)]
struct Turn<T, O> {
    work: T,
    outcomes: Vec<Option<O>>,
    open: usize,
}

/// The turns of a shard that have begun and not retired. `T` is what a turn is, `O` what a part of it comes to.
#[derive(Debug)]
pub struct Pipeline<T, O> {
    front: u64,
    turns: VecDeque<Turn<T, O>>,
}

impl<T, O> Default for Pipeline<T, O> {
    fn default() -> Self {
        Self {
            front: 0,
            turns: VecDeque::new(),
        }
    }
}

impl<T, O> Pipeline<T, O> {
    /// Turns that have begun and not retired.
    #[must_use]
    pub fn len(&self) -> usize {
        self.turns.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Begins a turn of so many parts; a turn without parts is complete at once.
    pub fn begin(&mut self, work: T, parts: usize) -> Ticket {
        let ticket = Ticket(self.front + self.turns.len() as u64);
        self.turns.push_back(Turn {
            work,
            outcomes: (0..parts).map(|_| None).collect(),
            open: parts,
        });
        ticket
    }

    /// Notes what a part came to. A second outcome for the same part, or one for a turn that is gone, is ignored.
    pub fn complete(&mut self, ticket: Ticket, part: usize, outcome: O) {
        let Some(turn) = self.turn_mut(ticket) else {
            return;
        };
        if let Some(slot) = turn.outcomes.get_mut(part)
            && slot.is_none()
        {
            *slot = Some(outcome);
            turn.open -= 1;
        }
    }

    /// What a part came to, if it is decided.
    #[must_use]
    pub fn outcome(&self, ticket: Ticket, part: usize) -> Option<&O> {
        let index = usize::try_from(ticket.0.checked_sub(self.front)?).ok()?;
        self.turns.get(index)?.outcomes.get(part)?.as_ref()
    }

    /// All turns, oldest first.
    pub fn turns(&self) -> impl Iterator<Item = (Ticket, &T)> {
        let front = self.front;
        self.turns
            .iter()
            .enumerate()
            .map(move |(index, turn)| (Ticket(front + index as u64), &turn.work))
    }

    /// Opens a part again, to be decided once more.
    pub fn reopen(&mut self, ticket: Ticket, part: usize) {
        let Some(turn) = self.turn_mut(ticket) else {
            return;
        };
        if let Some(slot) = turn.outcomes.get_mut(part)
            && slot.take().is_some()
        {
            turn.open += 1;
        }
    }

    /// The oldest turn, if all its parts are decided.
    pub fn front(&mut self) -> Option<(Ticket, &mut T, &[Option<O>])> {
        let ticket = Ticket(self.front);
        let turn = self.turns.front_mut().filter(|turn| turn.open == 0)?;
        Some((ticket, &mut turn.work, &turn.outcomes))
    }

    /// Retires the oldest turn, if all its parts are decided.
    pub fn retire(&mut self) -> Option<(Ticket, T, Vec<O>)> {
        self.turns.front().filter(|turn| turn.open == 0)?;
        let turn = self.turns.pop_front()?;
        let ticket = Ticket(self.front);
        self.front += 1;
        Some((
            ticket,
            turn.work,
            turn.outcomes.into_iter().flatten().collect(),
        ))
    }

    /// Takes all turns out; tickets go on where they were, so that a late outcome finds nothing.
    pub fn clear(&mut self) -> Vec<T> {
        self.front += self.turns.len() as u64;
        self.turns.drain(..).map(|turn| turn.work).collect()
    }

    fn turn_mut(&mut self, ticket: Ticket) -> Option<&mut Turn<T, O>> {
        let index = usize::try_from(ticket.0.checked_sub(self.front)?).ok()?;
        self.turns.get_mut(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_retire_in_the_order_in_which_they_began() {
        let mut pipeline = Pipeline::default();
        let first = pipeline.begin("first", 2);
        let second = pipeline.begin("second", 1);
        let third = pipeline.begin("third", 0);
        pipeline.complete(second, 0, 'x');
        pipeline.complete(first, 1, 'b');
        assert!(pipeline.retire().is_none());
        pipeline.complete(first, 0, 'a');
        assert_eq!(pipeline.retire().unwrap(), (first, "first", vec!['a', 'b']));
        assert_eq!(pipeline.retire().unwrap(), (second, "second", vec!['x']));
        assert_eq!(pipeline.retire().unwrap(), (third, "third", vec![]));
        assert!(pipeline.is_empty());
    }

    #[test]
    fn a_reopened_part_holds_its_turn() {
        let mut pipeline = Pipeline::default();
        let turn = pipeline.begin((), 1);
        pipeline.complete(turn, 0, Err("panicked"));
        assert_eq!(pipeline.front().unwrap().2, [Some(Err("panicked"))]);
        pipeline.reopen(turn, 0);
        assert!(pipeline.retire().is_none());
        pipeline.complete(turn, 0, Ok(1));
        assert_eq!(pipeline.retire().unwrap().2, [Ok(1)]);
    }

    #[test]
    fn outcomes_of_cleared_turns_are_ignored() {
        let mut pipeline = Pipeline::default();
        let lost = pipeline.begin('a', 1);
        assert_eq!(pipeline.clear(), ['a']);
        let kept = pipeline.begin('b', 1);
        pipeline.complete(lost, 0, 1);
        assert!(pipeline.retire().is_none());
        pipeline.complete(kept, 0, 2);
        pipeline.complete(kept, 0, 3);
        assert_eq!(pipeline.retire().unwrap(), (kept, 'b', vec![2]));
    }
}
