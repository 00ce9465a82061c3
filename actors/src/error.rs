//! Why a call could not be carried out, though nothing is wrong with it.

use std::time::Duration;

/// The call was not carried out, or nobody knows whether it was. It may be tried again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The shard that decides is starting, recovering or stopping.
    #[error("the shard is not being served at the moment")]
    NotServing,
    /// More is waiting than the shard takes on.
    #[error("too much is waiting")]
    Busy,
    /// The actor failed while it handled the call; nothing came of it.
    #[error("the actor failed and is being restarted")]
    Restarted,
    /// A commit failed, or its outcome is unknown.
    #[error("the commit failed")]
    CommitFailed,
    /// The store does not answer.
    #[error("the store is not available")]
    Storage,
}

impl Unavailable {
    /// When it is worth trying again.
    #[must_use]
    pub const fn retry_after(&self) -> Duration {
        Duration::from_secs(1)
    }
}

/// A store that does not answer is no fault of the caller's; what it said goes to the log.
pub(crate) fn storage(error: storage::StorageError) -> Unavailable {
    tracing::warn!(%error, "the store does not answer");
    Unavailable::Storage
}
