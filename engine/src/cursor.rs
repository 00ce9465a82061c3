//! The sending end of a topic: how far a shard's records have been acknowledged, without gaps.

use std::collections::VecDeque;

/// A cursor over the positions of one shard, for one family of topics.
///
/// Positions are taken in order, each with the number of messages it is sent as, which may be none. The cursor moves
/// over a position when it and all before it are acknowledged. What was taken and is not acknowledged can be given back:
/// it is then sent again, so records may be doubled and are never lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    acknowledged: u64,
    /// Messages outstanding for each position that follows.
    outstanding: VecDeque<u32>,
}

impl Cursor {
    /// A cursor that has come so far.
    #[must_use]
    pub fn new(acknowledged: u64) -> Self {
        Self {
            acknowledged,
            outstanding: VecDeque::new(),
        }
    }

    /// Everything up to here is acknowledged.
    #[must_use]
    pub const fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Everything up to here was taken.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.acknowledged + self.outstanding.len() as u64
    }

    /// Positions taken and not passed.
    #[must_use]
    pub fn open(&self) -> usize {
        self.outstanding.len()
    }

    /// Takes the next position, which is sent as so many messages.
    pub fn take(&mut self, messages: u32) {
        self.outstanding.push_back(messages);
        self.settle();
    }

    /// A message of this position was acknowledged. One that is not outstanding changes nothing.
    pub fn acknowledge(&mut self, position: u64) {
        let Some(index) = position.checked_sub(self.acknowledged + 1) else {
            return;
        };
        let outstanding = usize::try_from(index)
            .ok()
            .and_then(|index| self.outstanding.get_mut(index));
        if let Some(outstanding) = outstanding {
            *outstanding = outstanding.saturating_sub(1);
            self.settle();
        }
    }

    /// Gives back what was taken and is not acknowledged.
    pub fn rewind(&mut self) {
        self.outstanding.clear();
    }

    fn settle(&mut self) {
        while self.outstanding.front() == Some(&0) {
            self.outstanding.pop_front();
            self.acknowledged += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_moves_over_contiguous_acknowledgements_only() {
        let mut cursor = Cursor::new(4);
        cursor.take(1);
        cursor.take(0);
        cursor.take(2);
        assert_eq!((cursor.acknowledged(), cursor.taken()), (4, 7));
        cursor.acknowledge(7);
        assert_eq!(cursor.acknowledged(), 4);
        cursor.acknowledge(5);
        assert_eq!(cursor.acknowledged(), 6, "position 6 has no message");
        cursor.acknowledge(7);
        assert_eq!(cursor.acknowledged(), 7);
        cursor.acknowledge(7);
        cursor.acknowledge(3);
        assert_eq!(cursor, Cursor::new(7));
    }

    #[test]
    fn what_is_given_back_is_taken_again() {
        let mut cursor = Cursor::new(0);
        cursor.take(1);
        cursor.take(1);
        cursor.acknowledge(2);
        cursor.rewind();
        assert_eq!((cursor.acknowledged(), cursor.taken()), (0, 0));
    }

    proptest! {
        /// In whatever order acknowledgements come, the cursor is just before the first position that lacks one.
        #[test]
        fn the_cursor_never_passes_what_is_outstanding(
            messages in prop::collection::vec(0_u32..4, 1..20),
            picks in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
        ) {
            let mut cursor = Cursor::new(0);
            let mut missing = messages.clone();
            for count in &messages {
                cursor.take(*count);
            }
            for pick in picks {
                let index = pick.index(missing.len());
                if missing[index] > 0 {
                    missing[index] -= 1;
                    cursor.acknowledge(index as u64 + 1);
                }
                let expected = missing.iter().take_while(|count| **count == 0).count();
                prop_assert_eq!(cursor.acknowledged(), expected as u64);
            }
        }
    }
}
