//! What must always hold: the ten invariants of the design, as checks over journals, heads and rows.
//!
//! Simulation, tests and `stampede audit` feed one [`Checker`] and read its [`Report`]. It is fed everything there is,
//! and nothing twice:
//!
//! - the heads of all shards, at first;
//! - the [`Place`] of every record, each shard's in the order of positions;
//! - the events: those of orders order by order, each order's by number and then position; those of every other domain
//!   each shard's in the order of positions;
//! - the rows, the parked commands, and the activity log's entries, each source's in the order of positions.
//!
//! Between these streams any order will do. What concerns two of them is kept only until its counterpart has come, so
//! who feeds them all at about the same pace needs memory for what is in between, for each product, and for each user.
//!
//! The checks say what must have happened, not how it was decided: they do not call `decide`. They do call `evolve`,
//! because what an event means is for the aggregate to say. Where several shards are concerned, "holds" means up to
//! each link's watermark: what is above it is on its way.

mod checker;
mod compact;
mod dense;
mod effects;
mod events;
mod histories;
mod keys;
mod log;
mod orders;
mod parking;
mod positions;
mod record;
mod replicas;
mod report;
mod scope;
mod steps;
mod stock;
mod task;
#[cfg(test)]
mod tests;

pub use checker::{Checker, Retained, Row};
pub use orders::{STUCK_AFTER, Service, Waiting};
pub use record::{Head, Place};
pub use report::{EXAMPLES_MAX, Finding, Report, Violation};
pub use scope::{Scope, Since};

/// One of the invariants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// Stock adds up, and what is allocated is held by orders.
    I1,
    /// Every order settles once.
    I2,
    /// Confirmed means that everything is reserved; given up means that nothing is held.
    I3,
    /// One order per user and idempotency key within a day.
    I4,
    /// Payments are captured once, or not at all.
    I5,
    /// One notification per order and template.
    I6,
    /// Every record has its effect exactly once.
    I7,
    /// Every public event is in the activity log exactly once.
    I8,
    /// Positions and links are contiguous.
    I9,
    /// Read models equal a replay.
    I10,
}

impl Invariant {
    /// All of them, in order.
    pub const ALL: [Self; 10] = [
        Self::I1,
        Self::I2,
        Self::I3,
        Self::I4,
        Self::I5,
        Self::I6,
        Self::I7,
        Self::I8,
        Self::I9,
        Self::I10,
    ];

    /// Its name in the design.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::I1 => "I1",
            Self::I2 => "I2",
            Self::I3 => "I3",
            Self::I4 => "I4",
            Self::I5 => "I5",
            Self::I6 => "I6",
            Self::I7 => "I7",
            Self::I8 => "I8",
            Self::I9 => "I9",
            Self::I10 => "I10",
        }
    }

    /// What it says, in one line.
    #[must_use]
    pub const fn statement(self) -> &'static str {
        match self {
            Self::I1 => "stock put in = available + allocated, and orders hold what is allocated",
            Self::I2 => "every order settles once, within its deadlines",
            Self::I3 => {
                "confirmed: every line reserved; rejected, cancelled, expired: nothing held"
            }
            Self::I4 => "one order per user and idempotency key within 24 hours",
            Self::I5 => "a confirmed order with payment is captured once, any other is not",
            Self::I6 => "one notification per order and template, recorded once",
            Self::I7 => "every record has its effect exactly once at every destination",
            Self::I8 => "every public event is in the activity log exactly once",
            Self::I9 => "positions of a shard are contiguous, and so is every link",
            Self::I10 => "read models and state columns equal a replay of the journal",
        }
    }
}

impl std::fmt::Display for Invariant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id())
    }
}
