//! The actor of one aggregate: it decides, and nothing else.
//!
//! A handler changes the state at once and hands the events back to the shard, which commits them; the next command is
//! decided on the new state without waiting. A panic is caught here: the memory is thrown away, and every message that
//! still comes is handed back unhandled until the shard has rebuilt the aggregate from storage.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use actix::{Actor, Context, Handler, Message};
use domain::{Aggregate, InMemory, Timestamp};
use engine::{
    Ticket,
    shard::calls::{Decided, Outcome, PartDone},
};
use tokio::sync::mpsc;

use super::{
    Faults, Host, faults::failpoint, host::HostRules, turn_taking::TurnTaking, watchdog::Heartbeat,
};
use crate::trace::STAGE;

/// The way back to the shard for one part. If it is dropped unused the shard learns that the part is lost.
pub struct ReplyTo<H: Host> {
    ticket: Ticket,
    part: usize,
    id: u64,
    incarnation: u64,
    shard: Option<mpsc::UnboundedSender<PartDone<HostRules<H>>>>,
}

impl<H: Host> ReplyTo<H> {
    /// The way back for a part of a turn, from one incarnation of an aggregate.
    #[must_use]
    pub fn new(
        (ticket, part): (Ticket, usize),
        (id, incarnation): (u64, u64),
        shard: mpsc::UnboundedSender<PartDone<HostRules<H>>>,
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
    pub fn done(mut self, outcome: Outcome<HostRules<H>>) {
        self.send(outcome);
    }

    fn send(&mut self, outcome: Outcome<HostRules<H>>) {
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

impl<H: Host> Drop for ReplyTo<H> {
    fn drop(&mut self) {
        self.send(Outcome::Bounced);
    }
}

/// Asks an aggregate to decide.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Decide<H: Host> {
    /// What is asked.
    pub command: <H::Aggregate as Aggregate>::Command,
    /// When.
    pub now: Timestamp,
    /// Who wants to know.
    pub reply: ReplyTo<H>,
}

/// The actor.
pub struct AggregateActor<H: Host> {
    id: u64,
    /// `None` after a failure.
    memory: Option<InMemory<H::Aggregate>>,
    faults: Faults,
    heartbeat: Arc<Heartbeat>,
    turns: TurnTaking,
}

impl<H: Host> AggregateActor<H> {
    /// An actor with the state and version that storage has, or with none for one that is to be created.
    #[must_use]
    pub fn new(
        id: u64,
        stored: Option<(H::Aggregate, u64)>,
        faults: Faults,
        heartbeat: Arc<Heartbeat>,
    ) -> Self {
        Self {
            id,
            memory: Some(InMemory::new(stored)),
            faults,
            heartbeat,
            turns: TurnTaking::default(),
        }
    }
}

fn decide<H: Host>(
    memory: &mut InMemory<H::Aggregate>,
    command: &<H::Aggregate as Aggregate>::Command,
    at: Timestamp,
) -> Outcome<HostRules<H>> {
    match memory.decide(command, at) {
        Err(rejection) => Outcome::Rejected(rejection),
        Ok(decision) => Outcome::Decided(Decided {
            events: decision.events,
            state: decision.state,
            version: decision.version,
            at,
        }),
    }
}

impl<H: Host> Actor for AggregateActor<H> {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        failpoint!(self.faults, InStarted, <H::Aggregate as Aggregate>::KIND);
    }
}

impl<H: Host> Handler<Decide<H>> for AggregateActor<H> {
    type Result = ();

    fn handle(&mut self, message: Decide<H>, ctx: &mut Self::Context) {
        self.turns.handled(ctx);
        failpoint!(self.faults, InHandler, <H::Aggregate as Aggregate>::KIND);
        let Decide {
            command,
            now,
            reply,
        } = message;
        let Some(memory) = &mut self.memory else {
            reply.done(Outcome::Bounced);
            return;
        };
        let (kind, id) = (<H::Aggregate as Aggregate>::KIND, self.id);
        let _span = tracing::trace_span!(target: STAGE, "decide", kind, id).entered();
        let _deciding = self
            .heartbeat
            .deciding(<H::Aggregate as Aggregate>::KIND, self.id);
        let decided = catch_unwind(AssertUnwindSafe(|| {
            self.faults
                .before_decision(<H::Aggregate as Aggregate>::KIND, self.id, &command);
            decide::<H>(memory, &command, now)
        }));
        reply.done(decided.unwrap_or_else(|panic| {
            self.memory = None;
            Outcome::Failed(panic_text(&*panic))
        }));
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
