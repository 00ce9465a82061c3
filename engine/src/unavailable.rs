//! Why a call could not be carried out, though nothing is wrong with it.

use std::{fmt, time::Duration};

/// The call was not carried out, or nobody knows whether it was. It may be tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// The shard that decides is starting, recovering or stopping.
    NotServing,
    /// More is waiting than the shard takes on.
    Busy,
    /// The actor failed while it handled the call; nothing came of it.
    Restarted,
    /// A commit failed, or its outcome is unknown.
    CommitFailed,
    /// The store does not answer.
    Storage,
}

impl Unavailable {
    /// When it is worth trying again.
    #[must_use]
    pub const fn retry_after(&self) -> Duration {
        Duration::from_secs(1)
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotServing => "the shard is not being served at the moment",
            Self::Busy => "too much is waiting",
            Self::Restarted => "the actor failed and is being restarted",
            Self::CommitFailed => "the commit failed, or nobody knows what came of it",
            Self::Storage => "the store is not available",
        })
    }
}

impl std::error::Error for Unavailable {}
