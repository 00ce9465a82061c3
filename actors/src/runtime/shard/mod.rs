//! The actor of one shard: it begins turns, finds or builds the aggregates concerned, and retires turns in order.
//!
//! A command, or a record of a link, becomes a turn. Its parts go to the aggregates concerned, which decide at once and
//! in any order; the turn retires to the writer when it is the oldest and all its parts are decided (see
//! [`engine::Pipeline`]). So the journal has every aggregate's events in the order in which it decided them, and a
//! link's watermark is in the transaction of the effect.
//!
//! The shard is closed until the writer has claimed it, and again whenever a commit fails: then everything in memory is
//! thrown away, and built anew from storage on first touch.

mod deadlines;
mod keys;
mod links;
mod parking;
mod recovery;
mod registry;
mod turns;

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    time::Duration,
};

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, StreamHandler, WrapFuture};
use domain::{ShardRef, Timestamp};
use engine::{Head, Pipeline, Restarts, Ticket};
use futures::stream::poll_fn;
use storage::ParkedRow;
use tokio::sync::mpsc;

use super::{
    Env, Host,
    aggregate::{Outcome, PartDone},
    messages::{
        DealWithParked, Deliver, Entry, Execute, ExecuteError, GiveUp, Inspect, Inspection,
        StopTaking, Watch, WriterHandle, WriterSignal,
    },
    policy,
};
use crate::Unavailable;
use keys::KeyClaims;
use links::Link;
use registry::{LoadQueue, Slot};
use turns::{Committing, Turn};

/// How often a shard looks after its links, deadlines and idle aggregates.
const TICK: Duration = Duration::from_millis(250);

/// What a shard is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Not claimed.
    Closed,
    /// Claimed, and reading what it must know.
    Loading,
    /// Serving.
    Open,
    /// Waiting until everything retired is committed, to be loaded anew.
    Restarting,
    /// Finishing what was begun, because another node is to serve it.
    GivingUp,
}

/// The actor of one shard.
pub struct ShardActor<H: Host> {
    host: H,
    env: Env,
    shard: ShardRef,
    writer: WriterHandle,
    signals: Option<mpsc::UnboundedReceiver<WriterSignal>>,
    parts_done: mpsc::UnboundedSender<PartDone<H::Aggregate>>,
    parts_done_end: Option<mpsc::UnboundedReceiver<PartDone<H::Aggregate>>>,

    phase: Phase,
    is_stopping: bool,
    generation: u64,
    /// Grows when everything in memory is thrown away: what was asked of storage before that is not waited for.
    life: u64,
    last_id: u64,
    restarts: Restarts,

    pipeline: Pipeline<Turn<H::Aggregate>, Outcome<H::Aggregate>>,
    outbox: Vec<Entry>,
    committing: VecDeque<Committing>,
    /// Every turn before this one is committed, or void.
    committed: Ticket,
    slots: HashMap<u64, Slot<H::Aggregate>>,
    loads: LoadQueue,
    links: BTreeMap<ShardRef, Link>,
    keys: KeyClaims<H::Aggregate>,
    unsettled: HashMap<u64, Timestamp>,
    expiry: Option<deadlines::Expiry>,
    parked: Vec<ParkedRow>,
    /// Parked commands that an operator has begun to deal with.
    dealing_with: HashSet<u64>,
    ticks: u64,
}

impl<H: Host> ShardActor<H> {
    /// A shard, closed until the writer opens it by a signal.
    #[must_use]
    pub fn new(
        host: H,
        env: Env,
        shard: ShardRef,
        writer: WriterHandle,
        signals: mpsc::UnboundedReceiver<WriterSignal>,
    ) -> Self {
        let (parts_done, parts_done_end) = mpsc::unbounded_channel();
        Self {
            host,
            env,
            shard,
            writer,
            signals: Some(signals),
            parts_done,
            parts_done_end: Some(parts_done_end),
            phase: Phase::Closed,
            is_stopping: false,
            generation: 0,
            life: 0,
            last_id: 0,
            restarts: Restarts::default(),
            pipeline: Pipeline::default(),
            outbox: Vec::new(),
            committing: VecDeque::new(),
            committed: Ticket(0),
            slots: HashMap::new(),
            loads: LoadQueue::default(),
            links: BTreeMap::new(),
            keys: KeyClaims::default(),
            unsettled: HashMap::new(),
            expiry: None,
            parked: Vec::new(),
            dealing_with: HashSet::new(),
            ticks: 0,
        }
    }

