//! What happens after a failure: an aggregate is rebuilt, a record that keeps failing is parked, a budget that is used
//! up restarts the shard.
//!
//! A failed turn is looked at when it is the oldest: then all earlier turns have retired, so the aggregate's events are
//! with the writer, and it can be loaded as soon as they are committed. Whatever else was meant for it has been handed
//! back unhandled, and is handed over again in the same order.

use std::time::Duration;

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use domain::{Aggregate, OrderId};
use engine::{
    Ticket,
    supervision::{Exhausted, Verdict},
};

use super::{Phase, ShardActor, parking::PARKED_BEHIND, turns::Origin};
use crate::{
    Unavailable,
    runtime::{
        Host,
        aggregate::{Decide, Outcome, ReplyTo},
        policy,
    },
};

impl<H: Host> ShardActor<H> {
    /// Deals with a failed part of the oldest turn. `error` is `None` if it was only handed back.
    pub(super) fn recover(
        &mut self,
        ticket: Ticket,
        part: usize,
        error: Option<String>,
        ctx: &mut Context<Self>,
    ) {
        let uptime = self.env.clock.uptime();
        let Some((_, turn, _)) = self.pipeline.front() else {
            return;
        };
        let (id, order_id) = (turn.parts[part].id, turn.parts[part].order_id);
        let is_of_link = matches!(turn.origin, Origin::Link { .. });
        let outcome = error.as_ref().and_then(|error| {
            let is_worn_out = turn.has_failed(part, uptime);
            match (is_of_link, is_worn_out) {
                (true, true) => Some(Outcome::Parked(error.clone())),
                (true, false) => None,
                (false, _) => Some(Outcome::Dropped),
            }
        });
        let is_parked = matches!(outcome, Some(Outcome::Parked(_)));
        self.pipeline.reopen(ticket, part);
        if let Some(outcome) = outcome {
            self.pipeline.complete(ticket, part, outcome);
        }
        if is_parked {
            self.park_behind(ticket, id, order_id);
        }

        let kind = <H::Aggregate as Aggregate>::KIND;
        let error = error.unwrap_or_else(|| "the actor is gone".to_owned());
        tracing::warn!(shard = %self.shard, kind, id, %error, "an actor failed and is rebuilt");
        self.env.stats.restarted(kind);
        match self.slot(id).restarts.failed(&H::POLICY, uptime) {
            Verdict::Escalate(exhausted) => self.escalate(exhausted, kind, id, ctx),
            Verdict::Restart(backoff) => self.rebuild(id, backoff, ctx),
        }
    }

    /// What has begun after a turn, and is about the same order for the same aggregate, parks behind it.
    fn park_behind(&mut self, ticket: Ticket, id: u64, order_id: Option<OrderId>) {
        let behind: Vec<(Ticket, usize)> = self
            .pipeline
            .turns()
            .filter(|(later, turn)| *later > ticket && matches!(turn.origin, Origin::Link { .. }))
            .flat_map(|(later, turn)| {
                let parts = turn.parts.iter().enumerate();
                parts
                    .filter(|(_, part)| part.id == id && part.order_id == order_id)
                    .map(move |(index, _)| (later, index))
            })
            .collect();
        for (later, index) in behind {
            self.pipeline.reopen(later, index);
            self.pipeline
                .complete(later, index, Outcome::Parked(PARKED_BEHIND.to_owned()));
        }
    }

    /// Throws an aggregate's memory away and hands everything that is open for it over again, in order.
    fn rebuild(&mut self, id: u64, backoff: Duration, ctx: &mut Context<Self>) {
        self.tear_down(id);
        let incarnation = self.slot(id).incarnation;
        let now = self.env.clock.now();
        let open: Vec<(Ticket, usize, _)> = self
            .pipeline
            .turns()
            .flat_map(|(ticket, turn)| {
                let parts = turn.parts.iter().enumerate();
                parts
                    .filter(|(_, part)| part.id == id)
                    .map(move |(index, part)| (ticket, index, part.command.clone()))
            })
            .filter(|(ticket, index, _)| {
                !matches!(
                    self.pipeline.outcome(*ticket, *index),
                    Some(Outcome::Parked(_) | Outcome::Dropped)
                )
            })
            .collect();
        let mut waiting = Vec::with_capacity(open.len());
        for (ticket, index, command) in open {
            self.pipeline.reopen(ticket, index);
            waiting.push(Decide {
                command,
                now,
                reply: ReplyTo::new((ticket, index), (id, incarnation), self.parts_done.clone()),
            });
        }
        // If nothing waits for it, the next one who wants it has it loaded.
        if !waiting.is_empty() {
            self.slot(id).wait_for_actor(waiting);
            self.want_after(id, backoff, ctx);
        }
    }

    fn escalate(&mut self, exhausted: Exhausted, kind: &str, id: u64, ctx: &mut Context<Self>) {
        let uptime = self.env.clock.uptime();
        tracing::error!(shard = %self.shard, kind, id, "the restart budget is used up; the shard restarts");
        let verdict = match exhausted {
            Exhausted::RestartShard => self.restarts.failed(&policy::SHARD, uptime),
            Exhausted::ExitProcess => Verdict::Escalate(Exhausted::ExitProcess),
        };
        match verdict {
            Verdict::Restart(_) => self.restart(ctx),
            Verdict::Escalate(_) => {
                (self.env.on_fatal)(format!(
                    "the restart budget of shard {} is used up",
                    self.shard
                ));
            }
        }
    }

    /// Forgets everything that has not retired, and loads the shard anew once what has retired is committed.
    fn restart(&mut self, ctx: &mut Context<Self>) {
        self.env.stats.restarted("shard");
        self.env
            .stats
            .shard(self.shard, |stats| stats.restarts += 1);
        let retired = std::mem::take(&mut self.outbox);
        self.forget(&Unavailable::Restarted);
        self.writer.submit(retired);
        self.set_phase(Phase::Restarting);
        self.restart_if_waiting(ctx);
    }

    /// Loads the shard anew if it waits for that and nothing is uncommitted.
    pub(super) fn restart_if_waiting(&mut self, ctx: &mut Context<Self>) {
        if self.phase != Phase::Restarting || !self.committing.is_empty() {
            return;
        }
        let (life, generation) = (self.life, self.generation);
        let journal = self.env.journal.clone();
        let shard = self.shard;
        let reading = async move { journal.heads(&[shard]).await };
        ctx.spawn(reading.into_actor(self).map(move |read, this, ctx| {
            if this.life != life || this.phase != Phase::Restarting {
                return;
            }
            match read.map(|heads| heads.into_iter().next()) {
                Ok(Some((_, head))) => this.load(generation, head, ctx),
                Ok(None) => (this.env.on_fatal)(format!("the head of shard {shard} is gone")),
                Err(error) => {
                    this.env.store_failed(&error);
                    tracing::warn!(%shard, %error, "the shard's head cannot be read yet");
                    ctx.run_later(policy::SHARD.backoff_max, Self::restart_if_waiting);
                }
            }
        }));
    }
}
