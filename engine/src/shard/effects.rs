//! What a shard has done by whoever drives it.

use std::time::Duration;

use super::{
    Phase,
    calls::{Decide, Entry, Question},
    rules::Rules,
};

/// What wakes a shard up later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wake {
    /// What it must know is to be read again.
    Load,
    /// Its head is to be read again.
    Restart,
    /// These aggregates are to be read again.
    Read(Vec<u64>),
    /// The backoff of this incarnation of an aggregate is over.
    BackoffOver {
        /// The aggregate.
        id: u64,
        /// Its incarnation.
        incarnation: u64,
    },
}

/// Why an aggregate was thrown out of memory to be rebuilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Its handler failed.
    Failed,
    /// It did not answer, because its actor is gone.
    Gone,
}

/// What operators should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice<S> {
    /// The shard was taken over in this epoch.
    Owned {
        /// The epoch.
        epoch: u64,
    },
    /// The shard is not its any more.
    Closed,
    /// What it is doing now.
    Phase(Phase),
    /// A source's journal is read because a record is missing.
    Healing,
    /// So many links are held.
    HeldLinks(usize),
    /// A record cannot be taken up and holds its link.
    Held {
        /// Of which shard.
        source: S,
        /// At which position.
        position: u64,
        /// Why.
        error: String,
    },
    /// An aggregate failed and is rebuilt.
    Rebuilt {
        /// Which.
        id: u64,
        /// Why.
        cause: Cause,
        /// What it said.
        error: String,
    },
    /// An aggregate has used up its restart budget.
    BudgetUsedUp {
        /// Which.
        id: u64,
    },
    /// The shard restarts.
    Restarts,
    /// A command is parked.
    Parked {
        /// From which shard.
        source: S,
        /// The position of its record there.
        position: u64,
        /// The aggregate that could not handle it.
        aggregate_id: u64,
        /// The last error.
        error: String,
    },
    /// A deadline has passed, and what waited is told so.
    DeadlinePassed {
        /// The aggregate.
        id: u64,
    },
    /// An aggregate cannot be read.
    Damaged {
        /// Which.
        id: u64,
        /// Why.
        error: String,
    },
    /// The shard cannot go on, nor can the process.
    CannotGoOn(&'static str),
}

/// Carries out what a shard wants. Whatever it asks for is answered later, by a call of the shard's that says in which
/// of its lives it was asked.
pub trait Effects<R: Rules> {
    /// The time of day; it may step back.
    fn now(&self) -> R::Time;

    /// A time that never steps back, since any fixed moment.
    fn uptime(&self) -> Duration;

    /// Asks storage; the answer goes to [`super::Shard::answered`].
    fn ask(&mut self, life: u64, question: Question<R>);

    /// Calls [`super::Shard::woken`] after a while.
    fn wake(&mut self, after: Duration, life: u64, wake: Wake);

    /// Makes an aggregate with what storage has of it.
    fn build(&mut self, id: u64, stored: Option<(R::Aggregate, u64)>);

    /// Hands a part to an aggregate that was built. The outcome goes to [`super::Shard::part_done`]; if the aggregate
    /// is gone that is [`super::calls::Outcome::Bounced`].
    fn decide(&mut self, id: u64, decide: Decide<R>);

    /// Lets go of an aggregate; whatever it still says is void.
    fn let_go(&mut self, id: u64);

    /// Lets go of all.
    fn let_all_go(&mut self);

    /// Hands turns to the writer, in order.
    fn submit(&mut self, entries: Vec<Entry<R>>);

    /// Notes something for operators.
    fn note(&mut self, notice: Notice<R::Shard>);
}
