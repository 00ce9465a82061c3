//! What shards, aggregates and the writer say to each other.

use std::sync::Arc;

use actix::Message;
use domain::{Addressee, Aggregate, Event, ShardRef, Timestamp};
use engine::{Head, Ticket};
use storage::{KeyRecord, ParkedRow, TraceContext};
use tokio::sync::{mpsc, oneshot};

use crate::{Unavailable, system::ParkedError};

/// A committed record as a link carries it.
#[derive(Clone, Debug)]
pub struct Record {
    /// Whose journal.
    pub source: ShardRef,
    /// Its position there.
    pub position: u64,
    /// The position before it on this link.
    pub prev: u64,
    /// The aggregate it is about.
    pub aggregate_id: u64,
    /// When it was decided.
    pub time: Timestamp,
    /// What happened.
    pub event: Arc<Event>,
    /// The request that it goes back to, if that is known.
    pub trace: Option<TraceContext>,
}

/// Records of one link, as the feed delivers them.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct Deliver {
    /// Whose journal.
    pub source: ShardRef,
    /// In the order in which the feed carried them.
    pub records: Vec<Record>,
    /// A position that the link has reached, though the feed could not carry its record; 0 if there is none.
    pub announced: u64,
}

/// A key that a command takes.
#[derive(Clone, Debug)]
pub struct KeyClaim {
    /// The key's text within the domain.
    pub text: String,
    /// A hash of the request.
    pub fingerprint: [u8; 16],
    /// How long it stays taken; for ever if `None`.
    pub lifetime: Option<std::time::Duration>,
}

/// A command for an aggregate of a shard.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Execute<A: Aggregate> {
    /// To whom.
    pub addressee: Addressee<A>,
    /// The key it takes, if it takes one.
    pub key: Option<KeyClaim>,
    /// The hash of a new user's password, which is stored with it and is no part of it.
    pub credentials: Option<String>,
    /// The request that it goes back to.
    pub trace: Option<TraceContext>,
    /// Told after the commit.
    pub reply: oneshot::Sender<Result<Executed<A>, ExecuteError<A::Rejection>>>,
    /// Told after the commit that brings the aggregate to rest.
    pub at_rest: Option<oneshot::Sender<A>>,
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
}

/// Why nothing came of a command.
#[derive(Clone, Debug)]
pub enum ExecuteError<R> {
    /// The aggregate turned it down.
    Rejected(R),
    /// It was not carried out, or nobody knows.
    Unavailable(Unavailable),
}

/// Waits until an aggregate is at rest. Answers with its state, or with `None` if it is not in memory: then what
/// storage says is committed and at rest.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Watch<A: Aggregate> {
    /// Which.
    pub id: u64,
    /// Told after a commit.
    pub reply: oneshot::Sender<Option<A>>,
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
#[derive(Message)]
#[rtype(result = "()")]
pub struct DealWithParked {
    /// Its number within the domain.
    pub id: u64,
    /// What to do.
    pub action: ParkedAction,
    /// Told after the commit.
    pub reply: oneshot::Sender<Result<(), ParkedError>>,
}

/// Asks a shard how it is.
#[derive(Message)]
#[rtype(result = "Inspection")]
pub struct Inspect;

/// How a shard is.
#[derive(Clone, Copy, Debug, Default, actix::MessageResponse)]
pub struct Inspection {
    /// Aggregates in memory.
    pub actors: usize,
    /// Turns that have begun and are not committed.
    pub turns_pending: usize,
    /// The most turns that wait for one aggregate.
    pub mailbox_depth_max: usize,
}

/// Asks a shard to take on no more commands.
#[derive(Message, Clone, Copy)]
#[rtype(result = "()")]
pub struct StopTaking;

/// Asks a shard to come to rest because another node is to serve it: it takes on nothing new, whether commands or
/// records, until it is opened again. Whether it is at rest is told by [`Inspect`].
#[derive(Message, Clone, Copy)]
#[rtype(result = "()")]
pub struct GiveUp;

/// What the writer tells a shard.
#[derive(Clone, Debug)]
pub enum WriterSignal {
    /// The shard is claimed and its head is this.
    Opened {
        /// The writer's generation.
        generation: u64,
        /// The head as it was read after the claim.
        head: Head<ShardRef>,
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

/// A row that goes with an entry.
#[derive(Clone, Debug)]
pub enum Row {
    /// An order and its version.
    Order(domain::orders::Order, u64),
    /// A product and its version.
    Product(domain::products::Product, u64),
    /// A user and its version.
    User(domain::users::User, u64),
    /// A notification and its version.
    Notification(domain::notifications::Notification, u64),
    /// A new user's credentials.
    Credentials(storage::Credentials),
    /// A key taken.
    Key(KeyRecord),
    /// A command parked.
    Parked(ParkedRow),
    /// A parked command that is done with.
    Unparked(ShardRef, u64),
}

/// An event with what the journal and the feed need of it.
#[derive(Clone, Debug)]
pub struct Payload {
    /// As the journal holds it.
    pub record: storage::NewRecord,
    /// As the feed carries it.
    pub event: Arc<Event>,
}

/// Called with the outcome of the commit.
pub type Completion = Box<dyn FnOnce(Result<(), Unavailable>) + Send>;

/// What goes with an entry: rows to write, and whom to tell.
pub struct Companion {
    /// The shard.
    pub shard: ShardRef,
    /// The turn.
    pub ticket: Ticket,
    /// Rows, in order.
    pub rows: Vec<Row>,
    /// Whom to tell.
    pub completion: Option<Completion>,
}

/// One turn on its way to the writer.
pub type Entry = engine::Entry<ShardRef, Payload, Companion>;

/// Where turns are handed to the writer. What waits there is bounded by the turns that shards let in.
#[derive(Clone)]
pub struct WriterHandle {
    sender: mpsc::UnboundedSender<Vec<Entry>>,
}

impl WriterHandle {
    /// A handle, and the end that the writer reads.
    #[must_use]
    pub fn new() -> (Self, mpsc::UnboundedReceiver<Vec<Entry>>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self { sender }, receiver)
    }

    /// Hands entries over, in order. If the writer is gone, whoever waits for them is told by their being dropped.
    pub fn submit(&self, entries: Vec<Entry>) {
        let _ = self.sender.send(entries);
    }
}
