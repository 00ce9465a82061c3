//! The shop itself.

use std::collections::BTreeMap;

use actors::system::{
    self, ActorKindStatus, BudgetStatus, Fault, HeldLinkStatus, ParkedStatus, ShardStatus,
    StuckStatus, SystemStatus, WriterStatus,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use domain::OrderId;
use serde::Serialize;
use utoipa::ToSchema;

use super::Time;

/// Whether the program lives.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// Always `alive`.
    #[schema(example = "alive")]
    pub(crate) status: &'static str,
}

/// Whether requests can be served.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"status": "ready", "phase": "serving", "shards_serving": 16, "shards_total": 16}))]
pub(crate) struct Ready {
    /// Always `ready`.
    pub(crate) status: &'static str,
    #[serde(flatten)]
    pub(crate) readiness: Readiness,
}

/// What the program is doing and how many of its shards are served.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Readiness {
    /// `starting`, `serving`, `recovering` or `stopping`.
    #[schema(example = "serving")]
    phase: &'static str,
    /// Shards that are served.
    shards_serving: usize,
    /// Shards that there are.
    shards_total: usize,
}

impl From<system::Readiness> for Readiness {
    fn from(readiness: system::Readiness) -> Self {
        Self {
            phase: readiness.phase.as_str(),
            shards_serving: readiness.shards_serving,
            shards_total: readiness.shards_total,
        }
    }
}

/// Everything about the shop itself.
#[derive(Serialize, ToSchema)]
pub(crate) struct System {
    /// Whether the process that answers allows faults to be injected by `POST /v1/system/faults`.
    faults_allowed: bool,
    /// The nodes: in one process there is one.
    nodes: Vec<Node>,
    /// The shards and their owners.
    shards: Vec<Shard>,
    /// The actors by kind.
    actors: Vec<ActorKind>,
    /// Commands that were set aside because their handler kept failing, oldest first, the first 200.
    parked: Vec<Parked>,
}

/// A process that hosts shards.
#[derive(Serialize, ToSchema)]
struct Node {
    /// Its name.
    name: String,
    /// Where other nodes reach it by gRPC; null in a shop of one process.
    #[schema(required)]
    address: Option<String>,
    /// The domains that it hosts.
    domains: Vec<&'static str>,
    /// Milliseconds since it was heard of.
    heard_of_ms_ago: u64,
    /// The program's version.
    version: String,
    /// Since when it runs.
    started_at: Time,
    #[serde(flatten)]
    readiness: Readiness,
    /// The writers of its journals together.
    writer: Writer,
    /// Figures of the feed between nodes, by name; empty in a shop of one process.
    feed: BTreeMap<String, u64>,
    /// The threads that serve shards.
    threads: Threads,
    /// Whether it allows faults to be injected.
    faults_allowed: bool,
    /// The injected faults that are in force, as they were injected.
    #[schema(value_type = Vec<Object>)]
    faults: Vec<Fault>,
}

/// A journal writer.
#[derive(Serialize, ToSchema)]
struct Writer {
    /// One more than the number of failed commits.
    generation: u64,
    /// Transactions since the start.
    commits: u64,
    /// Records since the start.
    records: u64,
    /// Entries that wait for the next transaction.
    gathered: usize,
}

/// A shard.
#[derive(Serialize, ToSchema)]
struct Shard {
    /// The domain: `auth`, `orders`, `products`, `notifications`.
    domain: &'static str,
    /// Which of the domain's shards, counted from zero.
    shard: u16,
    /// The node that serves it; empty while none does.
    owner: String,
    /// How often it was claimed.
    epoch: u64,
    /// Whether it is being served.
    serving: bool,
    /// Aggregates in memory, each an actor.
    actors: usize,
    /// Turns that have begun and are not committed.
    turns_pending: usize,
    /// Readings of a source's journal that were needed because a record was missing.
    healings: u64,
    /// Times the shard itself was restarted.
    restarts: u64,
    /// Incoming links that are held by a record which cannot be taken up.
    held_links: usize,
    /// Which ones, by which record, and why.
    held: Vec<HeldLink>,
    /// Turns that fit it; beyond them commands are refused with 503.
    turns_capacity: usize,
    /// The most turns that ever were pending since its actor was started.
    turns_peak: usize,
    /// Commands and messages that were refused because it, its mailbox or their aggregate was full, since its actor was
    /// started.
    refused: u64,
    /// Commands that it has parked.
    parked: usize,
    /// Aggregates whose deadline has passed, and that still wait.
    overdue: usize,
    /// The first 20 of those, and why they still wait.
    stuck: Vec<Stuck>,
}

