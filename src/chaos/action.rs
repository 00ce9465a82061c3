//! What a fault is, done to the shop.

use std::time::Duration;

use serde_json::Value;

/// A server that the shop stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Server {
    Postgres,
    Kafka,
    Mongodb,
}

/// What is done.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    /// The shop is asked to let something go wrong, and after a while to end it.
    Inject {
        body: Value,
        end: Option<End>,
        /// For so long the process that was asked is left alone, and no faults are ended.
        hold: Duration,
    },
    /// A process is asked to end as if it was killed, and started again.
    Exit { whom: Whom, after_ms: u32 },
    /// A process is killed, and started again after a while.
    Kill { whom: Whom, down: Duration },
    /// A process is told to stop, and started again after a while.
    Terminate { whom: Whom, down: Duration },
    /// A process is stopped in the middle of what it does, and goes on after a while.
    Freeze { whom: Whom, time: Duration },
    /// The connections to a server suffer for a while.
    Disturb {
        server: Server,
        disturbance: Disturbance,
        time: Duration,
    },
}

/// How an injected fault ends that does not end by itself.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct End {
    pub(super) after: Duration,
    /// What takes its place; nothing: all faults are ended.
    pub(super) by: Option<Value>,
}

/// Which process. A node's number counts modulo the nodes that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whom {
    Node(usize),
    Gateway,
}

/// What connections to a server suffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disturbance {
    /// All of them are reset, once.
    Reset,
    /// All of them are reset, and no new ones can be made.
    Refused,
    /// What is sent arrives later.
    Slow(Duration),
    /// Nothing arrives, and nothing is refused.
    Silent,
}
