//! The journal writer as a state machine: one transaction under way, the next one gathering behind it.
//!
//! A *generation* is the writer's life between two failed commits. Its shards are opened with heads that were read
//! after the claim; every entry moves those heads on. When a commit fails, or its outcome is unknown, the generation
//! ends: everything in flight or gathered was decided on a state that may not exist, so all of it is dropped, every
//! shard is closed until it is claimed and opened again, and entries of the older generation are refused. A shard that is
//! closed alone begins a new generation too, for itself: what it decided before is refused when it is opened again.
//!
//! # Running ahead
//! A record has its position as soon as its entry is gathered. So it may be shown at once to its targets among the shards
//! of the same writer, and what they make of it is gathered behind it, often for the same transaction. That is safe
//! because what follows from an entry never commits without it:
//!
//! - an entry that moves a watermark to a position is taken into a transaction only with that position, or after it;
//! - when a commit fails, everything gathered is dropped, of all shards. The time between two failures is a *term*; what
//!   ran ahead counts only in the term in which it did;
//! - a shard is closed alone only when nothing of it is gathered any more: it is sealed first, and takes nothing more
//!   while what it had gathered is committed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::{Address, Head, Stamp};

/// Entries of one shard in one transaction at most: what floods one shard makes the transactions of the others no longer.
pub const SHARD_ENTRIES_MAX: usize = 512;

/// A record that has no position yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NewRecord<S, P> {
    /// What is recorded.
    pub payload: P,
    /// The shards that must act on it.
    pub targets: Vec<S>,
}

/// What one turn of a shard wants committed, all or nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry<S, P, C> {
    /// The shard.
    pub shard: S,
    /// The generation in which it was decided.
    pub generation: u64,
    /// Its records, in order; there may be none.
    pub records: Vec<NewRecord<S, P>>,
    /// The newest id issued, if the turn issued one.
    pub last_id: Option<u64>,
    /// The link's watermark that the turn moves, and where to.
    pub watermark: Option<(S, u64)>,
    /// What goes with it: rows to write, people to tell. The engine only hands it on.
    pub companion: C,
}

/// A record with its place in the journal and on its links.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StampedRecord<S, P> {
    /// Its position in the shard's journal.
    pub position: u64,
    /// Its place on each link.
    pub stamps: Vec<Stamp<S>>,
    /// What is recorded.
    pub payload: P,
}

/// One shard's part of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ShardCommit<S, P> {
    /// The shard.
    pub shard: S,
    /// The epoch that its head must have.
    pub epoch: u64,
    /// The revision that its head must have; it will be one more.
    pub revision: u64,
    /// The position that its head will have.
    pub last_position: u64,
    /// The newest id issued that its head will have.
    pub last_id: u64,
    /// Outgoing links that have moved, and where to.
    pub sent: BTreeMap<S, u64>,
    /// Watermarks that have moved, and where to.
    pub watermarks: BTreeMap<S, u64>,
    /// Its records, their positions contiguous.
    pub records: Vec<StampedRecord<S, P>>,
}

/// One transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Batch<S, P, C> {
    /// The generation to which it belongs.
    pub generation: u64,
    /// Its parts, one a shard. None: nothing is to be written, only what came before is waited for.
    pub commits: Vec<ShardCommit<S, P>>,
    /// The companions of its entries, those of each shard in order.
    pub companions: Vec<C>,
}

/// An entry that waits for its transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Gathered<S, P, C> {
    records: Vec<StampedRecord<S, P>>,
    last_id: Option<u64>,
    watermark: Option<(S, u64)>,
    companion: C,
}

/// An open shard.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Opened<S> {
    /// The generation in which it was opened.
    generation: u64,
    /// As it is once everything that has gathered is committed; its revision is that after the last transaction begun.
    head: Head<S>,
    /// The last position, and the newest id, of the transactions begun.
    begun: (u64, u64),
}