/// An aggregate, such as an order, whose deadline has passed, and that still waits.
#[derive(Serialize, ToSchema)]
#[schema(as = StuckAggregate)]
struct Stuck {
    /// Its id.
    id: u64,
    /// The shards from which an answer may still be on its way: it is not given up before that is known.
    unconfirmed: Vec<Place>,
    /// Whether it was told to give up, and could not. It will be told again.
    was_told: bool,
}

/// A shard.
#[derive(Serialize, ToSchema)]
#[schema(as = ShardPlace)]
struct Place {
    /// The domain.
    domain: &'static str,
    /// Which of the domain's shards.
    shard: u16,
}

/// An incoming link that is held by a record which cannot be taken up.
#[derive(Serialize, ToSchema)]
struct HeldLink {
    /// The record.
    source: Source,
    /// Why it cannot be taken up.
    reason: String,
}

/// All actors of one kind.
#[derive(Serialize, ToSchema)]
struct ActorKind {
    /// The kind.
    #[schema(example = "order")]
    kind: String,
    /// How many are in memory.
    running: usize,
    /// How often one of them was restarted.
    restarts: u64,
    /// Messages that fit the mailbox of one.
    mailbox_capacity: usize,
    /// The most messages found waiting in one of them, now.
    mailbox_depth_max: usize,
    /// The most messages that ever waited in one of them, since the actor of its shard was started.
    mailbox_depth_peak: usize,
    /// The restarts by cause: `panicked`, `gone`, `frozen`, `commit_failed`, `escalated`.
    #[schema(example = json!({"panicked": 2}))]
    restarts_by_cause: BTreeMap<String, u64>,
    /// How often one of them used up its restart budget.
    escalations: u64,
    /// How often one of them was found frozen, and its thread replaced.
    frozen: u64,
    /// Their restart budget.
    budget: Budget,
}

/// How many restarts are allowed within which time, and how many are used.
#[derive(Serialize, ToSchema)]
#[schema(as = RestartBudget)]
struct Budget {
    /// The most restarts of one of them within the window that ends now.
    used_max: usize,
    /// Restarts of one of them that are allowed within the window; with one more, what is above it restarts.
    allowed: usize,
    /// The window, in milliseconds.
    window_ms: u64,
}

/// The threads that serve shards.
#[derive(Serialize, ToSchema)]
struct Threads {
    /// Threads that were found frozen and replaced, since the start.
    replaced: u64,
    /// How many of them, all together, may be replaced; with one more the process ends.
    budget: Budget,
}

/// A parked command.
#[derive(Serialize, ToSchema)]
#[schema(as = ParkedCommand)]
struct Parked {
    /// By which it is retried or discarded.
    #[schema(example = "products-17")]
    id: String,
    /// The domain of the shard that parked it.
    domain: &'static str,
    /// The shard that parked it.
    shard: u16,
    /// When.
    parked_at: Time,
    /// Where the record came from.
    source: Source,
    /// The aggregate that could not handle it.
    aggregate_id: u64,
    /// The order it is about; null if it is about none.
    #[schema(required)]
    order_id: Option<u64>,
    /// The type of the record.
    #[serde(rename = "type")]
    #[schema(example = "order.created.v1")]
    event_type: String,
    /// The record as it was sent, in Base64.
    payload: String,
    /// The last error.
    error: String,
}

/// A place in a journal.
#[derive(Serialize, ToSchema)]
#[schema(as = JournalPosition)]
struct Source {
    /// The domain.
    domain: &'static str,
    /// The shard.
    shard: u16,
    /// The position in its journal.
    position: u64,
}

