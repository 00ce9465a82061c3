//! How the shop is, as operators see it, and as nodes tell each other through the directory.

use std::{collections::BTreeMap, time::Duration};

use domain::{ShardRef, Timestamp, Topology, parking::ParkedCommand};
use engine::Policy;
use serde::{Deserialize, Serialize};
use storage::{DirectoryView, NodeEntry};

use super::Fault;

/// What a process, or the whole shop, is doing.
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
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShardStatus {
    /// Which.
    pub shard: ShardRef,
    /// The node that serves it; empty while none does.
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
    /// Incoming links that are held by a record which cannot be taken up.
    pub held_links: usize,
    /// Which ones, by which record, and why.
    #[serde(default)]
    pub held: Vec<HeldLinkStatus>,
    /// Turns that fit it: beyond them commands are refused.
    #[serde(default)]
    pub turns_capacity: usize,
    /// The most turns that ever were pending, since its actor was started.
    #[serde(default)]
    pub turns_peak: usize,
    /// Messages and commands that were refused because it, its mailbox or their aggregate was full.
    #[serde(default)]
    pub refused: u64,
    /// The most that one of its links lags behind what is known to exist, in positions of the source's journal.
    #[serde(default)]
    pub link_lag_max: u64,
    /// Commands that are parked.
    #[serde(default)]
    pub parked: usize,
    /// Aggregates whose wait has ended, and that still wait.
    #[serde(default)]
    pub overdue: usize,
    /// Some of those, and why they still wait.
    #[serde(default)]
    pub stuck: Vec<StuckStatus>,
}

/// An aggregate whose wait has ended, and that still waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StuckStatus {
    /// Which.
    pub id: u64,
    /// The shards from which an answer may still be on its way: it is not given up before they are confirmed.
    pub unconfirmed: Vec<ShardRef>,
    /// Whether it was told that its wait is over, and could not act on that.
    pub was_told: bool,
}

/// A link that is held by a record which cannot be taken up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldLinkStatus {
    /// Whose record.
    pub source: ShardRef,
    /// Its position there.
    pub position: u64,
    /// Why it cannot be taken up.
    pub error: String,
}

impl ShardStatus {
    /// A shard that nobody serves.
    fn unserved(shard: ShardRef) -> Self {
        Self {
            shard,
            owner: String::new(),
            epoch: 0,
            serving: false,
            actors: 0,
            turns_pending: 0,
            healings: 0,
            restarts: 0,
            held_links: 0,
            held: Vec::new(),
            link_lag_max: 0,
            turns_capacity: 0,
            turns_peak: 0,
            refused: 0,
            parked: 0,
            overdue: 0,
            stuck: Vec::new(),
        }
    }
}

/// All actors of one kind.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ActorKindStatus {
    /// The kind.
    pub kind: String,
    /// How many are in memory.
    pub running: usize,
    /// How often one of them was restarted.
    pub restarts: u64,
    /// Messages that fit the mailbox of one.
    pub mailbox_capacity: usize,
    /// The most messages found waiting in one of them, now.
    pub mailbox_depth_max: usize,
    /// The most messages that ever waited in one of them, since its shard's actor was started.
    #[serde(default)]
    pub mailbox_depth_peak: usize,
    /// The restarts, by cause: `panicked`, `gone`, `frozen`, `commit_failed`, `escalated`.
    #[serde(default)]
    pub restarts_by_cause: BTreeMap<String, u64>,
    /// How often the restart budget of one of them was used up.
    #[serde(default)]
    pub escalations: u64,
    /// How often one of them was found frozen.
    #[serde(default)]
    pub frozen: u64,
    /// Their restart budget.
    #[serde(default)]
    pub budget: BudgetStatus,
}

/// A restart budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetStatus {
    /// The most restarts of one actor within the window that ends now.
    pub used_max: usize,
    /// Restarts of one actor that are allowed within the window.
    pub allowed: usize,
    /// The window, in milliseconds.
    pub window_ms: u64,
}

impl BudgetStatus {
    /// Of a row of the supervision table.
    pub(crate) fn new(policy: &Policy, used_max: usize) -> Self {
        Self {
            used_max,
            allowed: policy.restarts_max,
            window_ms: u64::try_from(policy.window.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// The threads that serve shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadStatus {
    /// Threads that were found frozen and replaced, since the start.
    pub replaced: u64,
    /// How many may be replaced within which time, all together.
    pub budget: BudgetStatus,
}

/// The journal writers of a node.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct WriterStatus {
    /// One more than the number of failed commits.
    pub generation: u64,
    /// Transactions so far.
    pub commits: u64,
    /// Records so far.
    pub records: u64,
    /// Entries that wait for the next transaction.
    pub gathered: usize,
}

/// What a node says of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NodeStatus {
    /// The program's version.
    pub version: String,
    /// Since when it runs.
    pub started_at: Timestamp,
    /// Whether it is stopping.
    pub is_stopping: bool,
    /// The shards of the domains that it hosts, also those that it does not serve.
    pub shards: Vec<ShardStatus>,
    /// Its actors.
    pub actors: Vec<ActorKindStatus>,
    /// The writers of its journals.
    pub writer: WriterStatus,
    /// Counters of the feed between nodes, by name.
    #[serde(default)]
    pub feed: BTreeMap<String, u64>,
    /// The threads that serve shards.
    #[serde(default)]
    pub threads: ThreadStatus,
    /// Whether its configuration allows faults to be injected.
    #[serde(default)]
    pub faults_allowed: bool,
    /// The faults that are in force.
    #[serde(default)]
    pub faults: Vec<Fault>,
}

/// A node, as the shop's status shows it.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Where other nodes reach it; `None` in a shop of one process.
    pub address: Option<String>,
    /// The domains that it hosts.
    pub domains: Vec<&'static str>,
    /// How long ago it was heard of.
    pub age: Duration,
    /// Whether the shards that it serves are all serving.
    pub readiness: Readiness,
    /// What it says of itself.
    pub status: NodeStatus,
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
    /// Whether the process that was asked allows faults to be injected.
    pub faults_allowed: bool,
    /// Its nodes.
    pub nodes: Vec<Node>,
    /// Its shards.
    pub shards: Vec<ShardStatus>,
    /// Its actors.
    pub actors: Vec<ActorKindStatus>,
    /// Parked commands, oldest first, the first 200.
    pub parked: Vec<ParkedStatus>,
}