/// The writer. `P` is what a record holds, `C` what goes with an entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Writer<S, P, C> {
    generation: u64,
    term: u64,
    shards: BTreeMap<S, Opened<S>>,
    /// Open shards of which nothing more is taken.
    sealed: BTreeSet<S>,
    /// What waits for the next transactions, by shard; no queue is empty.
    gathered: BTreeMap<S, VecDeque<Gathered<S, P, C>>>,
    in_flight: bool,
}

impl<S: Address, P, C> Default for Writer<S, P, C> {
    fn default() -> Self {
        Self {
            generation: 1,
            term: 1,
            shards: BTreeMap::new(),
            sealed: BTreeSet::new(),
            gathered: BTreeMap::new(),
            in_flight: false,
        }
    }
}

impl<S: Address, P, C> Writer<S, P, C> {
    /// The current generation, counted from one.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// The current term, counted from one: it ends when a commit fails.
    #[must_use]
    pub const fn term(&self) -> u64 {
        self.term
    }

    /// Entries that wait for the next transaction.
    #[must_use]
    pub fn gathered(&self) -> usize {
        self.gathered.values().map(VecDeque::len).sum()
    }

    /// Opens a shard with the head that was read after it was claimed, and returns the generation in which its entries
    /// are taken.
    pub fn open(&mut self, shard: S, head: Head<S>) -> u64 {
        let opened = Opened {
            generation: self.generation,
            begun: (head.last_position, head.last_id),
            head,
        };
        self.shards.insert(shard, opened);
        self.generation
    }

    /// The generation in which an open shard was opened.
    #[must_use]
    pub fn opened_in(&self, shard: S) -> Option<u64> {
        self.shards.get(&shard).map(|opened| opened.generation)
    }

    /// The epoch of an open shard.
    #[must_use]
    pub fn epoch(&self, shard: S) -> Option<u64> {
        self.shards.get(&shard).map(|opened| opened.head.epoch)
    }

    /// Takes nothing more of an open shard, which is to be closed alone; what has gathered of it is still committed.
    pub fn seal(&mut self, shard: S) {
        if self.shards.contains_key(&shard) {
            self.sealed.insert(shard);
        }
    }

    /// The sealed shards that can be closed, because everything gathered of them is committed. None while a transaction
    /// is under way.
    #[must_use]
    pub fn drained(&self) -> Vec<S> {
        let is_drained = |shard: &&S| !self.in_flight && !self.gathered.contains_key(shard);
        self.sealed.iter().filter(is_drained).copied().collect()
    }

    /// Closes one shard. Must not be called while a transaction is under way, nor while something of the shard is
    /// gathered: others may rest on it. Returns whether it was closed.
    pub fn close(&mut self, shard: S) -> bool {
        if self.in_flight || self.gathered.contains_key(&shard) {
            return false;
        }
        self.sealed.remove(&shard);
        self.generation += 1;
        self.shards.remove(&shard).is_some()
    }

    /// Gathers an entry for the next transaction. Returns its records with the places that they will have; they may run
    /// ahead to open shards of this writer, in this term.
    ///
    /// # Errors
    /// Gives the companion back if the entry was decided in another generation, or its shard is closed or sealed.
    pub fn submit(&mut self, entry: Entry<S, P, C>) -> Result<&[StampedRecord<S, P>], C> {
        let opened = self.shards.get_mut(&entry.shard);
        let opened = opened.filter(|opened| opened.generation == entry.generation);
        let (Some(opened), false) = (opened, self.sealed.contains(&entry.shard)) else {
            return Err(entry.companion);
        };
        let head = &mut opened.head;
        let records = entry.records.into_iter().map(|record| {
            let (position, stamps) = head.append(&record.targets);
            StampedRecord {
                position,
                stamps,
                payload: record.payload,
            }
        });
        let records = records.collect();
        if let Some((source, position)) = entry.watermark {
            head.watermarks.insert(source, position);
        }
        let queue = self.gathered.entry(entry.shard).or_default();
        queue.push_back(Gathered {
            records,
            last_id: entry.last_id,
            watermark: entry.watermark,
            companion: entry.companion,
        });
        Ok(queue.back().map_or(&[], |gathered| &gathered.records))
    }