    /// Turns that have begun and are not committed.
    fn turns_pending(&self) -> usize {
        self.pipeline.len() + self.committing.len()
    }

    /// Forgets everything that is not committed, and tells whoever waits for it why.
    fn forget(&mut self, reason: &Unavailable) {
        self.life += 1;
        for turn in self.pipeline.clear() {
            turn.refuse(reason);
        }
        for execute in self.keys.forget() {
            let _ = execute
                .reply
                .send(Err(ExecuteError::Unavailable(reason.clone())));
        }
        self.outbox.clear();
        self.slots.clear();
        self.loads = LoadQueue::default();
        self.links.clear();
        self.unsettled.clear();
        self.expiry = None;
        self.parked.clear();
        self.dealing_with.clear();
    }

    /// Whether something that was asked of storage in that life of the shard is still wanted.
    fn is_current(&self, life: u64) -> bool {
        self.life == life && matches!(self.phase, Phase::Open | Phase::GivingUp)
    }

    fn close(&mut self) {
        self.forget(&Unavailable::CommitFailed);
        self.committing.clear();
        self.env
            .stats
            .shard(self.shard, |stats| stats.owned = false);
        self.set_phase(Phase::Closed);
    }

    /// Takes over a head that was read after the claim, and reads what else the shard must know.
    fn load(&mut self, generation: u64, head: Head<ShardRef>, ctx: &mut Context<Self>) {
        self.generation = generation;
        self.last_id = self.last_id.max(head.last_id);
        self.links = self
            .host
            .sources(self.shard, &self.env.topology)
            .into_iter()
            .map(|(source, kind)| (source, Link::new(kind, head.watermark(source))))
            .collect();
        self.env.stats.shard(self.shard, |stats| {
            stats.epoch = head.epoch;
            stats.owned = true;
        });
        self.set_phase(Phase::Loading);

        let life = self.life;
        let unsettled = self.host.unsettled(&self.env, self.shard);
        let journal = self.env.journal.clone();
        let shard = self.shard;
        let reading = async move { Ok((unsettled.await?, journal.parked(shard).await?)) };
        ctx.spawn(reading.into_actor(self).map(
            move |read: Result<_, storage::StorageError>, this, ctx| {
                if this.life != life || this.phase != Phase::Loading {
                    return;
                }
                match read {
                    Ok((unsettled, parked)) => {
                        this.unsettled = unsettled
                            .into_iter()
                            .map(|wait| (wait.order_id.get(), wait.deadline))
                            .collect();
                        this.parked = parked;
                        this.set_phase(Phase::Open);
                        this.look_at_sources(ctx);
                    }
                    Err(error) => {
                        this.env.store_failed(&error);
                        tracing::warn!(shard = %this.shard, %error, "a shard cannot be loaded yet");
                        ctx.run_later(policy::SHARD.backoff_max, move |this, ctx| {
                            if this.life == life && this.phase == Phase::Loading {
                                this.load(generation, head, ctx);
                            }
                        });
                    }
                }
            },
        ));
    }

    fn set_phase(&mut self, phase: Phase) {
        self.phase = phase;
        self.env.stats.shard(self.shard, |stats| {
            stats.serving = phase == Phase::Open;
        });
    }

    fn tick(&mut self, ctx: &mut Context<Self>) {
        self.ticks += 1;
        if self.phase != Phase::Open {
            return;
        }
        self.heal_links(ctx);
        if self.ticks.is_multiple_of(4) {
            self.look_at_sources(ctx);
            self.look_at_deadlines(ctx);
        }
        if self.ticks.is_multiple_of(40) {
            self.passivate_idle();
            self.keys.purge(self.env.clock.uptime(), self.committed);
        }
    }
}

impl<H: Host> Actor for ShardActor<H> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(policy::SHARD.mailbox_capacity);
        if let Some(signals) = self.signals.take() {
            ctx.add_stream(stream_of(signals));
        }
        if let Some(parts_done) = self.parts_done_end.take() {
            ctx.add_stream(stream_of(parts_done));
        }
        ctx.run_interval(TICK, Self::tick);
    }
}

