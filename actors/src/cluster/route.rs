//! The way to a shard: here if it is open in this process, else at its owner's, else wait a little and look again.

use std::time::{Duration, Instant};

use domain::ShardRef;
use tokio::time::sleep;

use super::Cluster;

/// How long a shard that nobody serves is waited for.
pub(crate) const ROUTE_WAIT_MAX: Duration = Duration::from_secs(2);
/// The pause before a shard is looked for again.
const STEP: Duration = Duration::from_millis(50);

/// Where a shard is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In this process.
    Here,
    /// At this address.
    At(String),
}

/// Leads to a shard, from place to place while it is refused there.
pub(crate) struct Route<'a> {
    cluster: &'a Cluster,
    shard: ShardRef,
    begun: Instant,
    /// Where the last place sent us.
    hint: Option<String>,
    /// Whether the last place was one that another had sent us to.
    was_hinted: bool,
    was_refused: bool,
}

impl<'a> Route<'a> {
    pub(crate) fn new(cluster: &'a Cluster, shard: ShardRef) -> Self {
        Self {
            cluster,
            shard,
            begun: Instant::now(),
            hint: None,
            was_hinted: false,
            was_refused: false,
        }
    }

    /// Notes that the last place does not serve the shard, and whom it named instead.
    pub(crate) fn refused(&mut self, owner: Option<String>) {
        // Two that send us to each other are not followed to and fro.
        self.hint = owner.filter(|_| !self.was_hinted);
        self.was_refused = true;
    }

    /// The next place to try; `None` when the time is up.
    pub(crate) async fn next(&mut self) -> Option<Place> {
        if let Some(address) = self.hint.take() {
            self.was_hinted = true;
            return Some(Place::At(address));
        }
        self.was_hinted = false;
        let mut is_to_wait = std::mem::take(&mut self.was_refused);
        loop {
            if is_to_wait {
                if self.begun.elapsed() >= ROUTE_WAIT_MAX {
                    return None;
                }
                futures::future::join(sleep(STEP), self.cluster.directory.refresh()).await;
            }
            if let Some(place) = self.place() {
                return Some(place);
            }
            is_to_wait = true;
        }
    }

    /// Where the shard is served now, as far as is known.
    pub(crate) fn place(&self) -> Option<Place> {
        let Cluster {
            node,
            directory,
            stats,
            ..
        } = self.cluster;
        if stats.is_serving(self.shard) {
            return Some(Place::Here);
        }
        let owner = directory.owner(self.shard)?;
        (owner.node.as_str() != node.as_ref()).then_some(Place::At(owner.address))
    }
}
