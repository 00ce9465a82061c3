//! Whether what a shard has sent to another was applied there, and what that has sent back was applied here.
//!
//! A deadline that waits on another shard is acted on only then: as long as something is on its way, waiting longer may
//! still be right.

use crate::{Address, Head};

/// How far the confirmation of the two links between a shard and another has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Confirmation {
    /// The other shard must have applied this shard's journal up to there.
    sent: u64,
    /// It has, and this shard must have applied the other's journal up to there.
    answered: Option<u64>,
}

impl Confirmation {
    /// Begins one: `mine` is the shard's own committed head, so that whatever is in doubt must be committed.
    #[must_use]
    pub fn begin<S: Address>(mine: &Head<S>, other: S) -> Self {
        Self {
            sent: mine.sent.get(&other).copied().unwrap_or(0),
            answered: None,
        }
    }

    /// Looks at the committed heads of both shards, that of the shard itself, `me`, first. Returns whether everything that
    /// had been sent when it began was applied, and everything that had been sent back by then.
    pub fn look<S: Address>(
        &mut self,
        (me, mine): (S, &Head<S>),
        (other, theirs): (S, &Head<S>),
    ) -> bool {
        if self.answered.is_none() && theirs.watermark(me) >= self.sent {
            self.answered = Some(theirs.sent.get(&me).copied().unwrap_or(0));
        }
        self.answered
            .is_some_and(|position| mine.watermark(other) >= position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(sent: &[(char, u64)], watermarks: &[(char, u64)]) -> Head<char> {
        let mut head = Head::empty(1);
        head.sent.extend(sent.iter().copied());
        head.watermarks.extend(watermarks.iter().copied());
        head
    }

    #[test]
    fn both_ways_have_to_be_applied() {
        let mut confirmation = Confirmation::begin(&head(&[('t', 3)], &[]), 't');
        let mut look =
            |mine: Head<char>, theirs: Head<char>| confirmation.look(('m', &mine), ('t', &theirs));
        assert!(!look(head(&[('t', 3)], &[]), head(&[], &[('m', 2)])));
        // What is sent later need not be applied, and what is answered later either.
        assert!(!look(
            head(&[('t', 5)], &[]),
            head(&[('m', 7)], &[('m', 3)])
        ));
        assert!(!look(
            head(&[('t', 5)], &[('t', 6)]),
            head(&[('m', 8)], &[])
        ));
        assert!(look(head(&[('t', 5)], &[('t', 7)]), head(&[('m', 9)], &[])));
    }
}