impl<H: Host> Drop for ShardActor<H> {
    fn drop(&mut self) {
        self.env
            .ended(&format!("the actor of shard {}", self.shard));
    }
}

fn stream_of<T: 'static>(
    mut receiver: mpsc::UnboundedReceiver<T>,
) -> impl futures::Stream<Item = T> {
    poll_fn(move |cx| receiver.poll_recv(cx))
}

impl<H: Host> StreamHandler<WriterSignal> for ShardActor<H> {
    fn handle(&mut self, signal: WriterSignal, ctx: &mut Self::Context) {
        match signal {
            WriterSignal::Opened { generation, head } => self.load(generation, head, ctx),
            WriterSignal::Closed => self.close(),
            WriterSignal::Committed { generation, ticket } => {
                if generation == self.generation {
                    self.on_committed(ticket, ctx);
                }
            }
        }
    }
}

impl<H: Host> StreamHandler<PartDone<H::Aggregate>> for ShardActor<H> {
    fn handle(&mut self, done: PartDone<H::Aggregate>, ctx: &mut Self::Context) {
        if !matches!(self.phase, Phase::Open | Phase::GivingUp) {
            return;
        }
        let is_current = self
            .slots
            .get(&done.id)
            .is_some_and(|slot| slot.incarnation == done.incarnation);
        if is_current {
            self.pipeline.complete(done.ticket, done.part, done.outcome);
            self.retire_ready(ctx);
        }
    }
}

impl<H: Host> Handler<Execute<H::Aggregate>> for ShardActor<H> {
    type Result = ();

    fn handle(&mut self, execute: Execute<H::Aggregate>, ctx: &mut Self::Context) {
        let refusal = if self.phase != Phase::Open || self.is_stopping {
            Some(Unavailable::NotServing)
        } else if self.turns_pending() + self.keys.waiting() >= policy::TURNS_MAX {
            Some(Unavailable::Busy)
        } else {
            None
        };
        match refusal {
            Some(reason) => {
                let _ = execute.reply.send(Err(ExecuteError::Unavailable(reason)));
            }
            None if execute.key.is_some() => self.look_up_key(execute, ctx),
            None => {
                self.begin_command(execute, None, ctx);
                self.retire_ready(ctx);
            }
        }
    }
}

impl<H: Host> Handler<Watch<H::Aggregate>> for ShardActor<H> {
    type Result = ();

    fn handle(&mut self, watch: Watch<H::Aggregate>, ctx: &mut Self::Context) {
        if self.phase == Phase::Open {
            self.watch(watch, ctx);
            self.retire_ready(ctx);
        }
    }
}

impl<H: Host> Handler<Deliver> for ShardActor<H> {
    type Result = ();

    fn handle(&mut self, delivery: Deliver, ctx: &mut Self::Context) {
        if self.phase == Phase::Open {
            self.take_up(delivery, ctx);
            self.retire_ready(ctx);
        }
    }
}

impl<H: Host> Handler<DealWithParked> for ShardActor<H> {
    type Result = ();

    fn handle(&mut self, message: DealWithParked, ctx: &mut Self::Context) {
        if self.phase == Phase::Open {
            self.deal_with_parked(message, ctx);
            self.retire_ready(ctx);
        } else {
            let _ = message.reply.send(Err(Unavailable::NotServing.into()));
        }
    }
}

impl<H: Host> Handler<Inspect> for ShardActor<H> {
    type Result = Inspection;

    fn handle(&mut self, _: Inspect, _: &mut Self::Context) -> Inspection {
        Inspection {
            actors: self.slots.values().filter(|slot| slot.is_live()).count(),
            turns_pending: self.turns_pending() + self.keys.waiting(),
            mailbox_depth_max: self.slots.values().map(|slot| slot.open).max().unwrap_or(0),
        }
    }
}

impl<H: Host> Handler<GiveUp> for ShardActor<H> {
    type Result = ();

    fn handle(&mut self, _: GiveUp, _: &mut Self::Context) {
        // One that is being loaded or restarted has nothing that could be finished.
        if self.phase == Phase::Open {
            self.set_phase(Phase::GivingUp);
        }
    }
}

impl<H: Host> Handler<StopTaking> for ShardActor<H> {
    type Result = ();

    fn handle(&mut self, _: StopTaking, _: &mut Self::Context) {
        self.is_stopping = true;
    }
}
