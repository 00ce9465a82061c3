//! What a shard is asked, what it answers, and what it hands to the writer.

use std::time::Duration;

use super::rules::{LinkKind, Rules};
use crate::{Head, Ticket, Unavailable};

/// Somebody who waits for something, once.
pub trait Caller<T>: Send {
    /// Tells it.
    fn tell(self: Box<Self>, what: T);

    /// Whether nobody waits any more.
    fn is_gone(&self) -> bool {
        false
    }
}

impl<T, F: FnOnce(T) + Send> Caller<T> for F {
    fn tell(self: Box<Self>, what: T) {
        self(what);
    }
}

/// Whoever made a call.
pub type Reply<T> = Box<dyn Caller<T>>;

/// Called with the outcome of the commit.
pub type Completion = Box<dyn FnOnce(Result<(), Unavailable>) + Send>;

/// What came of a command.
pub type Execution<R> =
    Result<Executed<<R as Rules>::Aggregate>, ExecuteError<<R as Rules>::Rejection>>;

/// A key that a command takes.
#[derive(Clone, Debug)]
pub struct KeyClaim {
    /// The key's text within the domain.
    pub text: String,
    /// A hash of the request.
    pub fingerprint: [u8; 16],
    /// How long it stays taken; for ever if `None`.
    pub lifetime: Option<Duration>,
}

/// Who has taken a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyOwner<T> {
    /// The aggregate that was created or changed under it.
    pub aggregate_id: u64,
    /// A hash of the request that took it.
    pub fingerprint: [u8; 16],
    /// Until when it is taken; for ever if `None`. An expired key counts as free.
    pub expires_at: Option<T>,
}

/// To whom a command goes.
#[derive(Clone, Debug)]
pub enum Addressee<R: Rules> {
    /// The aggregate with this id, which exists.
    Existing(u64, R::Command),
    /// One that is to be created under an id that its shard issues.
    New(R::Draft),
}

/// A command for an aggregate of a shard.
pub struct Execute<R: Rules> {
    /// To whom.
    pub addressee: Addressee<R>,
    /// The key it takes, if it takes one.
    pub key: Option<KeyClaim>,
    /// Whether it is only asked who has taken the key: if nobody has, nothing is done.
    pub asks_only: bool,
    /// What is stored with what it creates, and is no part of it.
    pub attachment: Option<R::Attachment>,
    /// The request that it goes back to.
    pub trace: Option<R::Trace>,
    /// Told after the commit.
    pub reply: Reply<Execution<R>>,
    /// Told after the commit that brings the aggregate to rest.
    pub at_rest: Option<Reply<R::Aggregate>>,
}

/// What came of a command.
#[derive(Clone, Debug)]
pub enum Executed<A> {
    /// It was carried out; the aggregate as it is now.
    Done(A),
    /// Its key is taken.
    KeyTaken {
        /// By which aggregate.
        aggregate_id: u64,
        /// Whether by the same request.
        same_request: bool,
    },
    /// Its key is free, and no more was asked.
    KeyFree,
}

/// Why nothing came of a command.
#[derive(Clone, Debug)]
pub enum ExecuteError<E> {
    /// The aggregate turned it down.
    Rejected(E),
    /// It was not carried out, or nobody knows.
    Unavailable(Unavailable),
}

/// Waits until an aggregate is at rest.
pub struct Watch<A> {
    /// Which.
    pub id: u64,
    /// Told after a commit, with `None` if it is not in memory: then what storage says is committed and at rest.
    pub reply: Reply<Option<A>>,
}

/// A committed record as a link carries it.
#[derive(Clone, Debug)]
pub struct Record<R: Rules> {
    /// Whose journal.
    pub source: R::Shard,
    /// Its position there.
    pub position: u64,
    /// The position before it on this link.
    pub prev: u64,
    /// The aggregate it is about.
    pub about: u64,
    /// What happened.
    pub fact: R::Fact,
    /// The request that it goes back to, if that is known.
    pub trace: Option<R::Trace>,
}

