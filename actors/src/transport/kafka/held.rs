//! Partitions as the polling thread knows them: what was delivered, what a full mailbox has refused, what is paused.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{
    dispatch::{Dispatcher, Parcel},
    membership::Partition,
};

/// One partition.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// The offset after the last message taken.
    pub(super) next_offset: i64,
    /// What a mailbox has refused, oldest first.
    parcels: VecDeque<Parcel>,
    /// Offsets of messages on their way to the dead letters.
    pub(super) dead: BTreeSet<i64>,
    /// The offset that was committed last.
    committed: i64,
    pub(super) is_paused: bool,
}

impl Held {
    /// Delivers these parcels behind those that wait already. Returns whether all were taken.
    pub(super) fn deliver(&mut self, new: Vec<Parcel>, dispatcher: &Dispatcher) -> bool {
        self.parcels.extend(new);
        while let Some(parcel) = self.parcels.pop_front() {
            if let Err(refused) = dispatcher.deliver(parcel) {
                self.parcels.push_front(refused);
                return false;
            }
        }
        true
    }

    /// Whether something waits.
    pub(super) fn is_waiting(&self) -> bool {
        !self.parcels.is_empty()
    }

    /// The offset up to which everything was delivered.
    fn delivered_up_to(&self) -> i64 {
        (self.parcels.iter().map(|parcel| parcel.first_offset))
            .chain(self.dead.first().copied())
            .chain([self.next_offset])
            .min()
            .unwrap_or(self.next_offset)
    }

    /// The offset to commit, if it has moved.
    pub(super) fn take_commit(&mut self) -> Option<i64> {
        let offset = self.delivered_up_to();
        (offset > self.committed).then(|| {
            self.committed = offset;
            offset
        })
    }
}

/// All partitions.
pub(super) type Partitions = BTreeMap<Partition, Held>;

#[cfg(test)]
mod tests {
    use domain::{Domain, ShardRef};

    use super::*;
    use crate::runtime::messages::Deliver;

    const SHARD: ShardRef = ShardRef {
        domain: Domain::Orders,
        shard: 0,
    };

    #[test]
    fn nothing_is_committed_beyond_what_waits() {
        let mut held = Held {
            next_offset: 10,
            ..Held::default()
        };
        assert_eq!(held.take_commit(), Some(10));
        assert_eq!(held.take_commit(), None, "it has not moved");
        held.next_offset = 30;
        held.dead.insert(25);
        held.parcels.push_back(Parcel {
            target: SHARD,
            deliver: Deliver {
                source: SHARD,
                records: Vec::new(),
                announced: 0,
                term: None,
            },
            first_offset: 20,
        });
        assert_eq!(held.take_commit(), Some(20));
        held.parcels.clear();
        assert_eq!(held.take_commit(), Some(25), "a dead letter is on its way");
        held.dead.clear();
        assert_eq!(held.take_commit(), Some(30));
    }
}
