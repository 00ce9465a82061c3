//! The head of a shard: what its owner must know before it decides anything.

use std::collections::BTreeMap;

use crate::Address;

/// A record's place on one link: the target, and the position of the record before it on that link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp<S> {
    /// Who must act on the record.
    pub target: S,
    /// The previous position on the link, 0 for the first.
    pub prev: u64,
}

/// The one row of a shard.
///
/// Every transaction of the shard moves it on from the exact state that its writer knows, under the epoch that the
/// owner obtained when it claimed the shard. So a former owner's transaction finds no row and changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Head<S> {
    /// Grows by one with every claim.
    pub epoch: u64,
    /// Position of the newest record, 0 while there is none.
    pub last_position: u64,
    /// Grows by one with every transaction, also with one that has no records.
    pub revision: u64,
    /// The newest id that the shard has issued, 0 while there is none.
    pub last_id: u64,
    /// The last position sent on each outgoing link.
    pub sent: BTreeMap<S, u64>,
    /// The last position applied on each incoming link.
    pub watermarks: BTreeMap<S, u64>,
}

impl<S: Address> Head<S> {
    /// The head of a shard in which nothing has happened.
    #[must_use]
    pub fn empty(epoch: u64) -> Self {
        Self {
            epoch,
            last_position: 0,
            revision: 0,
            last_id: 0,
            sent: BTreeMap::new(),
            watermarks: BTreeMap::new(),
        }
    }

    /// Gives the next record its position, and its stamp on the link to each target.
    pub fn append(&mut self, targets: &[S]) -> (u64, Vec<Stamp<S>>) {
        self.last_position += 1;
        let position = self.last_position;
        let stamps = targets
            .iter()
            .map(|&target| Stamp {
                target,
                prev: self.sent.insert(target, position).unwrap_or(0),
            })
            .collect();
        (position, stamps)
    }

    /// The last position applied on the link from `source`.
    #[must_use]
    pub fn watermark(&self, source: S) -> u64 {
        self.watermarks.get(&source).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_link_has_its_own_chain() {
        let mut head = Head::empty(1);
        assert_eq!(head.append(&['a']).1[0].prev, 0);
        assert_eq!(head.append(&['b']).1[0].prev, 0);
        let (position, stamps) = head.append(&['a', 'b']);
        assert_eq!(position, 3);
        assert_eq!(
            stamps,
            [
                Stamp {
                    target: 'a',
                    prev: 1
                },
                Stamp {
                    target: 'b',
                    prev: 2
                }
            ]
        );
    }
}
