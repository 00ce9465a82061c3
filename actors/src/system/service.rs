//! What can be asked of the shop itself.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use domain::{Domain, ShardRef, Timestamp};
#[cfg(feature = "fault-injection")]
use futures::future::BoxFuture;
use storage::Views;

use super::status::{self, Node, ParkedStatus, Phase, Readiness, SystemStatus};
use super::{Fault, FaultError};
use crate::{
    Unavailable,
    auth::UserHost,
    cluster::{Cluster, Peers, directory::Reading, peers::Failure},
    error::storage,
    metrics::{self, Exposition, Registry},
    notifications::NotificationHost,
    orders::OrderHost,
    products::ProductHost,
    runtime::{Env, messages::ParkedAction, shards::Shards},
};

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

/// The id under which operators know a parked command.
#[must_use]
pub(crate) fn parked_id(shard: ShardRef, id: u64) -> String {
    format!("{}-{id}", shard.domain.name())
}

/// The most parked commands that a status lists.
const PARKED_LISTED_MAX: usize = 200;

/// The shop itself.
#[derive(Clone)]
pub struct System {
    pub(crate) node: Arc<str>,
    pub(crate) env: Env,
    pub(crate) views: Arc<dyn Views>,
    pub(crate) started_at: Timestamp,
    /// The way to other nodes; `None` in a shop of one process.
    pub(crate) cluster: Option<Cluster>,
    pub(crate) users: Shards<UserHost>,
    pub(crate) orders: Shards<OrderHost>,
    pub(crate) products: Shards<ProductHost>,
    pub(crate) notifications: Shards<NotificationHost>,
    #[cfg(feature = "fault-injection")]
    pub(crate) storage_faults: Arc<dyn Fn(Option<Fault>) -> BoxFuture<'static, ()> + Send + Sync>,
}

