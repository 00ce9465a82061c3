//! Says once a second that this process is alive, where it is and how it is.

use std::time::Duration;

use domain::Domain;
use storage::{Directory, NodeRecord};
use tokio::{sync::watch, time::MissedTickBehavior};

use crate::system::System;

/// How often.
const EVERY: Duration = Duration::from_secs(1);
/// How long the directory has to take it.
const ANNOUNCE_WAIT: Duration = Duration::from_secs(3);

/// What a process says of itself beside its state.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// Its name.
    pub(crate) node: String,
    /// Where others reach it, `http://host:port`.
    pub(crate) address: String,
    /// The domains that it hosts.
    pub(crate) domains: Vec<Domain>,
}

/// Announces this process until `stop` says so, and then withdraws it.
pub(crate) async fn run(
    directory: std::sync::Arc<dyn Directory>,
    identity: Identity,
    system: System,
    mut stop: watch::Receiver<bool>,
) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = every.tick() => {}
            _ = stop.wait_for(|stop| *stop) => break,
        }
        let status = serde_json::to_value(system.node_status().await).unwrap_or_default();
        let record = NodeRecord {
            name: identity.node.clone(),
            address: identity.address.clone(),
            domains: identity.domains.clone(),
            status,
        };
        match tokio::time::timeout(ANNOUNCE_WAIT, directory.announce(&record)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "this node cannot be announced in the directory");
            }
            Err(_) => tracing::warn!("the directory does not answer"),
        }
    }
    if let Ok(Err(error)) =
        tokio::time::timeout(ANNOUNCE_WAIT, directory.withdraw(&identity.node)).await
    {
        tracing::warn!(%error, "this node cannot be withdrawn from the directory");
    }
}
