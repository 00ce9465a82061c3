//! What operators are told of a shard: log lines and counters.

use domain::{Aggregate, ShardRef};
use engine::shard::{Notice, Phase, effects::Cause};

use crate::runtime::{Env, Host, stats::RestartCause};

/// Logs and counts.
pub(super) fn note<H: Host>(env: &Env, shard: ShardRef, notice: Notice<ShardRef>) {
    let kind = <H::Aggregate as Aggregate>::KIND;
    match notice {
        Notice::Owned { epoch } => env.stats.shard(shard, |stats| {
            stats.epoch = epoch;
            stats.owned = true;
        }),
        Notice::Closed => env.stats.shard(shard, |stats| stats.owned = false),
        Notice::Phase(phase) => env.stats.shard(shard, |stats| {
            stats.serving = phase == Phase::Open;
        }),
        Notice::Healing => env.stats.shard(shard, |stats| stats.healings += 1),
        // Which links are held is seen when the shard is asked how it is.
        Notice::HeldLinks(_) => {}
        Notice::Held {
            source,
            position,
            error,
        } => {
            tracing::error!(%shard, %source, position, %error, "a record cannot be taken up and holds its link");
        }
        Notice::Rebuilt { id, cause, error } => {
            tracing::warn!(%shard, kind, id, ?cause, %error, "an actor failed and is rebuilt");
            env.stats.restarted(
                kind,
                match cause {
                    Cause::Failed => RestartCause::Panicked,
                    Cause::Gone => RestartCause::Gone,
                },
            );
        }
        Notice::BudgetUsedUp { id } => {
            tracing::error!(%shard, kind, id, "the restart budget is used up; the shard restarts");
            env.stats.escalated(kind);
        }
        Notice::Restarts => env.stats.shard_restarted(shard, RestartCause::Escalated),
        Notice::Parked {
            source,
            position,
            aggregate_id,
            error,
        } => {
            tracing::error!(%shard, %source, position, aggregate = aggregate_id, %error, "a command is parked");
        }
        Notice::DeadlinePassed { id } => {
            tracing::warn!(%shard, kind, id, "a deadline has passed");
        }
        Notice::Damaged { id, error } => {
            tracing::error!(%shard, kind, id, %error, "an aggregate cannot be loaded");
        }
        Notice::CannotGoOn(why) => (env.on_fatal)(format!("shard {shard} cannot go on: {why}")),
    }
}
