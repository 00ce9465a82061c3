//! Why a call could not be carried out, though nothing is wrong with it.

pub use engine::Unavailable;

/// A store that does not answer is no fault of the caller's; what it said goes to the log.
pub(crate) fn storage(error: storage::StorageError) -> Unavailable {
    tracing::warn!(%error, "the store does not answer");
    Unavailable::Storage
}
