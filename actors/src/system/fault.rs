//! Faults that an administrator may inject where the configuration allows it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Unavailable;

/// A fault to inject.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fault {
    /// Handlers of actors panic.
    Panic {
        /// Which decisions.
        #[serde(flatten)]
        decisions: Decisions,
    },
    /// One command, the first of these that comes, panics whenever it is handled, until faults are cleared.
    Poison {
        /// Which decisions.
        #[serde(flatten)]
        decisions: Decisions,
    },
    /// Handlers of actors block their thread.
    Freeze {
        /// Which decisions.
        #[serde(flatten)]
        decisions: Decisions,
        /// How long, in milliseconds.
        for_ms: u32,
    },
    /// The feed misbehaves, each with this probability per message, until cleared.
    Feed {
        /// Lost.
        drop: f64,
        /// Delivered twice.
        double: f64,
        /// Delivered after later ones.
        reorder: f64,
    },
    /// Commits take longer.
    SlowCommits {
        /// By how much, in milliseconds.
        for_ms: u32,
        /// How many of them.
        times: u32,
    },
    /// The process ends without cleaning up.
    Exit {
        /// When, in milliseconds from now.
        after_ms: u32,
    },
    /// So many commits fail after being rolled back.
    #[cfg(feature = "fault-injection")]
    CommitFailure {
        /// How many.
        times: u32,
    },
    /// Every write fails because the disk is full, until cleared.
    #[cfg(feature = "fault-injection")]
    DiskFull,
    /// The program fails at a certain place outside decisions.
    #[cfg(feature = "fault-injection")]
    Failpoint {
        /// Where.
        name: Point,
        /// Only where this kind of actor is concerned: one of [`ACTORS`], or `shard`.
        actor: Option<String>,
        /// What happens there.
        #[serde(flatten)]
        action: Action,
        /// So many times.
        times: u32,
    },
}

/// A place in the program that can be made to fail.
#[cfg(feature = "fault-injection")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Point {
    /// A transaction is committed, and nobody was told of it.
    AfterCommitBeforeReply,
    /// A record is published, and that is noted nowhere.
    AfterProduceBeforeConfirm,
    /// A transaction that moves a watermark is about to be committed.
    BeforeWatermark,
    /// A transaction that has moved a watermark is committed.
    AfterWatermark,
    /// A shard is claimed and its head is read, and it does not serve yet.
    DuringReload,
    /// An actor has a message, and nothing of it is decided.
    InHandler,
    /// An actor starts.
    InStarted,
}

/// What happens at a [`Point`].
#[cfg(feature = "fault-injection")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// It panics.
    Panic,
    /// The process ends at once, without cleaning up.
    Exit,
    /// The thread waits.
    Delay {
        /// How long, in milliseconds.
        for_ms: u32,
    },
}

/// Decisions of aggregates that a fault strikes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decisions {
    /// Of this kind of actor: one of [`ACTORS`].
    pub actor: String,
    /// Only of this aggregate.
    pub id: Option<u64>,
    /// Only about commands whose `Debug` text contains this.
    pub matching: Option<String>,
    /// So many of them; `None`: until cleared.
    pub times: Option<u32>,
}

/// The kinds of actors whose decisions can be struck.
pub const ACTORS: [&str; 4] = ["order", "product", "user", "notification"];
/// The longest that an actor can be frozen.
pub const FREEZE_MAX: Duration = Duration::from_secs(60);
/// The longest that a commit can be slowed down.
pub const SLOW_COMMIT_MAX: Duration = Duration::from_secs(10);

/// Why no fault was injected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// The configuration does not allow any.
    #[error("this shop does not allow faults to be injected: faults.allowed is not set")]
    NotAllowed,
    /// No node of this name was heard of lately.
    #[error("no node of this name was heard of lately")]
    UnknownNode,
    /// The node does not take it.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}