/// A node that was not heard of for so long is not shown, and what it served counts as not served.
const GONE_AFTER: Duration = Duration::from_secs(5);

/// What a node in the directory says of itself; `None` if it is of a version that says it otherwise.
pub(crate) fn status_of(entry: &NodeEntry) -> Option<NodeStatus> {
    serde_json::from_value(entry.node.status.clone()).ok()
}

/// The nodes of a directory that were heard of lately enough, and within `known_for` before it was read: what was said
/// before this process knew anything may have been said by processes that are gone. What was read long ago says nothing.
pub(crate) fn nodes_alive(
    view: &DirectoryView,
    read_ago: Duration,
    known_for: Duration,
) -> Vec<Node> {
    let heard_of = known_for.min(GONE_AFTER.saturating_sub(read_ago));
    let alive = view.nodes.iter().filter(|entry| entry.age < heard_of);
    alive
        .filter_map(|entry| Some((entry, status_of(entry)?)))
        .map(|(entry, status)| {
            let name = entry.node.name.clone();
            let is_mine = |shard: &&ShardStatus| shard.owner == name;
            let mine = status.shards.iter().filter(is_mine);
            let serving = mine.clone().filter(|shard| shard.serving).count();
            let total = mine.count();
            Node {
                address: Some(entry.node.address.clone()),
                domains: entry.node.domains.iter().map(|it| it.name()).collect(),
                age: entry.age,
                readiness: Readiness {
                    phase: if status.is_stopping {
                        Phase::Stopping
                    } else if serving == total {
                        Phase::Serving
                    } else {
                        Phase::Recovering
                    },
                    shards_serving: serving,
                    shards_total: total,
                },
                name,
                status,
            }
        })
        .collect()
}

/// Every shard of the shop as its owner tells of it.
pub(crate) fn shards_of(
    view: &DirectoryView,
    nodes: &[Node],
    topology: &Topology,
) -> Vec<ShardStatus> {
    let mut shards: BTreeMap<ShardRef, ShardStatus> = topology
        .journals()
        .map(|shard| (shard, ShardStatus::unserved(shard)))
        .collect();
    for owner in &view.owners {
        if let (Some(shard), Some(name)) = (shards.get_mut(&owner.shard), &owner.owner) {
            let node = nodes.iter().find(|node| node.name == *name);
            let told = node.and_then(|node| {
                let told = node.status.shards.iter();
                told.clone().find(|status| status.shard == owner.shard)
            });
            *shard = ShardStatus {
                owner: name.clone(),
                epoch: owner.epoch,
                // What was said before the shard was claimed says nothing of the shard as it is.
                serving: told.is_some_and(|told| told.serving && told.epoch == owner.epoch),
                ..told
                    .cloned()
                    .unwrap_or_else(|| ShardStatus::unserved(owner.shard))
            };
        }
    }
    shards.into_values().collect()
}

/// The actors of all nodes together.
pub(crate) fn actors_of(nodes: &[Node]) -> Vec<ActorKindStatus> {
    let mut kinds: Vec<ActorKindStatus> = Vec::new();
    for actors in nodes.iter().flat_map(|node| &node.status.actors) {
        match kinds.iter_mut().find(|known| known.kind == actors.kind) {
            Some(known) => {
                known.running += actors.running;
                known.restarts += actors.restarts;
                known.mailbox_capacity = known.mailbox_capacity.max(actors.mailbox_capacity);
                known.mailbox_depth_max = known.mailbox_depth_max.max(actors.mailbox_depth_max);
                known.mailbox_depth_peak = known.mailbox_depth_peak.max(actors.mailbox_depth_peak);
                for (cause, restarts) in &actors.restarts_by_cause {
                    *known.restarts_by_cause.entry(cause.clone()).or_default() += restarts;
                }
                known.escalations += actors.escalations;
                known.frozen += actors.frozen;
                known.budget.used_max = known.budget.used_max.max(actors.budget.used_max);
            }
            None => kinds.push(actors.clone()),
        }
    }
    kinds
}

/// Whether the shop of a directory can serve requests.
pub(crate) fn readiness_of(shards: &[ShardStatus]) -> Readiness {
    let shards_serving = shards.iter().filter(|shard| shard.serving).count();
    Readiness {
        phase: if shards_serving == shards.len() {
            Phase::Serving
        } else if shards.iter().all(|shard| shard.epoch == 0) {
            Phase::Starting
        } else {
            Phase::Recovering
        },
        shards_serving,
        shards_total: shards.len(),
    }
}
