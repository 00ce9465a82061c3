//! The store: what is committed, and nothing else. It keeps the promises of the real ones: a claim raises the epoch, a
//! transaction is written whole or not at all, and only where every head is as its writer knows it.

use std::collections::BTreeMap;

use domain::{ShardRef, Timestamp, Topology};
use engine::{Head, ShardCommit, StampedRecord, shard::calls::KeyOwner};

use super::{
    mutation::Mutation,
    rules::{Recorded, Row, SetAside, State},
};

/// A committed record.
pub type Stored = StampedRecord<ShardRef, Recorded>;
/// A part of a transaction.
pub type Commit = ShardCommit<ShardRef, Recorded>;

/// What a store has of one shard.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The head.
    pub head: Head<ShardRef>,
    /// The node that serves it.
    pub owner: Option<usize>,
    /// Its records, from position 1.
    pub journal: Vec<Stored>,
    /// How far its records are known to be in their public topic.
    pub published: u64,
    /// Its aggregates with their versions.
    pub states: BTreeMap<u64, (State, u64)>,
    /// Keys that are taken.
    pub keys: BTreeMap<String, KeyOwner<Timestamp>>,
    /// Commands that are set aside.
    pub parked: BTreeMap<u64, SetAside>,
}

/// One transaction.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// Its parts.
    pub commits: Vec<Commit>,
    /// The rows of each shard.
    pub rows: Vec<(ShardRef, Row)>,
    /// Shards that write nothing and must still be owned, with their epochs.
    pub unwritten: Vec<(ShardRef, u64)>,
}

/// Why a transaction was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A head was not as its writer knew it.
    HeadMoved,
    /// A position or a key was taken.
    Conflict,
    /// The store does not answer, or its answer was lost.
    Unknown,
}

/// The store.
#[derive(Clone, Debug)]
pub struct Store {
    /// How many shards each domain has.
    pub topology: Topology,
    /// What it has of each.
    pub shards: BTreeMap<ShardRef, Kept>,
    mutation: Option<Mutation>,
}

impl Store {
    /// An empty one.
    #[must_use]
    pub fn new(topology: Topology, mutation: Option<Mutation>) -> Self {
        let empty = |shard| {
            let kept = Kept {
                head: Head::empty(0),
                owner: None,
                journal: Vec::new(),
                published: 0,
                states: BTreeMap::new(),
                keys: BTreeMap::new(),
                parked: BTreeMap::new(),
            };
            (shard, kept)
        };
        Self {
            topology,
            shards: topology.journals().map(empty).collect(),
            mutation,
        }
    }

    /// What it has of a shard.
    ///
    /// # Panics
    /// If there is no such shard.
    #[must_use]
    pub fn of(&self, shard: ShardRef) -> &Kept {
        &self.shards[&shard]
    }

    fn of_mut(&mut self, shard: ShardRef) -> Option<&mut Kept> {
        self.shards.get_mut(&shard)
    }

    /// Takes a shard: raises its epoch, and only then reads its head. With `expected`, fails if somebody else has
    /// raised it.
    ///
    /// # Errors
    /// [`Refused::HeadMoved`].
    pub fn claim(
        &mut self,
        shard: ShardRef,
        owner: usize,
        expected: Option<u64>,
    ) -> Result<Head<ShardRef>, Refused> {
        let kept = self.of_mut(shard).ok_or(Refused::Conflict)?;
        if expected.is_some_and(|expected| expected != kept.head.epoch) {
            return Err(Refused::HeadMoved);
        }
        kept.head.epoch += 1;
        kept.owner = Some(owner);
        Ok(kept.head.clone())
    }

    /// Names no owner any more, if the epoch is still this one.
    pub fn release(&mut self, shard: ShardRef, epoch: u64) {
        if let Some(kept) = self.of_mut(shard)
            && kept.head.epoch == epoch
        {
            kept.owner = None;
        }
    }

    /// Writes a transaction, whole or not at all.
    ///
    /// # Errors
    /// Why nothing was written.
    pub fn commit(&mut self, transaction: &Transaction) -> Result<(), Refused> {
        self.may_commit(transaction)?;
        for commit in &transaction.commits {
            self.write(commit);
        }
        for (shard, row) in &transaction.rows {
            self.put(*shard, row.clone());
        }
        Ok(())
    }

    fn may_commit(&self, transaction: &Transaction) -> Result<(), Refused> {
        for (shard, epoch) in &transaction.unwritten {
            if self.of(*shard).head.epoch != *epoch {
                return Err(Refused::HeadMoved);
            }
        }
        for commit in &transaction.commits {
            let head = &self.of(commit.shard).head;
            if self.is_unfenced(commit) {
                continue;
            }
            if head.epoch != commit.epoch || head.revision != commit.revision {
                return Err(Refused::HeadMoved);
            }
            let first = commit.records.first().map(|record| record.position);
            if first.is_some_and(|first| first != head.last_position + 1) {
                return Err(Refused::Conflict);
            }
        }
        for (shard, row) in &transaction.rows {
            if let Row::Key(text, owner) = row
                && let Some(other) = self.of(*shard).keys.get(text)
                && other != owner
            {
                return Err(Refused::Conflict);
            }
        }
        Ok(())
    }

    fn is_unfenced(&self, commit: &Commit) -> bool {
        self.mutation == Some(Mutation::WatermarkWithoutHead) && commit.records.is_empty()
    }

    fn write(&mut self, commit: &Commit) {
        let is_unfenced = self.is_unfenced(commit);
        let Some(kept) = self.of_mut(commit.shard) else {
            return;
        };
        if !is_unfenced {
            kept.head.revision += 1;
            kept.head.last_position = commit.last_position;
            kept.head.last_id = kept.head.last_id.max(commit.last_id);
        }
        kept.head.sent.extend(commit.sent.iter());
        kept.head.watermarks.extend(commit.watermarks.iter());
        kept.journal.extend(commit.records.iter().cloned());
    }

    fn put(&mut self, shard: ShardRef, row: Row) {
        let Some(kept) = self.of_mut(shard) else {
            return;
        };
        match row {
            Row::State(id, state, version) => {
                kept.states.insert(id, (state, version));
            }
            Row::Key(text, owner) => {
                kept.keys.insert(text, owner);
            }
            Row::Parked(parked) => {
                kept.parked.insert(parked.command.id, parked);
            }
            Row::Unparked(id) => {
                kept.parked.remove(&id);
            }
        }
    }

    /// Moves watermarks and nothing else, without looking at the head: wrong.
    pub fn move_watermarks(&mut self, commits: &[Commit]) {
        for commit in commits {
            if let Some(kept) = self.of_mut(commit.shard) {
                kept.head.watermarks.extend(commit.watermarks.iter());
            }
        }
    }

    /// Stores how far a shard's records are in their public topic.
    pub fn published(&mut self, shard: ShardRef, position: u64) {
        if let Some(kept) = self.of_mut(shard) {
            kept.published = kept.published.max(position);
        }
    }
}
