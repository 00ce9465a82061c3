//! The actor of one shard: it carries messages to the shard's state machine and has done what that wants.
//!
//! All that a shard decides is in [`engine::Shard`]. Here is what that needs of the world: a mailbox, storage, the
//! actors of its aggregates, the writer, timers, counters.

mod driver;
mod notices;
mod storage;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use actix::{
    Actor, ActorContext, Addr, AsyncContext, Context, Handler, MessageResult, StreamHandler,
};
use domain::ShardRef;
use engine::{
    Effects,
    shard::{TICK, calls::PartDone},
};
use futures::stream::poll_fn;
use tokio::sync::mpsc;

use super::{
    Env, Host,
    aggregate::AggregateActor,
    faults::failpoint,
    host::HostRules,
    messages::{
        AskReport, DealWithParked, Deliver, Execute, GiveUp, Inspect, Report, StopTaking, Watch,
        WriterSignal,
    },
    policy,
    turn_taking::TurnTaking,
    watchdog::Heartbeat,
    writer::WriterHandle,
};
use crate::trace::STAGE;
use driver::{Driver, Moment};

/// The actor of one shard.
pub struct ShardActor<H: Host> {
    shard: ShardRef,
    host: Arc<H>,
    env: Env,
    machine: engine::Shard<HostRules<H>>,
    aggregates: HashMap<u64, Addr<AggregateActor<H>>>,
    writer: WriterHandle,
    signals: Option<mpsc::UnboundedReceiver<WriterSignal>>,
    parts_done: mpsc::UnboundedSender<PartDone<HostRules<H>>>,
    parts_done_end: Option<mpsc::UnboundedReceiver<PartDone<HostRules<H>>>>,
    heartbeat: Arc<Heartbeat>,
    turns: TurnTaking,
    retired: Retired,
    failed: mpsc::UnboundedSender<ShardRef>,
}

/// Says that another actor has taken an actor's place.
#[derive(Clone, Debug, Default)]
pub struct Retired(Arc<AtomicBool>);

impl Retired {
    /// From now on the actor does nothing more.
    pub fn retire(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_so(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What an actor of a shard is given.
pub struct Post {
    /// What all actors share.
    pub env: Env,
    /// Where it hands turns over.
    pub writer: WriterHandle,
    /// What the writer tells it.
    pub signals: mpsc::UnboundedReceiver<WriterSignal>,
    /// How it shows that its thread goes on.
    pub heartbeat: Arc<Heartbeat>,
    /// How it learns that another has taken its place.
    pub retired: Retired,
    /// Told of the shard if the actor ends before that: then it has panicked.
    pub failed: mpsc::UnboundedSender<ShardRef>,
}

impl<H: Host> ShardActor<H> {
    /// A shard, closed until the writer opens it by a signal.
    #[must_use]
    pub fn new(host: H, shard: ShardRef, post: Post) -> Self {
        let Post {
            env,
            writer,
            signals,
            heartbeat,
            retired,
            failed,
        } = post;
        let host = Arc::new(host);
        let rules = HostRules::new(host.clone(), shard, env.topology);
        let (parts_done, parts_done_end) = mpsc::unbounded_channel();
        Self {
            shard,
            host,
            env,
            machine: engine::Shard::new(rules, shard, policy::LIMITS),
            aggregates: HashMap::new(),
            writer,
            signals: Some(signals),
            parts_done,
            parts_done_end: Some(parts_done_end),
            heartbeat,
            turns: TurnTaking::default(),
            retired,
            failed,
        }
    }

    /// Calls the machine, and has done what it wants.
    fn drive(
        &mut self,
        ctx: &mut Context<Self>,
        call: impl FnOnce(&mut engine::Shard<HostRules<H>>, &mut dyn Effects<HostRules<H>>),
    ) {
        if self.retired.is_so() {
            // Who waits for an answer of this one learns from its being dropped that there will be none.
            ctx.stop();
            return;
        }
        let _span = tracing::trace_span!(target: STAGE, "shard", shard = %self.shard).entered();
        self.heartbeat.beat();
        self.turns.handled(ctx);
        failpoint!(self.env.faults, InHandler, policy::SHARD.kind);
        let mut driver = Driver {
            shard: self.shard,
            host: &self.host,
            env: &self.env,
            aggregates: &mut self.aggregates,
            writer: &self.writer,
            heartbeat: &self.heartbeat,
            parts_done: &self.parts_done,
            ctx,
            moment: Moment::default(),
        };
        call(&mut self.machine, &mut driver);
    }
}

impl<H: Host> Actor for ShardActor<H> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        failpoint!(self.env.faults, InStarted, policy::SHARD.kind);
        ctx.set_mailbox_capacity(policy::SHARD.mailbox_capacity);
        if let Some(signals) = self.signals.take() {
            ctx.add_stream(stream_of(signals));
        }
        if let Some(parts_done) = self.parts_done_end.take() {
            ctx.add_stream(stream_of(parts_done));
        }
        ctx.run_interval(TICK, |this, ctx| {
            this.drive(ctx, |machine, fx| machine.tick(fx));
        });
    }
}

impl<H: Host> Drop for ShardActor<H> {
    fn drop(&mut self) {
        if !self.retired.is_so() && self.failed.send(self.shard).is_err() {
            self.env
                .ended(&format!("the actor of shard {}", self.shard));
        }
    }
}

fn stream_of<T: 'static>(
    mut receiver: mpsc::UnboundedReceiver<T>,
) -> impl futures::Stream<Item = T> {
    poll_fn(move |cx| receiver.poll_recv(cx))
}

