//! What shards, aggregates and the writer say to each other; the engine's calls, as messages of actors.

use std::{sync::Arc, time::Instant};

use actix::Message;
use domain::{Addressee, Aggregate, Event, ShardRef, Timestamp};
pub use engine::shard::calls::{
    Completion, ExecuteError, Executed, Inspection, KeyClaim, ParkedAction,
};
use engine::shard::{Health, calls};
use storage::{KeyRecord, ParkedRow, TraceContext};
use tokio::sync::oneshot;

use super::{Host, Stats, host::HostRules, policy};
use crate::system::{ParkedError, parked_id};

/// Somebody who waits at the other end of a channel.
struct Waiting<T>(oneshot::Sender<T>);

impl<T: Send> calls::Caller<T> for Waiting<T> {
    fn tell(self: Box<Self>, what: T) {
        let _ = self.0.send(what);
    }

    fn is_gone(&self) -> bool {
        self.0.is_closed()
    }
}

/// Since when an order is on its way, and where it is noted how long that took.
#[derive(Clone)]
struct Timing {
    sent_at: Instant,
    stats: Arc<Stats>,
}

/// Somebody who waits for an order to be accepted.
struct Accepting<A: Aggregate>(
    Waiting<Result<Executed<A>, ExecuteError<A::Rejection>>>,
    Timing,
);

impl<A: Aggregate> calls::Caller<Result<Executed<A>, ExecuteError<A::Rejection>>> for Accepting<A> {
    fn tell(self: Box<Self>, what: Result<Executed<A>, ExecuteError<A::Rejection>>) {
        let Self(waiting, timing) = *self;
        if let Ok(Executed::Done(_)) = &what {
            let accept = &timing.stats.meters.order_accept;
            accept.took(timing.sent_at.elapsed());
        }
        Box::new(waiting).tell(what);
    }

    fn is_gone(&self) -> bool {
        self.0.is_gone()
    }
}

/// Somebody who waits for an order to be settled, or nobody: then it is only noted.
struct Settling<A>(Option<Waiting<A>>, Timing);

impl<A: Send> calls::Caller<A> for Settling<A> {
    fn tell(self: Box<Self>, what: A) {
        let Self(waiting, timing) = *self;
        let confirm = &timing.stats.meters.order_confirm;
        confirm.took(timing.sent_at.elapsed());
        if let Some(waiting) = waiting {
            Box::new(waiting).tell(what);
        }
    }

    fn is_gone(&self) -> bool {
        self.0.as_ref().is_none_or(calls::Caller::is_gone)
    }
}

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

impl<H: Host> From<Record> for calls::Record<HostRules<H>> {
    fn from(record: Record) -> Self {
        Self {
            source: record.source,
            position: record.position,
            prev: record.prev,
            about: record.aggregate_id,
            fact: record.event,
            trace: record.trace,
        }
    }
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
    /// If they run ahead of their commit: the writer's term in which they count.
    pub term: Option<u64>,
}

impl<H: Host> From<Deliver> for calls::Deliver<HostRules<H>> {
    fn from(delivery: Deliver) -> Self {
        Self {
            source: delivery.source,
            records: delivery.records.into_iter().map(Into::into).collect(),
            announced: delivery.announced,
            term: delivery.term,
        }
    }
}

/// A command for an aggregate of a shard.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Execute<A: Aggregate> {
    /// To whom.
    pub addressee: Addressee<A>,
    /// The key it takes, if it takes one.
    pub key: Option<KeyClaim>,
    /// Whether it is only asked who has taken the key.
    pub asks_only: bool,
    /// The hash of a new user's password, which is stored with it and is no part of it.
    pub credentials: Option<String>,
    /// The request that it goes back to.
    pub trace: Option<TraceContext>,
    /// When it was sent.
    pub sent_at: Instant,
    /// Told after the commit.
    pub reply: oneshot::Sender<Result<Executed<A>, ExecuteError<A::Rejection>>>,
    /// Told after the commit that brings the aggregate to rest.
    pub at_rest: Option<oneshot::Sender<A>>,
}

impl<A: Aggregate> Execute<A> {
    /// As the shard's machine takes it. How long it takes to place an order is measured.
    pub(super) fn into_call<H>(self, stats: &Arc<Stats>) -> calls::Execute<HostRules<H>>
    where
        H: Host<Aggregate = A>,
    {
        let is_new = matches!(self.addressee, Addressee::New(_));
        let is_measured = is_new && A::KIND == policy::ORDER.kind;
        let timing = is_measured.then(|| Timing {
            sent_at: self.sent_at,
            stats: stats.clone(),
        });
        let reply = Waiting(self.reply);
        let at_rest = self.at_rest.map(Waiting);
        let (reply, at_rest): (calls::Reply<_>, Option<calls::Reply<A>>) = match timing {
            None => (Box::new(reply), at_rest.map(|told| Box::new(told) as _)),
            Some(timing) => (
                Box::new(Accepting(reply, timing.clone())),
                Some(Box::new(Settling(at_rest, timing))),
            ),
        };
        calls::Execute {
            addressee: match self.addressee {
                Addressee::Existing(id, command) => calls::Addressee::Existing(id, command),
                Addressee::New(draft) => calls::Addressee::New(draft),
            },
            key: self.key,
            asks_only: self.asks_only,
            attachment: self.credentials,
            trace: self.trace,
            reply,
            at_rest,
        }
    }
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

impl<A: Aggregate> From<Watch<A>> for calls::Watch<A> {
    fn from(watch: Watch<A>) -> Self {
        Self {
            id: watch.id,
            reply: Box::new(Waiting(watch.reply)),
        }
    }
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

impl DealWithParked {
    /// As the shard's machine takes it.
    pub(super) fn into_call(self, shard: ShardRef) -> calls::DealWithParked {
        let reply = self.reply;
        calls::DealWithParked {
            id: self.id,
            action: self.action,
            reply: Box::new(move |result: Result<(), calls::ParkedError>| {
                let _ = reply.send(result.map_err(|error| match error {
                    calls::ParkedError::NotFound => ParkedError::NotFound,
                    calls::ParkedError::NotFirst { first } => ParkedError::NotFirst {
                        first: parked_id(shard, first),
                    },
                    calls::ParkedError::FailedAgain { error } => ParkedError::FailedAgain { error },
                    calls::ParkedError::Unavailable(reason) => reason.into(),
                }));
            }),
        }
    }
}

/// Asks a shard how it is.
#[derive(Message)]
#[rtype(result = "Inspection")]
pub struct Inspect;

/// Asks a shard all that operators want to know of it.
#[derive(Message)]
#[rtype(result = "Report")]
pub struct AskReport;

/// How a shard is.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What it has to do.
    pub inspection: Inspection,
    /// How it fares.
    pub health: Health<ShardRef>,
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

/// What goes with an entry: rows to write, and whom to tell.
pub type Companion = calls::Companion<ShardRef, Row>;

/// What the writer tells a shard.
pub type WriterSignal = calls::WriterSignal<ShardRef>;

/// One turn on its way to the writer.
pub type Entry = engine::Entry<ShardRef, Payload, Companion>;