    /// Begins a transaction with about `entries_max` of what has gathered, at least one and at most
    /// [`SHARD_ENTRIES_MAX`] of each shard, unless one is under way or nothing has gathered. What follows from an entry
    /// that is not taken is not taken either.
    pub fn begin(&mut self, entries_max: usize) -> Option<Batch<S, P, C>> {
        if self.in_flight || self.gathered.is_empty() {
            return None;
        }
        let share = (entries_max / self.gathered.len()).clamp(1, SHARD_ENTRIES_MAX);
        let mut taken: BTreeMap<S, usize> = BTreeMap::new();
        let mut commits: BTreeMap<S, ShardCommit<S, P>> = BTreeMap::new();
        let mut companions = Vec::new();
        // Each round takes what the round before has made possible. The oldest entry of all always is.
        loop {
            let before = companions.len();
            for (&shard, queue) in &mut self.gathered {
                let taken = taken.entry(shard).or_default();
                while *taken < share
                    && let Some(entry) = queue.pop_front_if(|entry| is_due(&self.shards, entry))
                {
                    *taken += 1;
                    let changes = !entry.records.is_empty()
                        || entry.last_id.is_some()
                        || entry.watermark.is_some();
                    if changes && let Some(opened) = self.shards.get_mut(&shard) {
                        let commit = commits.entry(shard);
                        let commit = commit.or_insert_with(|| begin_commit(shard, opened));
                        add(
                            commit,
                            opened,
                            entry.records,
                            entry.last_id,
                            entry.watermark,
                        );
                    }
                    companions.push(entry.companion);
                }
            }
            if companions.len() == before {
                break;
            }
        }
        self.gathered.retain(|_, queue| !queue.is_empty());
        self.in_flight = !companions.is_empty();
        self.in_flight.then(|| Batch {
            generation: self.generation,
            commits: commits.into_values().collect(),
            companions,
        })
    }

    /// The transaction under way has been committed.
    pub fn committed(&mut self) {
        self.in_flight = false;
    }

    /// The transaction under way has failed, or nobody knows. Ends the generation and the term, closes every shard, and
    /// gives back the companions of everything that had gathered behind it.
    pub fn failed(&mut self) -> Vec<C> {
        self.in_flight = false;
        self.generation += 1;
        self.term += 1;
        self.shards.clear();
        self.sealed.clear();
        std::mem::take(&mut self.gathered)
            .into_values()
            .flatten()
            .map(|entry| entry.companion)
            .collect()
    }
}

/// Whether what an entry follows from is in a transaction begun, or was never gathered here: then it was read from the
/// journal, where another owner may have put it.
fn is_due<S: Address, P, C>(shards: &BTreeMap<S, Opened<S>>, entry: &Gathered<S, P, C>) -> bool {
    let Some((source, position)) = entry.watermark else {
        return true;
    };
    shards
        .get(&source)
        .is_none_or(|source| position <= source.begun.0 || position > source.head.last_position)
}

fn begin_commit<S: Address, P>(shard: S, opened: &mut Opened<S>) -> ShardCommit<S, P> {
    let revision = opened.head.revision;
    opened.head.revision += 1;
    ShardCommit {
        shard,
        epoch: opened.head.epoch,
        revision,
        last_position: opened.begun.0,
        last_id: opened.begun.1,
        sent: BTreeMap::new(),
        watermarks: BTreeMap::new(),
        records: Vec::new(),
    }
}

fn add<S: Address, P>(
    commit: &mut ShardCommit<S, P>,
    opened: &mut Opened<S>,
    records: Vec<StampedRecord<S, P>>,
    last_id: Option<u64>,
    watermark: Option<(S, u64)>,
) {
    for record in records {
        for stamp in &record.stamps {
            commit.sent.insert(stamp.target, record.position);
        }
        commit.last_position = record.position;
        commit.records.push(record);
    }
    commit.last_id = commit.last_id.max(last_id.unwrap_or(0));
    if let Some((source, position)) = watermark {
        commit.watermarks.insert(source, position);
    }
    opened.begun = (commit.last_position, commit.last_id);
    opened.head.last_id = commit.last_id;
}

