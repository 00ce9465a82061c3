//! Has done what a shard wants, with actors, tasks and timers.

use std::{cell::OnceCell, collections::HashMap, sync::Arc, time::Duration};

use actix::{Actor, ActorFutureExt, Addr, AsyncContext, Context, fut::wrap_future};
use domain::{ShardRef, Timestamp};
use engine::{
    Effects,
    shard::{
        Notice, Wake,
        calls::{Decide, PartDone, Question},
    },
};
use tokio::sync::mpsc;

use super::{ShardActor, notices, storage};
use crate::runtime::{
    Env, Host,
    aggregate::{self, AggregateActor, ReplyTo},
    host::HostRules,
    messages::Entry,
    watchdog::Heartbeat,
    writer::WriterHandle,
};

/// What a shard's machine needs of the world, for one call.
pub(super) struct Driver<'a, H: Host> {
    pub(super) shard: ShardRef,
    pub(super) host: &'a Arc<H>,
    pub(super) env: &'a Env,
    pub(super) aggregates: &'a mut HashMap<u64, Addr<AggregateActor<H>>>,
    pub(super) writer: &'a WriterHandle,
    pub(super) heartbeat: &'a Arc<Heartbeat>,
    pub(super) parts_done: &'a mpsc::UnboundedSender<PartDone<HostRules<H>>>,
    pub(super) ctx: &'a mut Context<ShardActor<H>>,
    pub(super) moment: Moment,
}

/// When a call is: the clocks are read once, at first use, and stand still for the rest of it.
#[derive(Default)]
pub(super) struct Moment {
    now: OnceCell<Timestamp>,
    uptime: OnceCell<Duration>,
}

impl<H: Host> Effects<HostRules<H>> for Driver<'_, H> {
    fn now(&self) -> Timestamp {
        *self.moment.now.get_or_init(|| self.env.clock.now())
    }

    fn uptime(&self) -> Duration {
        *(self.moment.uptime).get_or_init(|| self.env.clock.uptime())
    }

    fn ask(&mut self, life: u64, question: Question<HostRules<H>>) {
        let answer = storage::answer(self.env.clone(), self.host.clone(), self.shard, question);
        let told = wrap_future::<_, ShardActor<H>>(answer).map(move |answer, this, ctx| {
            this.drive(ctx, |machine, fx| machine.answered(life, answer, fx));
        });
        self.ctx.spawn(told);
    }

    fn wake(&mut self, after: Duration, life: u64, wake: Wake) {
        self.ctx.run_later(after, move |this, ctx| {
            this.drive(ctx, |machine, fx| machine.woken(life, wake, fx));
        });
    }

    fn build(&mut self, id: u64, stored: Option<(H::Aggregate, u64)>) {
        let (faults, heartbeat) = (self.env.faults.clone(), self.heartbeat.clone());
        // The capacity is set before anything is sent: by default a mailbox holds 16.
        let actor = AggregateActor::create(|ctx| {
            ctx.set_mailbox_capacity(H::POLICY.mailbox_capacity);
            AggregateActor::new(id, stored, faults, heartbeat)
        });
        self.aggregates.insert(id, actor);
    }

    fn decide(&mut self, id: u64, decide: Decide<HostRules<H>>) {
        let reply = ReplyTo::new(
            (decide.ticket, decide.part),
            (id, decide.incarnation),
            self.parts_done.clone(),
        );
        let message = aggregate::Decide {
            command: decide.command,
            now: decide.now,
            reply,
        };
        if let Some(actor) = self.aggregates.get(&id) {
            // What cannot be sent is dropped, and so reported as not handled.
            drop(actor.try_send(message));
        }
    }

    fn let_go(&mut self, id: u64) {
        // The actor stops when its last address is gone.
        self.aggregates.remove(&id);
    }

    fn let_all_go(&mut self) {
        self.aggregates.clear();
    }

    fn submit(&mut self, entries: Vec<Entry>) {
        self.writer.submit(entries);
    }

    fn note(&mut self, notice: Notice<ShardRef>) {
        notices::note::<H>(self.env, self.shard, notice);
    }
}