/// Records of one link, as the feed delivers them.
#[derive(Clone, Debug)]
pub struct Deliver<R: Rules> {
    /// Whose journal.
    pub source: R::Shard,
    /// In the order in which the feed carried them.
    pub records: Vec<Record<R>>,
    /// A position that the link has reached, though the feed could not carry its record; 0 if there is none.
    pub announced: u64,
    /// If they run ahead of their commit: the term of the writer, which both shards share, in which they count.
    pub term: Option<u64>,
}

/// What to do with a parked command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParkedAction {
    /// Handle it once more.
    Retry,
    /// Give it up.
    Discard,
}

/// Deals with a parked command.
pub struct DealWithParked {
    /// Its number.
    pub id: u64,
    /// What to do.
    pub action: ParkedAction,
    /// Told after the commit.
    pub reply: Reply<Result<(), ParkedError>>,
}

/// Why a parked command could not be retried or discarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParkedError {
    /// There is none of that number.
    NotFound,
    /// An older one about the same has to be dealt with first.
    NotFirst {
        /// Which one.
        first: u64,
    },
    /// Its handler failed again; it stays parked.
    FailedAgain {
        /// How.
        error: String,
    },
    /// It could not be carried out.
    Unavailable(Unavailable),
}

impl From<Unavailable> for ParkedError {
    fn from(reason: Unavailable) -> Self {
        Self::Unavailable(reason)
    }
}

/// How a shard is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inspection {
    /// Aggregates in memory.
    pub actors: usize,
    /// Turns that have begun and are not committed.
    pub turns_pending: usize,
    /// The most turns that wait for one aggregate.
    pub mailbox_depth_max: usize,
}

/// What the writer tells a shard.
#[derive(Clone, Debug)]
pub enum WriterSignal<S> {
    /// The shard is claimed and its head is this.
    Opened {
        /// The writer's generation.
        generation: u64,
        /// The writer's term.
        term: u64,
        /// The head as it was read after the claim.
        head: Head<S>,
    },
    /// The generation has ended; everything that is not committed is void.
    Closed,
    /// Everything up to this turn is committed.
    Committed {
        /// The writer's generation.
        generation: u64,
        /// The newest turn.
        ticket: Ticket,
    },
}

/// What goes with an entry to the writer: rows to write, and whom to tell.
pub struct Companion<S, W> {
    /// The shard.
    pub shard: S,
    /// The turn.
    pub ticket: Ticket,
    /// Rows, in order.
    pub rows: Vec<W>,
    /// Whom to tell.
    pub completion: Option<Completion>,
}

/// One turn on its way to the writer.
pub type Entry<R> = crate::Entry<
    <R as Rules>::Shard,
    <R as Rules>::Payload,
    Companion<<R as Rules>::Shard, <R as Rules>::Row>,
>;

/// What an aggregate decided.
#[derive(Debug)]
pub struct Decided<R: Rules> {
    /// What happened; nothing, if the command was fulfilled already.
    pub events: Vec<R::Event>,
    /// The state after it.
    pub state: Option<R::Aggregate>,
    /// The number of the aggregate's last record.
    pub version: u64,
    /// The time of the decision.
    pub at: R::Time,
}

/// What one part of a turn came to.
#[derive(Debug)]
pub enum Outcome<R: Rules> {
    /// Decided, and the state has changed accordingly.
    Decided(Decided<R>),
    /// Turned down.
    Rejected(R::Rejection),
    /// Not handled, because an earlier message made the aggregate fail.
    Bounced,
    /// The handler failed, and the aggregate's memory is void.
    Failed(String),
    /// Set aside by the shard, with the last error.
    Parked(String),
    /// The shard gave the part up: nothing came of it.
    Dropped,
}