#[cfg(test)]
mod tests {
    use super::*;

    type TestWriter = Writer<char, &'static str, u32>;

    fn entry(
        writer: &TestWriter,
        shard: char,
        record: Option<&'static str>,
        companion: u32,
    ) -> Entry<char, &'static str, u32> {
        Entry {
            shard,
            generation: writer.generation(),
            records: record
                .map(|payload| NewRecord {
                    payload,
                    targets: vec!['z'],
                })
                .into_iter()
                .collect(),
            last_id: None,
            watermark: None,
            companion,
        }
    }

    fn opened() -> TestWriter {
        let mut writer = Writer::default();
        writer.open('a', Head::empty(7));
        writer.open('b', Head::empty(9));
        writer
    }

    #[test]
    fn one_transaction_at_a_time_and_the_next_one_gathers() {
        let mut writer = opened();
        writer.submit(entry(&writer, 'a', Some("one"), 1)).unwrap();
        let batch = writer.begin(10).unwrap();
        assert_eq!(batch.companions, [1]);
        writer.submit(entry(&writer, 'a', Some("two"), 2)).unwrap();
        writer
            .submit(entry(&writer, 'b', Some("three"), 3))
            .unwrap();
        assert!(writer.begin(10).is_none());
        writer.committed();
        let batch = writer.begin(10).unwrap();
        assert_eq!(batch.companions, [2, 3]);
        let of_a = &batch.commits[0];
        assert_eq!((of_a.epoch, of_a.revision, of_a.last_position), (7, 1, 2));
        assert_eq!(of_a.records[0].stamps[0].prev, 1);
        let of_b = &batch.commits[1];
        assert_eq!((of_b.epoch, of_b.revision, of_b.last_position), (9, 0, 1));
    }

    #[test]
    fn a_flooded_shard_takes_no_more_than_its_share_of_a_transaction() {
        let mut writer = opened();
        for number in 0..2_000 {
            writer
                .submit(entry(&writer, 'a', Some("flood"), number))
                .unwrap();
        }
        writer
            .submit(entry(&writer, 'b', Some("other"), 9_999))
            .unwrap();
        let batch = writer.begin(4_096).unwrap();
        assert_eq!(batch.commits[0].records.len(), SHARD_ENTRIES_MAX);
        assert_eq!(batch.commits[1].records.len(), 1);
        assert_eq!(batch.companions.last(), Some(&9_999));
        writer.committed();
        let batch = writer.begin(100).unwrap();
        let expected: Vec<u32> = (512..612).collect();
        assert_eq!(batch.companions, expected);
        assert_eq!(writer.gathered(), 2_000 - 612);
    }

    #[test]
    fn a_watermark_alone_moves_the_head() {
        let mut writer = opened();
        let mut moves = entry(&writer, 'a', None, 1);
        moves.watermark = Some(('z', 5));
        writer.submit(moves).unwrap();
        let batch = writer.begin(10).unwrap();
        assert_eq!(batch.commits.len(), 1);
        assert_eq!(batch.commits[0].watermarks[&'z'], 5);
        assert_eq!(batch.commits[0].last_position, 0);
    }

    #[test]
    fn an_answer_without_events_writes_nothing_and_waits_its_turn() {
        let mut writer = opened();
        writer.submit(entry(&writer, 'a', None, 1)).unwrap();
        let batch = writer.begin(10).unwrap();
        assert!(batch.commits.is_empty());
        assert_eq!(batch.companions, [1]);
    }

    #[test]
    fn a_failed_commit_drops_everything_decided_on_it() {
        let mut writer = opened();
        writer.submit(entry(&writer, 'a', Some("one"), 1)).unwrap();
        let _in_flight = writer.begin(10).unwrap();
        let late = entry(&writer, 'b', Some("late"), 3);
        writer.submit(entry(&writer, 'a', Some("two"), 2)).unwrap();
        assert_eq!(writer.failed(), [2]);
        assert_eq!(writer.term(), 2);
        assert_eq!(writer.submit(late), Err(3));
        assert_eq!(
            writer.submit(entry(&writer, 'a', Some("closed"), 4)),
            Err(4)
        );
        writer.open('a', Head::empty(8));
        writer.submit(entry(&writer, 'a', Some("anew"), 5)).unwrap();
        let batch = writer.begin(10).unwrap();
        assert_eq!((batch.generation, batch.commits[0].epoch), (2, 8));
        assert_eq!(batch.commits[0].records[0].position, 1);
    }

    #[test]
    fn a_shard_closed_alone_takes_nothing_from_its_life_before() {
        let mut writer = opened();
        writer.submit(entry(&writer, 'a', Some("one"), 1)).unwrap();
        writer.submit(entry(&writer, 'b', Some("two"), 2)).unwrap();
        let late = entry(&writer, 'a', Some("late"), 3);
        let of_b = entry(&writer, 'b', Some("more"), 4);
        writer.seal('a');
        assert_eq!(writer.submit(entry(&writer, 'a', Some("x"), 5)), Err(5));
        assert!(writer.drained().is_empty() && !writer.close('a'));
        assert_eq!(writer.begin(10).unwrap().companions, [1, 2]);
        assert!(writer.drained().is_empty(), "it is not committed yet");
        writer.committed();
        assert_eq!(writer.drained(), ['a']);
        assert!(writer.close('a'));
        assert_eq!(writer.open('a', Head::empty(8)), 2);
        assert_eq!(writer.submit(late), Err(3));
        writer.submit(of_b).unwrap();
        assert_eq!(writer.begin(10).unwrap().companions, [4]);
        assert_eq!(writer.term(), 1);
    }

    /// Shows `b` the record at this position of `a`, which it answers.
    fn answer(
        writer: &TestWriter,
        position: u64,
        companion: u32,
    ) -> Entry<char, &'static str, u32> {
        let mut answer = entry(writer, 'b', Some("answer"), companion);
        answer.watermark = Some(('a', position));
        answer
    }

    #[test]
    fn what_ran_ahead_commits_with_what_it_follows_from() {
        let mut writer = opened();
        let asked = writer.submit(entry(&writer, 'a', Some("ask"), 1)).unwrap();
        assert_eq!((asked[0].position, asked[0].stamps[0].prev), (1, 0));
        writer.submit(answer(&writer, 1, 2)).unwrap();
        let mut end = entry(&writer, 'a', Some("end"), 3);
        end.watermark = Some(('b', 1));
        writer.submit(end).unwrap();
        let batch = writer.begin(10).unwrap();
        assert_eq!(batch.companions, [1, 2, 3]);
        let positions = batch.commits.iter().map(|commit| commit.last_position);
        assert_eq!(positions.collect::<Vec<_>>(), [2, 1]);
        assert_eq!(batch.commits[0].watermarks[&'b'], 1);
    }

    #[test]
    fn what_ran_ahead_never_commits_before_what_it_follows_from() {
        let mut writer = opened();
        for number in 0..3 {
            writer
                .submit(entry(&writer, 'a', Some("ask"), number))
                .unwrap();
        }
        writer.submit(answer(&writer, 1, 11)).unwrap();
        writer.submit(answer(&writer, 3, 13)).unwrap();
        // One of each shard: of `b` the answer to what is taken of `a`.
        let batch = writer.begin(2).unwrap();
        assert_eq!(batch.companions, [0, 11]);
        assert_eq!(batch.commits[0].last_position, 1);
        assert_eq!(batch.commits[0].sent[&'z'], 1);
        writer.committed();
        assert_eq!(writer.begin(2).unwrap().companions, [1]);
        writer.committed();
        assert_eq!(writer.begin(2).unwrap().companions, [2, 13]);
    }

    #[test]
    fn a_batch_is_cut_at_its_cap() {
        let mut writer = opened();
        for companion in 0..5 {
            writer
                .submit(entry(&writer, 'a', Some("x"), companion))
                .unwrap();
        }
        assert_eq!(writer.begin(3).unwrap().companions, [0, 1, 2]);
        writer.committed();
        assert_eq!(writer.begin(3).unwrap().companions, [3, 4]);
    }
}