impl<H: Host> StreamHandler<WriterSignal> for ShardActor<H> {
    fn handle(&mut self, signal: WriterSignal, ctx: &mut Self::Context) {
        self.drive(ctx, |machine, fx| machine.signal(signal, fx));
    }
}

impl<H: Host> StreamHandler<PartDone<HostRules<H>>> for ShardActor<H> {
    fn handle(&mut self, done: PartDone<HostRules<H>>, ctx: &mut Self::Context) {
        self.drive(ctx, |machine, fx| machine.part_done(done, fx));
    }
}

impl<H: Host> Handler<Execute<H::Aggregate>> for ShardActor<H> {
    type Result = ();

    fn handle(&mut self, execute: Execute<H::Aggregate>, ctx: &mut Self::Context) {
        let call = execute.into_call(&self.env.stats);
        self.drive(ctx, |machine, fx| machine.execute(call, fx));
    }
}

impl<H: Host> Handler<Watch<H::Aggregate>> for ShardActor<H> {
    type Result = ();

    fn handle(&mut self, watch: Watch<H::Aggregate>, ctx: &mut Self::Context) {
        self.drive(ctx, |machine, fx| machine.watch(watch.into(), fx));
    }
}

impl<H: Host> Handler<Deliver> for ShardActor<H> {
    type Result = ();

    fn handle(&mut self, delivery: Deliver, ctx: &mut Self::Context) {
        self.drive(ctx, |machine, fx| machine.deliver(delivery.into(), fx));
    }
}

impl<H: Host> Handler<DealWithParked> for ShardActor<H> {
    type Result = ();

    fn handle(&mut self, message: DealWithParked, ctx: &mut Self::Context) {
        let call = message.into_call(self.shard);
        self.drive(ctx, |machine, fx| machine.deal_with_parked(call, fx));
    }
}

impl<H: Host> Handler<Inspect> for ShardActor<H> {
    type Result = MessageResult<Inspect>;

    fn handle(&mut self, _: Inspect, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.machine.inspect())
    }
}

impl<H: Host> Handler<AskReport> for ShardActor<H> {
    type Result = MessageResult<AskReport>;

    fn handle(&mut self, _: AskReport, _: &mut Self::Context) -> Self::Result {
        let clock = self.env.clock;
        MessageResult(Report {
            inspection: self.machine.inspect(),
            health: self.machine.health(clock.uptime(), clock.now()),
        })
    }
}

impl<H: Host> Handler<GiveUp> for ShardActor<H> {
    type Result = ();

    fn handle(&mut self, _: GiveUp, ctx: &mut Self::Context) {
        self.drive(ctx, |machine, fx| machine.give_up(fx));
    }
}

impl<H: Host> Handler<StopTaking> for ShardActor<H> {
    type Result = ();

    fn handle(&mut self, _: StopTaking, _: &mut Self::Context) {
        self.machine.stop_taking();
    }
}