/// An outcome on its way back to the shard.
#[derive(Debug)]
pub struct PartDone<R: Rules> {
    /// The turn.
    pub ticket: Ticket,
    /// Which of its parts.
    pub part: usize,
    /// The aggregate.
    pub id: u64,
    /// Which incarnation of it was asked; an answer of an earlier one is void.
    pub incarnation: u64,
    /// What it came to.
    pub outcome: Outcome<R>,
}

/// What an aggregate is asked.
#[derive(Debug)]
pub struct Decide<R: Rules> {
    /// The turn.
    pub ticket: Ticket,
    /// Which of its parts.
    pub part: usize,
    /// Which incarnation of the aggregate is asked.
    pub incarnation: u64,
    /// What is asked.
    pub command: R::Command,
    /// When.
    pub now: R::Time,
}

/// A record that was read from a journal, or the reason why this program cannot read it.
#[derive(Debug)]
pub struct ReadRecord<R: Rules> {
    /// Its position.
    pub position: u64,
    /// The record as the link carries it.
    pub record: Result<Record<R>, String>,
}

/// What a shard asks of storage.
#[derive(Debug)]
pub enum Question<R: Rules> {
    /// What waits for something, and what is parked.
    State,
    /// The committed heads of these shards.
    Heads(Vec<R::Shard>, HeadsFor),
    /// The records of a link after a position, in order, at most `limit`.
    Link {
        /// Whose journal.
        source: R::Shard,
        /// How its positions are chained.
        kind: LinkKind,
        /// The position to read after.
        after: u64,
        /// Records at most.
        limit: usize,
    },
    /// The owners of those of these keys that are taken, expired ones included.
    Keys(Vec<String>),
    /// Aggregates, each with the incarnation that waits for it.
    Aggregates(Vec<(u64, u64)>),
}

/// For what heads are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadsFor {
    /// To see whether quiet links have missed something.
    Links,
    /// To see whether what overdue aggregates wait on is confirmed.
    Deadlines,
    /// To load the shard anew.
    Restart,
}

/// Why storage has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// Something of what was asked for cannot be read, and never will be.
    Damaged(String),
    /// It does not answer at the moment.
    Failed,
}

/// Keys and who has taken them.
pub type Owners<T> = Vec<(String, KeyOwner<T>)>;

/// Heads by shard.
pub type Heads<S> = Vec<(S, Head<S>)>;

/// What storage answers.
#[derive(Debug)]
pub enum Answer<R: Rules> {
    /// To [`Question::State`].
    State(Result<LoadedState<R>, ReadError>),
    /// To [`Question::Heads`]; a shard that was never claimed is left out.
    Heads(HeadsFor, Result<Heads<R::Shard>, ReadError>),
    /// To [`Question::Link`]: the records, and whether the end of the journal was reached.
    Link(R::Shard, Result<(Vec<ReadRecord<R>>, bool), ReadError>),
    /// To [`Question::Keys`].
    Keys(Result<Owners<R::Time>, ReadError>),
    /// To [`Question::Aggregates`]: what was asked for, and of those that exist their states and versions.
    Aggregates(
        Vec<(u64, u64)>,
        Result<Vec<(u64, R::Aggregate, u64)>, ReadError>,
    ),
}

/// What a shard must know before it serves, beside its head.
#[derive(Debug)]
pub struct LoadedState<R: Rules> {
    /// The aggregates that wait for something, and until when.
    pub waiting: Vec<(u64, R::Time)>,
    /// The parked commands, oldest first.
    pub parked: Vec<R::Parked>,
}

/// Somebody who watches an aggregate, and is told its state when it is at rest.
pub(super) struct AtRest<A>(pub(super) Reply<Option<A>>);

impl<A> Caller<A> for AtRest<A> {
    fn tell(self: Box<Self>, state: A) {
        self.0.tell(Some(state));
    }

    fn is_gone(&self) -> bool {
        self.0.is_gone()
    }
}
