//! The supervision table: what may fail how often, per kind of actor.
//!
//! Panics are caught where an aggregate decides; its memory is thrown away and rebuilt from storage. What exceeds a
//! budget is the business of the next level: aggregate, shard, process.

use std::time::Duration;

use engine::{
    Limits,
    supervision::{Exhausted, Policy},
};

/// Turns of one shard that may have begun and not be committed; commands beyond it are refused, links wait.
pub const TURNS_MAX: usize = 8_192;
/// Commands to one aggregate that may have begun and not be committed; more are refused. Few, so that who floods one
/// aggregate gets little of its shard's thread and of each transaction.
pub const AGGREGATE_COMMANDS_MAX: usize = 64;
/// Messages that may wait at a shard: commands from services, and deliveries, each of which holds many records.
pub const SHARD_MAILBOX_CAPACITY: usize = 8_192;
/// An aggregate that is not at rest leaves memory after this time without a turn.
pub const IDLE_MAX: Duration = Duration::from_secs(300);

/// An aggregate's mailbox holds what its shard lets in, so that it is never full.
const AGGREGATE: Policy = Policy {
    kind: "aggregate",
    mailbox_capacity: TURNS_MAX,
    restarts_max: 10,
    window: Duration::from_secs(10),
    // Short enough that an actor which crashes again and again still answers within 50 ms each time.
    backoff_min: Duration::from_millis(1),
    backoff_max: Duration::from_millis(20),
    on_exhaustion: Exhausted::RestartShard,
};

/// Orders.
pub const ORDER: Policy = Policy {
    kind: "order",
    ..AGGREGATE
};
/// Products.
pub const PRODUCT: Policy = Policy {
    kind: "product",
    ..AGGREGATE
};
/// Users.
pub const USER: Policy = Policy {
    kind: "user",
    ..AGGREGATE
};
/// Notifications.
pub const NOTIFICATION: Policy = Policy {
    kind: "notification",
    ..AGGREGATE
};
/// Shards.
pub const SHARD: Policy = Policy {
    kind: "shard",
    mailbox_capacity: SHARD_MAILBOX_CAPACITY,
    restarts_max: 10,
    window: Duration::from_secs(10),
    backoff_min: Duration::from_millis(20),
    backoff_max: Duration::from_secs(1),
    on_exhaustion: Exhausted::ExitProcess,
};

/// A thread that serves shards, and on which nothing has moved for this time, is frozen. Handlers take microseconds.
pub const FROZEN_AFTER: Duration = Duration::from_secs(2);

/// Threads that serve shards, all of a process together. Each that is replaced may go on holding a core.
pub const THREAD: Policy = Policy {
    kind: "thread",
    mailbox_capacity: 0,
    restarts_max: 5,
    window: Duration::from_secs(60),
    backoff_min: Duration::ZERO,
    backoff_max: Duration::ZERO,
    on_exhaustion: Exhausted::ExitProcess,
};

/// The bounds of every shard.
pub const LIMITS: Limits = Limits {
    turns_max: TURNS_MAX,
    aggregate_commands_max: AGGREGATE_COMMANDS_MAX,
    read_max: 500,
    load_max: 500,
    keys_max: 500,
    idle_max: IDLE_MAX,
    quiet: Duration::from_secs(1),
    policy: SHARD,
};
