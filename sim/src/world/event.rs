//! What happens, each at its time.

use std::sync::Arc;

use domain::ShardRef;
use engine::{
    Head,
    shard::{
        Wake,
        calls::{Answer, DealWithParked, Entry, Execute, PartDone, Question, Watch, WriterSignal},
    },
};

use super::{
    rules::{ShopRules, State},
    store::Refused,
};

/// One actor of a shard, on one node, in one life of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seat {
    /// The node.
    pub node: usize,
    /// The node's life: it grows with every start.
    pub life: u64,
    /// The shard.
    pub shard: ShardRef,
    /// Which of its actors: it grows when one is replaced.
    pub instance: u64,
}

/// One writer of a node, in one life of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Desk {
    /// The node.
    pub node: usize,
    /// The node's life.
    pub life: u64,
    /// Which of its writers.
    pub writer: usize,
}

/// What a writer is sent.
pub enum Mail {
    /// Turns of one of its shards.
    Entries(Vec<Entry<ShopRules>>),
    /// It is to serve this shard.
    Claim(ShardRef),
    /// It is to serve it no more.
    Release(ShardRef),
    /// This shard has a new actor.
    Replaced(ShardRef),
}

/// A message from shard to shard.
#[derive(Clone, Debug)]
pub struct Message {
    /// Whose journal.
    pub source: ShardRef,
    /// For whom; nobody of the shop reads some public records.
    pub target: Option<ShardRef>,
    /// Whether it is one of the public topic.
    pub is_public: bool,
    /// The record's position.
    pub position: u64,
    /// The position before it on the link.
    pub prev: u64,
    /// The aggregate it is about.
    pub about: u64,
    /// What happened.
    pub fact: Arc<domain::Event>,
    /// How it comes to its target.
    pub way: Way,
}

/// How a message comes to its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// After the commit, with the record.
    Carried,
    /// After the commit, with the record's position only.
    Announced,
    /// Before the commit, within one life of a node and one term of a writer.
    Ahead {
        /// The node.
        node: usize,
        /// Its life.
        life: u64,
        /// The term.
        term: u64,
    },
}

/// What is asked of a shard by services.
pub enum Call {
    /// A command.
    Execute(Execute<ShopRules>),
    /// To wait for an order.
    Watch(Watch<State>),
    /// To deal with a parked command.
    Deal(DealWithParked),
    /// To come to rest.
    GiveUp,
}

/// Something that happens.
pub enum Event {
    /// A shard looks after its links and deadlines.
    Tick(Seat),
    /// A question reaches the store.
    Read(Seat, u64, Question<ShopRules>),
    /// The store has answered.
    Answered(Seat, u64, Answer<ShopRules>),
    /// What a shard wanted to be woken up for is due.
    Woken(Seat, u64, Wake),
    /// An aggregate's actor takes the next message from its mailbox.
    Decide(Seat, u64, u64),
    /// A part comes back to its shard.
    PartDone(Seat, PartDone<ShopRules>),
    /// The writer tells a shard something.
    Signal(Seat, WriterSignal<ShardRef>),
    /// Somebody asks a shard something.
    Called(Seat, Call),
    /// A writer is sent something.
    Mailed(Desk, Mail),
    /// A transaction reaches the store.
    Apply(u64),
    /// A writer is told what became of its transaction.
    Committed(Desk, u64, Result<(), Refused>),
    /// A claim reaches the store; with the head as it was read before, by a program that is wrong to do so.
    Claim(Desk, ShardRef, Option<u64>, Option<Head<ShardRef>>),
    /// A writer is told what became of its claim.
    Claimed(Desk, ShardRef, bool, Result<Head<ShardRef>, Refused>),
    /// A writer tries again to claim what it is to serve.
    ClaimAgain(Desk),
    /// A node hands a shard's messages to the broker, in this life of their lane.
    Produce(Seat, u64),
    /// A message reaches the broker.
    Accept(Message),
    /// A node is told that a message of this position was acknowledged, or was not.
    Acknowledged(Seat, u64, u64, bool),
    /// A node stores how far its records are in their topics.
    StoreCursors(usize, u64),
    /// A message goes to whoever serves its target.
    Deliver(Message),
    /// Messages of one link reach a shard.
    Delivered(Seat, Vec<Message>),
    /// A customer or an administrator acts.
    Act(usize),
    /// Somebody has waited long enough for an answer.
    TimedOut(usize, u64),
    /// Nodes look who is to serve which shard.
    LookAround,
    /// An operator looks at parked commands.
    Operate,
    /// A fault strikes.
    Strike,
    /// A node is started.
    Start(usize),
    /// Everything is checked.
    Check,
}

impl Event {
    /// The node to which it happens, and in which of its lives; `None` where it happens elsewhere.
    #[must_use]
    pub const fn node(&self) -> Option<(usize, u64)> {
        match self {
            Self::Tick(seat)
            | Self::Answered(seat, ..)
            | Self::Woken(seat, ..)
            | Self::Decide(seat, ..)
            | Self::PartDone(seat, ..)
            | Self::Signal(seat, ..)
            | Self::Called(seat, ..)
            | Self::Delivered(seat, ..)
            | Self::Produce(seat, ..)
            | Self::Acknowledged(seat, ..) => Some((seat.node, seat.life)),
            Self::Mailed(desk, ..)
            | Self::Committed(desk, ..)
            | Self::Claimed(desk, ..)
            | Self::ClaimAgain(desk) => Some((desk.node, desk.life)),
            Self::StoreCursors(node, life) => Some((*node, *life)),
            _ => None,
        }
    }
}
