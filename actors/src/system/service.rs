//! What can be asked of the shop itself.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use domain::{Domain, ShardRef, Timestamp, parking::ParkedCommand};
#[cfg(feature = "fault-injection")]
use futures::future::BoxFuture;
use storage::Views;
use tokio::sync::oneshot;

use crate::{
    Unavailable,
    auth::UserHost,
    error::storage,
    notifications::NotificationHost,
    orders::OrderHost,
    products::ProductHost,
    runtime::{
        Env, Host,
        messages::{DealWithParked, Inspect, Inspection, ParkedAction},
        policy,
        shards::{ANSWER_WAIT_MAX, Shards, shard_ref},
    },
};

/// What the process is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Shards are being claimed for the first time.
    Starting,
    /// Every shard is served.
    Serving,
    /// Some shard is not served: it is being claimed and loaded again.
    Recovering,
    /// No new work is taken on; what was accepted is being finished.
    Stopping,
}

impl Phase {
    /// Its stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Serving => "serving",
            Self::Recovering => "recovering",
            Self::Stopping => "stopping",
        }
    }
}

/// Whether requests can be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// What the process is doing; ready only while it is serving.
    pub phase: Phase,
    /// Shards that are served.
    pub shards_serving: usize,
    /// Shards that there are.
    pub shards_total: usize,
}

/// One shard.
#[derive(Clone, Debug)]
pub struct ShardStatus {
    /// Which.
    pub shard: ShardRef,
    /// The node that serves it.
    pub owner: String,
    /// Its epoch.
    pub epoch: u64,
    /// Whether it is being served.
    pub serving: bool,
    /// Aggregates in memory, each an actor.
    pub actors: usize,
    /// Turns that have begun and are not committed.
    pub turns_pending: usize,
    /// Readings of a source's journal that were needed because a record was missing.
    pub healings: u64,
    /// Times the shard itself was restarted.
    pub restarts: u64,
}

/// All actors of one kind.
#[derive(Clone, Debug)]
pub struct ActorKindStatus {
    /// The kind.
    pub kind: &'static str,
    /// How many are in memory.
    pub running: usize,
    /// How often one of them was restarted.
    pub restarts: u64,
    /// Messages that fit the mailbox of one.
    pub mailbox_capacity: usize,
    /// The most messages found waiting in one of them, now.
    pub mailbox_depth_max: usize,
}

/// The journal writer.
#[derive(Clone, Debug)]
pub struct WriterStatus {
    /// Its generation: one more than the number of failed commits.
    pub generation: u64,
    /// Transactions so far.
    pub commits: u64,
    /// Records so far.
    pub records: u64,
    /// Entries that wait for the next transaction.
    pub gathered: usize,
}

/// A parked command.
#[derive(Clone, Debug)]
pub struct ParkedStatus {
    /// By which it is retried or discarded, such as `products-17`.
    pub id: String,
    /// The shard that parked it.
    pub shard: ShardRef,
    /// When.
    pub parked_at: Timestamp,
    /// What.
    pub command: ParkedCommand,
}

/// Everything about the shop itself.
#[derive(Clone, Debug)]
pub struct SystemStatus {
    /// This node's name.
    pub node: String,
    /// The program's version.
    pub version: &'static str,
    /// Since when it runs.
    pub started_at: Timestamp,
    /// Whether requests can be served.
    pub readiness: Readiness,
    /// Its shards.
    pub shards: Vec<ShardStatus>,
    /// Its actors.
    pub actors: Vec<ActorKindStatus>,
    /// The writer of its journals.
    pub writer: WriterStatus,
    /// Parked commands, oldest first, the first 200.
    pub parked: Vec<ParkedStatus>,
}

/// Why a parked command could not be retried or discarded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParkedError {
    /// There is none of that id.
    #[error("there is no such parked command")]
    NotFound,
    /// An older one about the same order and aggregate has to be dealt with first.
    #[error("parked command {first} about the same order has to be dealt with first")]
    NotFirst {
        /// Which one.
        first: String,
    },
    /// Its handler failed again; it stays parked.
    #[error("the command failed again: {error}")]
    FailedAgain {
        /// How.
        error: String,
    },
    /// It could not be carried out.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// A fault to inject, in builds made for tests.
