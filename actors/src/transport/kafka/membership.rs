//! What the group's assignment says, as soon as it says it.
//!
//! A graceful revocation takes partitions out of what is wanted. A loss (the session timed out, the broker is gone) does
//! not: then what was wanted stays, and the node merely is no member until it has been assigned partitions again.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
};

use domain::{Domain, ShardRef};
use rdkafka::{
    ClientContext, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance},
    error::{KafkaError, KafkaResult},
    util::Timeout,
};
use serde::Deserialize;
use tokio::sync::watch;

use super::{
    clients,
    pulse::Pulse,
    topics::{self, Carries},
};
use crate::transport::Assignment;

/// A partition of one of our topics.
pub(super) type Partition = (Carries, i32);

/// Whom the membership is told to. It outlives consumers.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) assignment: watch::Sender<Assignment>,
    /// The same with domains: for the logs, whose shards are the sources.
    pub(super) sources: watch::Sender<BTreeSet<ShardRef>>,
}

/// The context of one consumer.
pub(super) struct Membership {
    domain: Domain,
    prefix: String,
    told: Arc<Told>,
    state: Mutex<State>,
    pulse: Arc<Pulse>,
}

#[derive(Debug)]
struct State {
    /// What is wanted is from before a loss, and is replaced by the next assignment.
    is_stale: bool,
    revoked: Vec<Partition>,
}

/// The part of librdkafka's statistics that is looked at.
#[derive(Deserialize)]
struct Statistics {
    cgrp: Option<Group>,
}

#[derive(Deserialize)]
struct Group {
    state: String,
    join_state: String,
    assignment_size: i64,
}

impl Told {
    /// Nobody is told anything by a consumer that does not exist: what was wanted stays.
    pub(super) fn lost(&self) {
        self.assignment
            .send_if_modified(|assignment| std::mem::take(&mut assignment.is_member));
    }
}

impl Membership {
    pub(super) fn new(domain: Domain, prefix: String, told: Arc<Told>, pulse: Arc<Pulse>) -> Self {
        Self {
            domain,
            prefix,
            told,
            state: Mutex::new(State {
                is_stale: true,
                revoked: Vec::new(),
            }),
            pulse,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The partitions that were taken away since the last call.
    pub(super) fn take_revoked(&self) -> Vec<Partition> {
        std::mem::take(&mut self.lock().revoked)
    }

    fn partitions(&self, list: &TopicPartitionList) -> Vec<Partition> {
        (list.elements().iter())
            .filter_map(|element| {
                let carries = topics::parse(&self.prefix, element.topic())?;
                Some((carries, element.partition()))
            })
            .collect()
    }

    fn shards(&self, partitions: &[Partition]) -> BTreeSet<ShardRef> {
        (partitions.iter())
            .filter_map(|(carries, partition)| topics::served(self.domain, *carries, *partition))
            .collect()
    }

    fn assigned(&self, partitions: &[Partition]) {
        let shards = self.shards(partitions);
        let replaces = std::mem::take(&mut self.lock().is_stale);
        self.tell(Some(true), |wanted| {
            if replaces {
                wanted.clear();
            }
            wanted.extend(shards);
        });
    }

    fn revoked(&self, partitions: Vec<Partition>, is_lost: bool) {
        let shards = self.shards(&partitions);
        let stays = is_lost && !self.pulse.is_leaving.load(Ordering::Acquire);
        {
            let mut state = self.lock();
            state.revoked.extend(partitions);
            state.is_stale |= stays;
        }
        let is_member = is_lost.then_some(false);
        self.tell(is_member, |wanted| {
            if !stays {
                wanted.retain(|shard| !shards.contains(shard));
            }
        });
    }

    fn looked_at(&self, group: &Group) {
        let is_steady = group.state == "up" && group.join_state == "steady";
        let is_stale = {
            let mut state = self.lock();
            // An assignment of nothing is not told by a rebalance.
            if is_steady && group.assignment_size == 0 && state.is_stale {
                state.is_stale = false;
                drop(state);
                self.tell(Some(true), BTreeSet::clear);
                return;
            }
            state.is_stale
        };
        if group.state != "up" {
            self.tell(Some(false), |_| {});
        } else if is_steady && !is_stale {
            self.tell(Some(true), |_| {});
        }
    }

    /// Changes what is told, and tells it if that makes a difference.
    fn tell(&self, is_member: Option<bool>, change: impl FnOnce(&mut BTreeSet<ShardRef>)) {
        if self.pulse.is_abandoned.load(Ordering::Acquire) {
            return;
        }
        let mut wanted = self.told.sources.borrow().clone();
        change(&mut wanted);
        let numbers: BTreeSet<u16> = match self.domain {
            // Shards of the logs are sources of several domains: their numbers alone say nothing.
            Domain::Logs => BTreeSet::new(),
            _ => wanted.iter().map(|shard| shard.shard).collect(),
        };
        self.told.sources.send_if_modified(|sources| {
            let differs = *sources != wanted;
            *sources = wanted;
            differs
        });
        self.told.assignment.send_if_modified(|assignment| {
            let new = Assignment {
                wanted: numbers,
                is_member: is_member.unwrap_or(assignment.is_member),
            };
            let differs = *assignment != new;
            *assignment = new;
            differs
        });
    }
}

impl ClientContext for Membership {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        clients::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "a consumer meets an error");
    }

