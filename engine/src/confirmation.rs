//! Whether what a shard has sent to others was applied, and what they have sent back.
//!
//! A deadline that waits on other shards is acted on only then: as long as something is on its way, waiting longer may
//! still be right.

use crate::{Address, Head};

/// How far the confirmation of a shard's links has come.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Confirmation<S> {
    /// Nothing is known yet.
    Begun,
    /// Each of these shards must have applied this shard's journal up to there.
    Sent(Vec<(S, u64)>),
    /// This shard must have applied each of these shards' journals up to there.
    Answered(Vec<(S, u64)>),
}

impl<S: Address> Confirmation<S> {
    /// Looks at committed heads: that of the shard itself, `me`, and those of the shards it waits on. Returns whether
    /// everything that had been sent when it first looked was applied, and everything that was sent back by then.
    pub fn look(&mut self, me: S, heads: &[(S, Head<S>)]) -> bool {
        let Some((_, mine)) = heads.iter().find(|(shard, _)| *shard == me) else {
            return false;
        };
        let others = || heads.iter().filter(|(shard, _)| *shard != me);
        if matches!(self, Self::Begun) {
            let sent = mine.sent.iter();
            *self = Self::Sent(sent.map(|(shard, position)| (*shard, *position)).collect());
        }
        if let Self::Sent(sent) = self {
            let is_applied = sent.iter().all(|(target, position)| {
                others()
                    .filter(|(shard, _)| shard == target)
                    .all(|(_, head)| head.watermark(me) >= *position)
            });
            if is_applied {
                let answered = others();
                *self = Self::Answered(
                    answered
                        .map(|(shard, head)| (*shard, head.sent.get(&me).copied().unwrap_or(0)))
                        .collect(),
                );
            }
        }
        match self {
            Self::Answered(answered) => answered
                .iter()
                .all(|(source, position)| mine.watermark(*source) >= *position),
            Self::Begun | Self::Sent(_) => false,
        }
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
        let mut confirmation = Confirmation::Begun;
        let mut look = |mine: Head<char>, theirs: Head<char>| {
            confirmation.look('m', &[('m', mine), ('t', theirs)])
        };
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

    #[test]
    fn without_its_own_head_nothing_is_known() {
        let mut confirmation = Confirmation::Begun;
        assert!(!confirmation.look('m', &[('t', head(&[], &[]))]));
        assert_eq!(confirmation, Confirmation::Begun);
    }
}
