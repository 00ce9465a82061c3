//! What a run has come across: a check that never meets a fault proves nothing about it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Something that happens on an edge and cannot be seen in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seen {
    /// A record was applied.
    Applied,
    /// A record had been applied before.
    Duplicate,
    /// A record came too early.
    Gap,
    /// What was missing was read from the journal.
    Healed,
    /// A transaction was refused by the head.
    Refused,
    /// A transaction landed that nobody waited for any more.
    LandedLate,
    /// Such a transaction was refused by the head.
    RefusedLate,
    /// A node started.
    Started,
    /// A second node took a shard over.
    TakenOver,
    /// A node claimed its shard again.
    ClaimedAgain,
    /// A node gave its shard up.
    GivenUp,
    /// A command that was set aside was handled again.
    Retried,
}

impl Seen {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Applied,
        Self::Duplicate,
        Self::Gap,
        Self::Healed,
        Self::Refused,
        Self::LandedLate,
        Self::RefusedLate,
        Self::Started,
        Self::TakenOver,
        Self::ClaimedAgain,
        Self::GivenUp,
        Self::Retried,
    ];
}

/// How often each was seen.
#[derive(Debug, Default)]
pub struct Coverage([AtomicU64; Seen::ALL.len()]);

impl Coverage {
    pub(super) fn note(&self, seen: Seen) {
        self.0[seen as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How often it was seen.
    #[must_use]
    pub fn count(&self, seen: Seen) -> u64 {
        self.0[seen as usize].load(Ordering::Relaxed)
    }
}