impl From<SystemStatus> for System {
    fn from(status: SystemStatus) -> Self {
        Self {
            faults_allowed: status.faults_allowed,
            nodes: status.nodes.into_iter().map(Node::from).collect(),
            shards: status.shards.into_iter().map(Shard::from).collect(),
            actors: status.actors.into_iter().map(ActorKind::from).collect(),
            parked: status.parked.into_iter().map(Parked::from).collect(),
        }
    }
}

impl From<system::Node> for Node {
    fn from(node: system::Node) -> Self {
        Self {
            name: node.name,
            address: node.address,
            domains: node.domains,
            heard_of_ms_ago: u64::try_from(node.age.as_millis()).unwrap_or(u64::MAX),
            version: node.status.version,
            started_at: node.status.started_at.into(),
            readiness: node.readiness.into(),
            writer: node.status.writer.into(),
            feed: node.status.feed,
            threads: Threads {
                replaced: node.status.threads.replaced,
                budget: node.status.threads.budget.into(),
            },
            faults_allowed: node.status.faults_allowed,
            faults: node.status.faults,
        }
    }
}

impl From<WriterStatus> for Writer {
    fn from(writer: WriterStatus) -> Self {
        Self {
            generation: writer.generation,
            commits: writer.commits,
            records: writer.records,
            gathered: writer.gathered,
        }
    }
}

impl From<ShardStatus> for Shard {
    fn from(status: ShardStatus) -> Self {
        Self {
            domain: status.shard.domain.name(),
            shard: status.shard.shard,
            owner: status.owner,
            epoch: status.epoch,
            serving: status.serving,
            actors: status.actors,
            turns_pending: status.turns_pending,
            healings: status.healings,
            restarts: status.restarts,
            held_links: status.held_links,
            held: status.held.into_iter().map(HeldLink::from).collect(),
            turns_capacity: status.turns_capacity,
            turns_peak: status.turns_peak,
            refused: status.refused,
            parked: status.parked,
            overdue: status.overdue,
            stuck: status.stuck.into_iter().map(Stuck::from).collect(),
        }
    }
}

impl From<HeldLinkStatus> for HeldLink {
    fn from(link: HeldLinkStatus) -> Self {
        Self {
            source: Source {
                domain: link.source.domain.name(),
                shard: link.source.shard,
                position: link.position,
            },
            reason: link.error,
        }
    }
}

impl From<StuckStatus> for Stuck {
    fn from(stuck: StuckStatus) -> Self {
        let unconfirmed = stuck.unconfirmed.into_iter().map(|shard| Place {
            domain: shard.domain.name(),
            shard: shard.shard,
        });
        Self {
            id: stuck.id,
            unconfirmed: unconfirmed.collect(),
            was_told: stuck.was_told,
        }
    }
}

impl From<BudgetStatus> for Budget {
    fn from(budget: BudgetStatus) -> Self {
        Self {
            used_max: budget.used_max,
            allowed: budget.allowed,
            window_ms: budget.window_ms,
        }
    }
}

impl From<ActorKindStatus> for ActorKind {
    fn from(status: ActorKindStatus) -> Self {
        Self {
            kind: status.kind,
            running: status.running,
            restarts: status.restarts,
            mailbox_capacity: status.mailbox_capacity,
            mailbox_depth_max: status.mailbox_depth_max,
            mailbox_depth_peak: status.mailbox_depth_peak,
            restarts_by_cause: status.restarts_by_cause,
            escalations: status.escalations,
            frozen: status.frozen,
            budget: status.budget.into(),
        }
    }
}

impl From<ParkedStatus> for Parked {
    fn from(status: ParkedStatus) -> Self {
        let command = status.command;
        Self {
            id: status.id,
            domain: status.shard.domain.name(),
            shard: status.shard.shard,
            parked_at: status.parked_at.into(),
            source: Source {
                domain: command.source_domain.name(),
                shard: command.source_shard,
                position: command.source_position,
            },
            aggregate_id: command.aggregate_id,
            order_id: command.order_id.map(OrderId::get),
            event_type: command.event_type,
            payload: BASE64_STANDARD.encode(command.payload),
            error: command.error,
        }
    }
}
