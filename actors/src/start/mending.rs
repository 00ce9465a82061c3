//! Shards whose actors have panicked, outside what an aggregate decides: other actors are put in their places.
//!
//! A panic of a shard's own code leaves it in an unknown state, so nothing of it is kept: whoever waits is told to try
//! again, and the shard is claimed in a new epoch and loaded from storage, as after a failed commit. How often, within
//! which time, is the row of the supervision table for shards; beyond it the process ends.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

use domain::ShardRef;
use engine::{Restarts, supervision::Verdict};
use tokio::sync::mpsc;

use super::threads::{Movable, ShardThreads};
use crate::runtime::{Env, policy, stats::RestartCause};

/// Replaces what has failed, until the process stops.
pub(super) async fn mend(
    threads: &ShardThreads,
    env: &Env,
    shards: &Arc<[Box<dyn Movable>]>,
    mut failed: mpsc::UnboundedReceiver<ShardRef>,
) {
    let mut restarts: BTreeMap<ShardRef, Restarts> = BTreeMap::new();
    while let Some(shard) = failed.recv().await {
        if env.is_stopping.load(Ordering::Acquire) {
            return;
        }
        let of_shard = restarts.entry(shard).or_default();
        let verdict = of_shard.failed(&policy::SHARD, env.clock.uptime());
        env.stats.note_shard_budget(shard, of_shard.clone());
        match verdict {
            Verdict::Escalate(_) => {
                env.stats.escalated(policy::SHARD.kind);
                (env.on_fatal)(format!("the actor of shard {shard} fails again and again"));
                return;
            }
            Verdict::Restart(backoff) => {
                tracing::error!(%shard, backoff_ms = backoff.as_millis(), "the actor of a shard has panicked; another takes its place");
                env.stats.shard_restarted(shard, RestartCause::Panicked);
                let (threads, shards) = (threads.clone(), shards.clone());
                // Others that fail meanwhile do not wait for it.
                actix_rt::spawn(async move {
                    tokio::time::sleep(backoff).await;
                    threads.with(|threads| {
                        for of_domain in shards.iter() {
                            of_domain.replace(shard, threads);
                        }
                    });
                });
            }
        }
    }
}