    fn stats_raw(&self, statistics: &[u8]) {
        if let Ok(Statistics { cgrp: Some(group) }) = serde_json::from_slice(statistics) {
            self.looked_at(&group);
        }
    }
}

impl ConsumerContext for Membership {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(list) = rebalance {
            let is_leaving = self.pulse.is_leaving.load(Ordering::Acquire);
            let is_lost = consumer.assignment_lost() && !is_leaving;
            let partitions = self.partitions(list);
            tracing::info!(
                domain = self.domain.name(),
                count = partitions.len(),
                is_lost,
                "partitions are revoked"
            );
            self.revoked(partitions, is_lost);
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) => {
                // Users are told by nobody: their topic is read only to share out their shards.
                if self.domain == Domain::Auth
                    && let Err(error) = consumer.pause(list)
                {
                    tracing::debug!(%error, "partitions cannot be paused; their messages are dropped");
                }
                let partitions = self.partitions(list);
                tracing::info!(
                    domain = self.domain.name(),
                    count = partitions.len(),
                    "partitions are assigned"
                );
                self.assigned(&partitions);
            }
            Rebalance::Revoke(_) => {}
            Rebalance::Error(error) => tracing::warn!(%error, "a rebalance has failed"),
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        if let Err(error) = result {
            // Offsets are a hint.
            tracing::debug!(%error, "offsets were not committed");
        }
    }

    fn main_queue_min_poll_interval(&self) -> Timeout {
        Timeout::After(std::time::Duration::from_millis(100))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn membership(domain: Domain) -> Membership {
        Membership::new(
            domain,
            String::new(),
            Arc::new(Told {
                assignment: watch::Sender::new(Assignment::default()),
                sources: watch::Sender::new(BTreeSet::new()),
            }),
            Arc::new(Pulse::new()),
        )
    }

    fn inbox(partitions: &[i32]) -> Vec<Partition> {
        (partitions.iter())
            .map(|partition| (Carries::Inbox(Domain::Orders), *partition))
            .collect()
    }

    fn told(membership: &Membership) -> (Vec<u16>, bool) {
        let assignment = membership.told.assignment.borrow();
        (
            assignment.wanted.iter().copied().collect(),
            assignment.is_member,
        )
    }

    #[test]
    fn a_graceful_revocation_is_told_and_a_loss_is_not() {
        let membership = membership(Domain::Orders);
        membership.assigned(&inbox(&[0, 1]));
        membership.assigned(&inbox(&[2]));
        assert_eq!(told(&membership), (vec![0, 1, 2], true));
        membership.revoked(inbox(&[1]), false);
        assert_eq!(told(&membership), (vec![0, 2], true));
        membership.revoked(inbox(&[0, 2]), true);
        assert_eq!(told(&membership), (vec![0, 2], false));
        membership.assigned(&inbox(&[2, 3]));
        assert_eq!(told(&membership), (vec![2, 3], true));
        assert_eq!(membership.take_revoked(), inbox(&[1, 0, 2]));
    }

    #[test]
    fn a_broker_that_is_gone_for_a_moment_changes_nothing_but_membership() {
        let membership = membership(Domain::Orders);
        membership.assigned(&inbox(&[0]));
        let mut group = Group {
            state: "query-coord".to_owned(),
            join_state: "steady".to_owned(),
            assignment_size: 1,
        };
        membership.looked_at(&group);
        assert_eq!(told(&membership), (vec![0], false));
        group.state = "up".to_owned();
        membership.looked_at(&group);
        assert_eq!(told(&membership), (vec![0], true));
    }

    #[test]
    fn an_empty_assignment_after_a_loss_takes_everything() {
        let membership = membership(Domain::Orders);
        membership.assigned(&inbox(&[0]));
        membership.revoked(inbox(&[0]), true);
        membership.looked_at(&Group {
            state: "up".to_owned(),
            join_state: "steady".to_owned(),
            assignment_size: 0,
        });
        assert_eq!(told(&membership), (vec![], true));
    }

    #[test]
    fn a_consumer_that_was_replaced_says_nothing() {
        let membership = membership(Domain::Orders);
        membership.assigned(&inbox(&[0]));
        membership.pulse.is_abandoned.store(true, Ordering::Release);
        membership.revoked(inbox(&[0]), false);
        assert_eq!(told(&membership), (vec![0], true));
    }

    #[test]
    fn the_logs_are_told_sources() {
        let membership = membership(Domain::Logs);
        membership.assigned(&[
            (Carries::Public(Domain::Orders), 1),
            (Carries::Public(Domain::Auth), 1),
        ]);
        assert_eq!(membership.told.sources.borrow().len(), 2);
        assert_eq!(told(&membership), (vec![], true));
    }
}
