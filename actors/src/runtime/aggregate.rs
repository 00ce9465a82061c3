//! The actor of one aggregate: it decides, and nothing else.
//!
//! A handler changes the state at once and hands the events back to the shard, which commits them; the next command is
//! decided on the new state without waiting. A panic is caught here: the memory is thrown away, and every message that
//! still comes is handed back unhandled until the shard has rebuilt the aggregate from storage.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use actix::{Actor, Context, Handler, Message};
use domain::{Aggregate, Timestamp};
use engine::Ticket;
use tokio::sync::mpsc;

use super::Faults;

/// What an aggregate decided.
#[derive(Debug)]
pub struct Decided<A: Aggregate> {
    /// What happened; nothing, if the command was fulfilled already.
    pub events: Vec<A::Event>,
    /// The state after it.
    pub state: Option<A>,
    /// The number of the aggregate's last record.
    pub version: u64,
    /// The time of the decision.
    pub at: Timestamp,
}

/// What one part of a turn came to.
#[derive(Debug)]
pub enum Outcome<A: Aggregate> {
    /// Decided, and the state has changed accordingly.
    Decided(Decided<A>),
    /// Turned down.
    Rejected(A::Rejection),
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
pub struct PartDone<A: Aggregate> {
    /// The turn.
    pub ticket: Ticket,
    /// Which of its parts.
    pub part: usize,
    /// The aggregate.
    pub id: u64,
    /// Which incarnation of it was asked; an answer of an earlier one is void.
    pub incarnation: u64,
    /// What it came to.
    pub outcome: Outcome<A>,
}

/// The way back to the shard for one part. If it is dropped unused the shard learns that the part is lost.
#[derive(Debug)]
pub struct ReplyTo<A: Aggregate> {
    ticket: Ticket,
    part: usize,
    id: u64,
    incarnation: u64,
    shard: Option<mpsc::UnboundedSender<PartDone<A>>>,
}

impl<A: Aggregate> ReplyTo<A> {
    /// The way back for a part of a turn, from one incarnation of an aggregate.
    #[must_use]
    pub fn new(
        (ticket, part): (Ticket, usize),
        (id, incarnation): (u64, u64),
        shard: mpsc::UnboundedSender<PartDone<A>>,
    ) -> Self {
        Self {
            ticket,
            part,
            id,
            incarnation,
            shard: Some(shard),
        }
    }

    /// Gives the outcome.
    pub fn done(mut self, outcome: Outcome<A>) {
        self.send(outcome);
    }

    fn send(&mut self, outcome: Outcome<A>) {
        if let Some(shard) = self.shard.take() {
            let _ = shard.send(PartDone {
                ticket: self.ticket,
                part: self.part,
                id: self.id,
                incarnation: self.incarnation,
                outcome,
            });
        }
    }
}

impl<A: Aggregate> Drop for ReplyTo<A> {
    fn drop(&mut self) {
        self.send(Outcome::Bounced);
    }
}

/// Asks an aggregate to decide.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct Decide<A: Aggregate> {
    /// What is asked.
    pub command: A::Command,
    /// When.
    pub now: Timestamp,
    /// Who wants to know.
    pub reply: ReplyTo<A>,
}

/// The actor.
pub struct AggregateActor<A> {
    id: u64,
    state: Option<A>,
    version: u64,
    has_failed: bool,
    faults: Faults,
}

impl<A: Aggregate> AggregateActor<A> {
    /// An actor with the state and version that storage has, or with none for one that is to be created.
    #[must_use]
    pub fn new(id: u64, stored: Option<(A, u64)>, faults: Faults) -> Self {
        let (state, version) = stored.map_or((None, 0), |(state, version)| (Some(state), version));
        Self {
            id,
            state,
            version,
            has_failed: false,
            faults,
        }
    }

    fn decide(&mut self, command: &A::Command, now: Timestamp) -> Outcome<A> {
        self.faults.before_decision(A::KIND, self.id, command);
        match A::decide(self.state.as_ref(), command, now) {
            Err(rejection) => Outcome::Rejected(rejection),
            Ok(events) => {
                self.state = A::evolve_all(self.state.take(), &events, now);
                self.version += events.len() as u64;
                Outcome::Decided(Decided {
                    events,
                    state: self.state.clone(),
                    version: self.version,
                    at: now,
                })
            }
        }
    }
}

impl<A: Aggregate> Actor for AggregateActor<A> {
    type Context = Context<Self>;
}

impl<A: Aggregate> Handler<Decide<A>> for AggregateActor<A> {
    type Result = ();

    fn handle(&mut self, message: Decide<A>, _ctx: &mut Self::Context) {
        if self.has_failed {
            message.reply.done(Outcome::Bounced);
            return;
        }
        let decided = catch_unwind(AssertUnwindSafe(|| {
            self.decide(&message.command, message.now)
        }));
        let outcome = decided.unwrap_or_else(|panic| {
            self.has_failed = true;
            self.state = None;
            Outcome::Failed(panic_text(&*panic))
        });
        message.reply.done(outcome);
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic".to_owned())
}
