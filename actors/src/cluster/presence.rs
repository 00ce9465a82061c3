//! Says once a second that this process is alive, where it is and how it is.

use std::time::Duration;

use domain::{Domain, Timestamp};
use storage::{Directory, DirectoryView, NodeRecord};
use tokio::{sync::watch, time::MissedTickBehavior};

use crate::system::{System, status_of};

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
        if let Some(cluster) = &system.cluster
            && has_successor(
                &cluster.directory.view().view,
                &identity.node,
                system.started_at,
            )
        {
            let reason = format!(
                "another process has started as node {} since; each needs a name of its own (node.name)",
                identity.node
            );
            (system.env.on_fatal)(reason);
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

/// Whether a process of the same name has started later. Two of them would take each other's shards for ever.
fn has_successor(view: &DirectoryView, node: &str, started_at: Timestamp) -> bool {
    let of_this_name = view.nodes.iter().filter(|entry| entry.node.name == node);
    of_this_name
        .filter_map(status_of)
        .any(|status| status.started_at > started_at)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use storage::NodeEntry;

    use super::*;
    use crate::system::{NodeStatus, WriterStatus};

    fn view_with(name: &str, started_at: i64) -> DirectoryView {
        let status = NodeStatus {
            version: String::new(),
            started_at: Timestamp::from_millis(started_at),
            is_stopping: false,
            shards: Vec::new(),
            actors: Vec::new(),
            writer: WriterStatus::default(),
            feed: BTreeMap::new(),
            threads: Default::default(),
            faults_allowed: false,
            faults: Vec::new(),
        };
        let node = NodeRecord {
            name: name.to_owned(),
            address: String::new(),
            domains: Vec::new(),
            status: serde_json::to_value(status).unwrap_or_default(),
        };
        DirectoryView {
            nodes: vec![NodeEntry {
                node,
                age: Duration::ZERO,
            }],
            owners: Vec::new(),
        }
    }

    #[test]
    fn the_later_of_two_namesakes_is_the_one_that_stays() {
        let me = Timestamp::from_millis(5);
        assert!(has_successor(&view_with("a", 6), "a", me));
        assert!(!has_successor(&view_with("a", 5), "a", me), "that is me");
        assert!(!has_successor(&view_with("a", 4), "a", me));
        assert!(!has_successor(&view_with("b", 6), "a", me));
    }
}