impl System {
    /// Whether requests can be served: every shard of the shop by some node.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        if self.is_stopping() {
            return Readiness {
                phase: Phase::Stopping,
                ..self.readiness_unless_stopping()
            };
        }
        self.readiness_unless_stopping()
    }

    /// Whether this process takes on no new work.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.env.is_stopping.load(Ordering::Acquire)
    }

    fn readiness_unless_stopping(&self) -> Readiness {
        if let Some(cluster) = &self.cluster {
            let reading = cluster.directory.view();
            let view = &reading.view;
            let nodes = self.nodes_alive(&reading);
            return status::readiness_of(&status::shards_of(view, &nodes, &self.env.topology));
        }
        let shards = self.env.stats.shards();
        let shards_total = self.env.topology.journals().count();
        let shards_serving = shards.values().filter(|shard| shard.serving).count();
        let has_begun = shards.values().any(|shard| shard.epoch > 0)
            && self.env.stats.commits.load(Ordering::Relaxed) > 0;
        let phase = if shards_serving == shards_total {
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

    /// The nodes that are alive, as far as a reading of the directory tells.
    fn nodes_alive(&self, reading: &Reading) -> Vec<Node> {
        let read_ago = reading.age().unwrap_or_default();
        let known_for = self.env.clock.uptime().saturating_sub(read_ago);
        status::nodes_alive(&reading.view, read_ago, known_for)
    }

    /// Everything about the shop itself. Of other nodes it is what they said last, at most some seconds ago.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn status(&self) -> Result<SystemStatus, Unavailable> {
        let parked = self
            .views
            .all_parked(PARKED_LISTED_MAX)
            .await
            .map_err(storage)?;
        let (nodes, shards) = match &self.cluster {
            Some(cluster) => {
                let reading = cluster.directory.view();
                let view = &reading.view;
                let nodes = self.nodes_alive(&reading);
                let shards = status::shards_of(view, &nodes, &self.env.topology);
                (nodes, shards)
            }
            None => {
                let status = self.node_status().await;
                let shards = status.shards.clone();
                let node = Node {
                    name: self.node.to_string(),
                    address: None,
                    domains: Domain::ALL.map(Domain::name).to_vec(),
                    age: Duration::ZERO,
                    readiness: self.readiness(),
                    status,
                };
                (vec![node], shards)
            }
        };
        Ok(SystemStatus {
            faults_allowed: self.allows_faults(),
            actors: status::actors_of(&nodes),
            nodes,
            shards,
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

    /// What this process is and has measured, in the words of Prometheus; `more` adds what others have measured.
    pub async fn metrics(&self, more: impl FnOnce(&mut Registry)) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Exposition {
            status: self.node_status().await,
            stats: self.env.stats.clone(),
        }));
        more(&mut registry);
        let mut text = String::new();
        if metrics::encode(&mut text, &registry).is_err() {
            tracing::error!("metrics cannot be written down");
        }
        text
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
        let (shard, id) = (row.shard.shard, row.command.id);
        match row.shard.domain {
            Domain::Auth => self.users.deal_with_parked(shard, id, action).await,
            Domain::Orders => self.orders.deal_with_parked(shard, id, action).await,
            Domain::Products => self.products.deal_with_parked(shard, id, action).await,
            Domain::Notifications => self.notifications.deal_with_parked(shard, id, action).await,
            Domain::Payments | Domain::Logs => Err(ParkedError::NotFound),
        }
    }

    /// Injects a fault: into one node, or into this process and every other node that was heard of lately. One that
    /// cannot be reached is left out then; the log says so. [`Fault::Exit`] without a node is for this process alone.
    ///
    /// # Errors
    /// [`FaultError`].
    pub async fn inject(&self, fault: Fault, node: Option<&str>) -> Result<(), FaultError> {
        if !self.env.faults.are_allowed() {
            return Err(FaultError::NotAllowed);
        }
        let is_for_this = node.is_none_or(|node| node == self.node.as_ref());
        let is_for_others = !matches!((&fault, node), (Fault::Exit { .. }, None));
        if let Some(cluster) = &self.cluster
            && is_for_others
            && !(node.is_some() && is_for_this)
        {
            let asked = self.inject_elsewhere(cluster, &fault, node).await;
            if node.is_some() {
                return asked;
            }
        } else if !is_for_this {
            return Err(FaultError::UnknownNode);
        }
        self.inject_here(fault).await;
        Ok(())
    }

    async fn inject_elsewhere(
        &self,
        cluster: &Cluster,
        fault: &Fault,
        node: Option<&str>,
    ) -> Result<(), FaultError> {
        let json = serde_json::to_string(fault).map_err(|error| {
            tracing::error!(%error, "a fault cannot be written as json");
            Unavailable::NotServing
        })?;
        let asked = self.on_nodes(cluster, node, |peers, address| {
            let json = json.clone();
            async move { peers.inject_fault(&address, json).await }
        });
        match asked.await.into_iter().next() {
            None => Err(FaultError::UnknownNode),
            Some(Err(Failure::Unavailable(reason))) => Err(reason.into()),
            Some(Err(Failure::Refused { .. })) => Err(Unavailable::NotServing.into()),
            Some(Ok(())) => Ok(()),
        }
    }

    /// Ends all injected faults, in this process and in every other node that was heard of lately.
    ///
    /// # Errors
    /// [`FaultError::NotAllowed`].
    pub async fn clear_faults(&self) -> Result<(), FaultError> {
        if !self.env.faults.are_allowed() {
            return Err(FaultError::NotAllowed);
        }
        if let Some(cluster) = &self.cluster {
            self.on_nodes(cluster, None, |peers, address| async move {
                peers.clear_faults(&address).await
            })
            .await;
        }
        self.clear_faults_here().await;
        Ok(())
    }

    /// Asks something of every other node that was heard of lately, or of the one with this name.
    async fn on_nodes<F>(
        &self,
        cluster: &Cluster,
        only: Option<&str>,
        ask: impl Fn(Peers, String) -> F,
    ) -> Vec<Result<(), Failure>>
    where
        F: Future<Output = Result<(), Failure>>,
    {
        let reading = cluster.directory.view();
        let others = reading
            .nodes_alive()
            .filter(|node| node.name != *self.node && only.is_none_or(|only| node.name == only))
            .map(|node| async {
                let asked = ask(cluster.peers.clone(), node.address.clone()).await;
                if let Err(error) = &asked {
                    tracing::warn!(node = node.name, %error, "a node does not take a fault");
                }
                asked
            });
        futures::future::join_all(others).await
    }

    /// Whether this process allows faults to be injected.
    #[must_use]
    pub fn allows_faults(&self) -> bool {
        self.env.faults.are_allowed()
    }

    /// Injects a fault into this process, which allows it.
    pub(crate) async fn inject_here(&self, fault: Fault) {
        tracing::warn!(?fault, "a fault is injected");
        match fault {
            #[cfg(feature = "fault-injection")]
            Fault::CommitFailure { .. } | Fault::DiskFull => {
                (self.storage_faults)(Some(fault)).await;
            }
            Fault::Exit { after_ms } => {
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(after_ms.into())).await;
                    // As if it was killed: nothing is finished, nobody is told.
                    std::process::abort();
                });
            }
            fault => self.env.faults.inject(fault),
        }
    }

    /// Ends the faults of this process.
    pub(crate) async fn clear_faults_here(&self) {
        self.env.faults.clear();
        #[cfg(feature = "fault-injection")]
        (self.storage_faults)(None).await;
        #[cfg(not(feature = "fault-injection"))]
        std::future::ready(()).await;
    }
}
