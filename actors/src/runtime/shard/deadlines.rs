//! Deadlines: what has waited too long is given up, unless the link it waits on is unconfirmed.
//!
//! An order that is overdue expires only after every shard that might still answer it has been seen to have applied
//! everything that was sent to it, and this shard to have applied everything that was sent back. So an outage of the
//! feed does not expire orders that were accepted.

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use domain::ShardRef;
use engine::Head;
use storage::StorageError;

use super::{
    ShardActor,
    turns::{Origin, Turn},
};
use crate::runtime::{Host, host::Part};

type Heads = Vec<(ShardRef, Head<ShardRef>)>;

/// Overdue aggregates, and what has to be confirmed before they expire.
pub(super) struct Expiry {
    aggregates: Vec<u64>,
    stage: Stage,
}

#[derive(Clone)]
enum Stage {
    /// Nothing is known yet.
    Begun,
    /// Each of these shards must have applied this shard's journal up to there.
    Sent(Vec<(ShardRef, u64)>),
    /// This shard must have applied each of these shards' journals up to there.
    Answered(Vec<(ShardRef, u64)>),
}

impl<H: Host> ShardActor<H> {
    /// Moves the expiry of overdue aggregates on by one stage.
    pub(super) fn look_at_deadlines(&mut self, ctx: &mut Context<Self>) {
        if self.expiry.is_none() {
            let now = self.env.clock.now();
            let aggregates: Vec<u64> = self
                .unsettled
                .iter()
                .filter(|(_, deadline)| **deadline <= now)
                .map(|(id, _)| *id)
                .collect();
            if aggregates.is_empty() {
                return;
            }
            self.expiry = Some(Expiry {
                aggregates,
                stage: Stage::Begun,
            });
        }
        let mut shards = self.host.awaited(&self.env.topology);
        shards.push(self.shard);
        let life = self.life;
        let journal = self.env.journal.clone();
        let reading = async move { journal.heads(&shards).await };
        ctx.spawn(reading.into_actor(self).map(move |read, this, ctx| {
            if this.is_current(life) {
                this.confirm(read, ctx);
            }
        }));
    }

    fn confirm(&mut self, read: Result<Heads, StorageError>, ctx: &mut Context<Self>) {
        let (Ok(heads), Some(mut expiry)) = (read, self.expiry.take()) else {
            return;
        };
        let me = self.shard;
        let Some((_, mine)) = heads.iter().find(|(shard, _)| *shard == me) else {
            return;
        };
        let others = || heads.iter().filter(|(shard, _)| *shard != me);
        if matches!(expiry.stage, Stage::Begun) {
            let sent = mine
                .sent
                .iter()
                .map(|(shard, position)| (*shard, *position));
            expiry.stage = Stage::Sent(sent.collect());
        }
        if let Stage::Sent(sent) = &expiry.stage {
            let is_applied = sent.iter().all(|(target, position)| {
                others()
                    .filter(|(shard, _)| shard == target)
                    .all(|(_, head)| head.watermark(me) >= *position)
            });
            if is_applied {
                expiry.stage = Stage::Answered(
                    others()
                        .map(|(shard, head)| (*shard, head.sent.get(&me).copied().unwrap_or(0)))
                        .collect(),
                );
            }
        }
        if let Stage::Answered(answered) = &expiry.stage
            && answered
                .iter()
                .all(|(source, position)| mine.watermark(*source) >= *position)
        {
            self.expire(expiry.aggregates, ctx);
            return;
        }
        self.expiry = Some(expiry);
    }

    fn expire(&mut self, aggregates: Vec<u64>, ctx: &mut Context<Self>) {
        let now = self.env.clock.now();
        for id in aggregates {
            let is_overdue = self.unsettled.get(&id).is_some_and(|end| *end <= now);
            if let Some(command) = self.host.on_deadline().filter(|_| is_overdue) {
                tracing::warn!(shard = %self.shard, id, "a deadline has passed");
                let part = Part {
                    id,
                    is_new: false,
                    command,
                    order_id: None,
                };
                self.begin(Turn::new(Origin::Deadline, vec![part]), ctx);
            }
        }
        self.retire_ready(ctx);
    }
}