#[cfg(feature = "fault-injection")]
#[derive(Clone, Debug)]
pub enum Fault {
    /// Handlers panic.
    Panic {
        /// The kind of actor: `order`, `product`, `user`, `notification`.
        actor: String,
        /// Only this aggregate.
        id: Option<u64>,
        /// Only commands whose `Debug` text contains this.
        matching: Option<String>,
        /// So many times; `None`: until cleared.
        times: Option<u32>,
    },
    /// So many commits fail after being rolled back.
    CommitFailure {
        /// How many.
        times: u32,
    },
    /// Every write fails because the disk is full, until cleared.
    DiskFull,
    /// The feed misbehaves, each with this probability per message, until cleared.
    Feed {
        /// Lost.
        drop: f64,
        /// Delivered twice.
        double: f64,
        /// Delivered after later ones.
        reorder: f64,
    },
}

/// The id under which operators know a parked command.
#[must_use]
pub(crate) fn parked_id(shard: ShardRef, id: u64) -> String {
    format!("{}-{id}", shard.domain.name())
}

/// The most parked commands that a status lists.
const PARKED_LISTED_MAX: usize = 200;
/// How long a shard has to say how it is.
const INSPECTION_WAIT: Duration = Duration::from_secs(2);

/// The shop itself.
#[derive(Clone)]
pub struct System {
    pub(crate) node: Arc<str>,
    pub(crate) env: Env,
    pub(crate) views: Arc<dyn Views>,
    pub(crate) started_at: Timestamp,
    pub(crate) users: Shards<UserHost>,
    pub(crate) orders: Shards<OrderHost>,
    pub(crate) products: Shards<ProductHost>,
    pub(crate) notifications: Shards<NotificationHost>,
    #[cfg(feature = "fault-injection")]
    pub(crate) storage_faults: Arc<dyn Fn(Option<Fault>) -> BoxFuture<'static, ()> + Send + Sync>,
}

