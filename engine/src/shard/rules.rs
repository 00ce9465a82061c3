//! What a domain adds to a shard: its ids, its records and rows, what a record of a link means to it.

use std::{
    fmt::{Debug, Display},
    ops::Add,
    time::Duration,
};

use super::calls::KeyOwner;
use crate::{Address, NewRecord, Policy};

/// How the positions of a link are chained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// The records that are addressed to this shard; `prev` is stored with each.
    Inbox,
    /// All records of the source; each follows the one a position before.
    Public,
}

/// One aggregate's part in what a record, or a command, asks for.
#[derive(Debug)]
pub struct Part<R: Rules> {
    /// The aggregate.
    pub id: u64,
    /// Whether it is being created, so that there is nothing to load.
    pub is_new: bool,
    /// What is asked of it.
    pub command: R::Command,
    /// What it is about: what parks, parks for that.
    pub subject: R::Subject,
}

impl<R: Rules> Clone for Part<R> {
    fn clone(&self) -> Self {
        Self {
            id: self.id,
            is_new: self.is_new,
            command: self.command.clone(),
            subject: self.subject,
        }
    }
}

/// A part of a record that is set aside.
#[derive(Debug)]
pub struct PartToPark<'a, R: Rules> {
    /// The number under which it is parked, issued by the shard.
    pub id: u64,
    /// Where the record comes from.
    pub source: R::Shard,
    /// The record's position there.
    pub position: u64,
    /// What the record says.
    pub fact: &'a R::Fact,
    /// The part.
    pub part: &'a Part<R>,
    /// The last error.
    pub error: String,
    /// When.
    pub at: R::Time,
}

/// What happens to a parked command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parking {
    /// It is set aside.
    Parked,
    /// It was handled at last.
    Retried,
    /// It was given up.
    Discarded,
}

/// What a domain adds. One value per shard, which knows which shard it is for. Pure: nothing here waits or fails for
/// reasons of the world.
pub trait Rules: Sized + 'static {
    /// What addresses a shard.
    type Shard: Address;
    /// The time of day.
    type Time: Copy + Ord + Debug + Add<Duration, Output = Self::Time>;
    /// The state of an aggregate.
    type Aggregate: Clone + Debug + Send;
    /// What is asked of one.
    type Command: Clone + Debug;
    /// What a new one is made of: all but its id.
    type Draft: Debug;
    /// What one decides.
    type Event: Debug;
    /// Why one turns a command down.
    type Rejection: Clone + Debug + Display + Send;
    /// What a record of a link says.
    type Fact: Clone + Debug;
    /// What a new record holds.
    type Payload: Debug;
    /// A row that goes with a transaction.
    type Row: Debug;
    /// What goes with a command, is stored with what it creates, and is no part of it.
    type Attachment: Debug;
    /// A command that was set aside.
    type Parked: Clone + Debug;
    /// What a part is about.
    type Subject: Copy + Eq + Debug;
    /// The request that a record goes back to.
    type Trace: Copy + Debug;

    /// The row of the supervision table for its aggregates.
    const POLICY: Policy;

    /// The shards whose records it reads, and how.
    fn sources(&self) -> Vec<(Self::Shard, LinkKind)>;

    /// The next id that the shard issues, after `last_id` (0: none yet).
    fn next_id(&self, last_id: u64, now: Self::Time) -> u64;

    /// The command that creates an aggregate.
    fn create(&self, draft: Self::Draft, id: u64) -> Self::Command;

    /// What a record about the aggregate `about` of its source asks of this shard's aggregates. `issue` gives ids for
    /// aggregates that are to be created.
    fn parts(
        &self,
        fact: &Self::Fact,
        about: u64,
        issue: &mut dyn FnMut() -> u64,
    ) -> Vec<Part<Self>>;

    /// Whether nothing more will happen to an aggregate unless somebody asks.
    fn at_rest(&self, state: &Self::Aggregate) -> bool;

    /// When the aggregate's wait ends, if it waits for something.
    fn deadline(&self, state: &Self::Aggregate) -> Option<Self::Time>;

    /// What to ask of an aggregate whose wait has ended.
    fn on_deadline(&self) -> Option<Self::Command>;

    /// What a command that is not a record's is about.
    fn subject_of_command(&self, id: u64) -> Self::Subject;

    /// The shards on which a wait can depend.
    fn awaited(&self) -> Vec<Self::Shard>;

    /// Those of them on which this aggregate's wait depends.
    fn awaited_by(&self, _state: &Self::Aggregate) -> Vec<Self::Shard> {
        self.awaited()
    }

    /// An event as a record: number `seq` of the aggregate `about`.
    fn record(
        &self,
        event: Self::Event,
        about: u64,
        seq: u64,
        at: Self::Time,
        trace: Option<Self::Trace>,
    ) -> NewRecord<Self::Shard, Self::Payload>;

    /// The row that shows this state.
    fn row(&self, state: Self::Aggregate, version: u64) -> Self::Row;

    /// The row of what goes with a command that created `id`.
    fn attachment_row(&self, attachment: Self::Attachment, id: u64) -> Option<Self::Row>;

    /// The row of a key that is taken.
    fn key_row(&self, text: String, owner: KeyOwner<Self::Time>) -> Self::Row;

    /// A part that is set aside.
    fn park(&self, part: PartToPark<'_, Self>) -> Self::Parked;

    /// The same parked command after it has failed once more, in this way.
    fn failed_again(&self, parked: Self::Parked, _error: String) -> Self::Parked {
        parked
    }

    /// The number of a parked command.
    fn parked_id(&self, parked: &Self::Parked) -> u64;

    /// The aggregate for which it parks, and about what.
    fn parked_for(&self, parked: &Self::Parked) -> (u64, Self::Subject);

    /// What its record says, and about which aggregate of its source.
    ///
    /// # Errors
    /// Why this program cannot read it.
    fn parked_fact(&self, parked: &Self::Parked) -> Result<(Self::Fact, u64), String>;

    /// What happens to it, as a record.
    fn parking_record(
        &self,
        parked: &Self::Parked,
        what: Parking,
        at: Self::Time,
        trace: Option<Self::Trace>,
    ) -> NewRecord<Self::Shard, Self::Payload>;

    /// The row of a command that is parked, or, afterwards, the one that takes it away.
    fn parking_row(&self, parked: Self::Parked, what: Parking) -> Self::Row;
}
