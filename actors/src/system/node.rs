//! What a process says of itself.

use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};

use domain::{Domain, ShardRef};
use engine::{Policy, shard::Stuck};
use futures::future::join_all;

use super::{
    ActorKindStatus, BudgetStatus, HeldLinkStatus, NodeStatus, ShardStatus, StuckStatus, System,
    ThreadStatus, WriterStatus,
};
use crate::runtime::{
    Host,
    handle::ShardHandle,
    messages::{AskReport, Report},
    policy,
    shards::{Shards, shard_ref},
};

/// How long a shard has to say how it is.
const REPORT_WAIT: Duration = Duration::from_secs(2);

/// What the shards of a process have said of themselves.
#[derive(Default)]
struct Told {
    shards: Vec<ShardStatus>,
    actors: Vec<ActorKindStatus>,
    /// The most restarts of one shard within the window of the budget.
    restarts_used_max: usize,
}

impl System {
    /// What this process says of itself.
    pub async fn node_status(&self) -> NodeStatus {
        let mut told = Told::default();
        self.ask(&self.users, Domain::Auth, &mut told).await;
        self.ask(&self.orders, Domain::Orders, &mut told).await;
        self.ask(&self.products, Domain::Products, &mut told).await;
        self.ask(&self.notifications, Domain::Notifications, &mut told)
            .await;
        let most = |of: fn(&ShardStatus) -> usize| told.shards.iter().map(of).max().unwrap_or(0);
        let (depth, peak) = (
            most(|shard| shard.turns_pending),
            most(|shard| shard.turns_peak),
        );
        let running = told.shards.len();
        let shards_kind = self.kind(
            &policy::SHARD,
            running,
            told.restarts_used_max,
            (depth, peak),
        );
        told.actors.push(shards_kind);
        let stats = &self.env.stats;
        let replaced_lately = stats.threads_replaced_lately(self.env.clock.uptime());
        NodeStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started_at,
            is_stopping: self.is_stopping(),
            shards: told.shards,
            actors: told.actors,
            writer: WriterStatus {
                generation: 1 + stats.generation.load(Ordering::Relaxed),
                commits: stats.commits.load(Ordering::Relaxed),
                records: stats.records.load(Ordering::Relaxed),
                gathered: stats.gathered.load(Ordering::Relaxed),
            },
            feed: stats.feed(),
            threads: ThreadStatus {
                replaced: stats.frozen().values().sum(),
                budget: BudgetStatus::new(&policy::THREAD, replaced_lately),
            },
            faults_allowed: self.env.faults.are_allowed(),
            faults: self.env.faults.in_force(),
        }
    }

    /// Asks the shards of a domain how they are.
    async fn ask<H: Host>(&self, of_domain: &Shards<H>, domain: Domain, told: &mut Told) {
        let known = self.env.stats.shards();
        let uptime = self.env.clock.uptime();
        // All at once: one that is frozen must not hold up the others.
        let reports = join_all(of_domain.all().iter().map(report)).await;
        let (mut running, mut used_max, mut depth, mut peak) = (0, 0, 0, 0);
        for (index, (handle, report)) in of_domain.all().iter().zip(reports).enumerate() {
            let shard = shard_ref(domain, index);
            let stats = known.get(&shard).cloned().unwrap_or_default();
            let Report { inspection, health } = report;
            running += inspection.actors;
            used_max = used_max.max(health.aggregate_restarts_used_max);
            depth = depth.max(inspection.mailbox_depth_max);
            peak = peak.max(health.mailbox_depth_peak);
            let panics = stats.panics.used(&policy::SHARD, uptime);
            told.restarts_used_max = told.restarts_used_max.max(health.restarts_used).max(panics);
            let owner = if stats.owned { &*self.node } else { "" };
            let held = health.held.into_iter().map(|link| HeldLinkStatus {
                source: link.source,
                position: link.position,
                error: link.error,
            });
            let held: Vec<HeldLinkStatus> = held.collect();
            told.shards.push(ShardStatus {
                shard,
                owner: owner.to_owned(),
                epoch: stats.epoch,
                serving: stats.serving,
                actors: inspection.actors,
                turns_pending: inspection.turns_pending,
                turns_capacity: policy::TURNS_MAX,
                turns_peak: health.turns_peak,
                refused: health.refused + handle.refused(),
                healings: stats.healings,
                restarts: stats.restarts,
                held_links: held.len(),
                held,
                link_lag_max: health.link_lag_max,
                parked: health.parked,
                overdue: health.overdue,
                stuck: health.stuck.into_iter().map(stuck).collect(),
            });
        }
        let kind = self.kind(&H::POLICY, running, used_max, (depth, peak));
        told.actors.push(kind);
    }

    /// All actors of one kind.
    fn kind(
        &self,
        policy: &Policy,
        running: usize,
        restarts_used_max: usize,
        (mailbox_depth_max, mailbox_depth_peak): (usize, usize),
    ) -> ActorKindStatus {
        let stats = &self.env.stats;
        let restarts_by_cause: BTreeMap<String, u64> = stats
            .restarts()
            .into_iter()
            .filter(|((kind, _), _)| *kind == policy.kind)
            .map(|((_, cause), restarts)| (cause.as_str().to_owned(), restarts))
            .collect();
        let of_kind =
            |counts: BTreeMap<&'static str, u64>| counts.get(policy.kind).copied().unwrap_or(0);
        ActorKindStatus {
            kind: policy.kind.to_owned(),
            running,
            restarts: restarts_by_cause.values().sum(),
            mailbox_capacity: policy.mailbox_capacity,
            mailbox_depth_max,
            mailbox_depth_peak,
            restarts_by_cause,
            escalations: of_kind(stats.escalations()),
            frozen: of_kind(stats.frozen()),
            budget: BudgetStatus::new(policy, restarts_used_max),
        }
    }
}

/// Asks a shard how it is. One that does not answer shows as empty; whether it serves is known without asking it.
async fn report<H: Host>(handle: &ShardHandle<H>) -> Report {
    match tokio::time::timeout(REPORT_WAIT, handle.address().send(AskReport)).await {
        Ok(Ok(report)) => report,
        _ => Report::default(),
    }
}

fn stuck(stuck: Stuck<ShardRef>) -> StuckStatus {
    StuckStatus {
        id: stuck.id,
        unconfirmed: stuck.unconfirmed,
        was_told: stuck.was_told,
    }
}