impl System {
    /// Whether requests can be served.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let shards = self.env.stats.shards();
        let shards_total = self.env.topology.journals().count();
        let shards_serving = shards.values().filter(|shard| shard.serving).count();
        let has_begun = shards.values().any(|shard| shard.epoch > 0)
            && self.env.stats.commits.load(Ordering::Relaxed) > 0;
        let phase = if self.env.is_stopping.load(Ordering::Acquire) {
            Phase::Stopping
        } else if shards_serving == shards_total {
            Phase::Serving
        } else if has_begun {
            Phase::Recovering
        } else {
            Phase::Starting
        };
        Readiness {
            phase,
            shards_serving,
            shards_total,
        }
    }

    /// Everything about the shop itself.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn status(&self) -> Result<SystemStatus, Unavailable> {
        let mut shards = Vec::new();
        let mut actors = Vec::new();
        self.inspect(&self.users, Domain::Auth, &mut shards, &mut actors)
            .await;
        self.inspect(&self.orders, Domain::Orders, &mut shards, &mut actors)
            .await;
        self.inspect(&self.products, Domain::Products, &mut shards, &mut actors)
            .await;
        self.inspect(
            &self.notifications,
            Domain::Notifications,
            &mut shards,
            &mut actors,
        )
        .await;
        actors.push(ActorKindStatus {
            kind: policy::SHARD.kind,
            running: shards.len(),
            restarts: self.env.stats.restarts(policy::SHARD.kind),
            mailbox_capacity: policy::SHARD.mailbox_capacity,
            mailbox_depth_max: shards
                .iter()
                .map(|shard| shard.turns_pending)
                .max()
                .unwrap_or(0),
        });
        let parked = self
            .views
            .all_parked(PARKED_LISTED_MAX)
            .await
            .map_err(storage)?;
        let stats = &self.env.stats;
        Ok(SystemStatus {
            node: self.node.to_string(),
            version: env!("CARGO_PKG_VERSION"),
            started_at: self.started_at,
            readiness: self.readiness(),
            shards,
            actors,
            writer: WriterStatus {
                generation: stats.generation.load(Ordering::Relaxed),
                commits: stats.commits.load(Ordering::Relaxed),
                records: stats.records.load(Ordering::Relaxed),
                gathered: stats.gathered.load(Ordering::Relaxed),
            },
            parked: parked
                .into_iter()
                .map(|row| ParkedStatus {
                    id: parked_id(row.shard, row.command.id),
                    shard: row.shard,
                    parked_at: row.parked_at,
                    command: row.command,
                })
                .collect(),
        })
    }

    async fn inspect<H: Host>(
        &self,
        of_domain: &Shards<H>,
        domain: Domain,
        shards: &mut Vec<ShardStatus>,
        actors: &mut Vec<ActorKindStatus>,
    ) {
        let known = self.env.stats.shards();
        let (mut running, mut depth_max) = (0, 0);
        for (index, address) in of_domain.all().iter().enumerate() {
            let shard = shard_ref(domain, index);
            // A shard that does not answer shows as empty; whether it serves is known without asking it.
            let inspection =
                match tokio::time::timeout(INSPECTION_WAIT, address.send(Inspect)).await {
                    Ok(Ok(inspection)) => inspection,
                    _ => Inspection::default(),
                };
            running += inspection.actors;
            depth_max = depth_max.max(inspection.mailbox_depth_max);
            let stats = known.get(&shard).cloned().unwrap_or_default();
            shards.push(ShardStatus {
                shard,
                owner: self.node.to_string(),
                epoch: stats.epoch,
                serving: stats.serving,
                actors: inspection.actors,
                turns_pending: inspection.turns_pending,
                healings: stats.healings,
                restarts: stats.restarts,
            });
        }
        actors.push(ActorKindStatus {
            kind: H::POLICY.kind,
            running,
            restarts: self.env.stats.restarts(H::POLICY.kind),
            mailbox_capacity: H::POLICY.mailbox_capacity,
            mailbox_depth_max: depth_max,
        });
    }

    /// Handles a parked command once more.
    ///
    /// # Errors
    /// [`ParkedError`].
    pub async fn retry_parked(&self, id: &str) -> Result<(), ParkedError> {
        self.deal_with_parked(id, ParkedAction::Retry).await
    }

    /// Gives a parked command up.
    ///
    /// # Errors
    /// [`ParkedError`].
    pub async fn discard_parked(&self, id: &str) -> Result<(), ParkedError> {
        self.deal_with_parked(id, ParkedAction::Discard).await
    }

    async fn deal_with_parked(&self, id: &str, action: ParkedAction) -> Result<(), ParkedError> {
        let row = self
            .views
            .all_parked(usize::MAX)
            .await
            .map_err(storage)?
            .into_iter()
            .find(|row| parked_id(row.shard, row.command.id) == id)
            .ok_or(ParkedError::NotFound)?;
        let (reply, reply_end) = oneshot::channel();
        let message = DealWithParked {
            id: row.command.id,
            action,
            reply,
        };
        let shard = row.shard.shard;
        let sent = match row.shard.domain {
            Domain::Auth => self.users.address(shard)?.try_send(message).is_ok(),
            Domain::Orders => self.orders.address(shard)?.try_send(message).is_ok(),
            Domain::Products => self.products.address(shard)?.try_send(message).is_ok(),
            Domain::Notifications => self.notifications.address(shard)?.try_send(message).is_ok(),
            Domain::Payments | Domain::Logs => false,
        };
        if !sent {
            return Err(Unavailable::Busy.into());
        }
        match tokio::time::timeout(ANSWER_WAIT_MAX, reply_end).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => Err(Unavailable::CommitFailed.into()),
        }
    }

    /// Injects a fault.
    #[cfg(feature = "fault-injection")]
    pub async fn inject(&self, fault: Fault) {
        match fault {
            Fault::CommitFailure { .. } | Fault::DiskFull => {
                (self.storage_faults)(Some(fault)).await;
            }
            fault => self.env.faults.inject(fault),
        }
    }

    /// Ends all injected faults.
    #[cfg(feature = "fault-injection")]
    pub async fn clear_faults(&self) {
        self.env.faults.clear();
        (self.storage_faults)(None).await;
    }
}
