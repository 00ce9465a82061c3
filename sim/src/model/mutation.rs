//! Rules that can be broken, one at a time, to see that the checks notice.

/// A broken rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutation {
    /// Customers are told before the commit.
    ReplyBeforeCommit,
    /// The effect of a record is committed in one transaction and the link's watermark in the next.
    WatermarkOutside,
    /// A transaction that only moves a watermark does not compare epoch and revision, only the last position.
    WatermarkUnfenced,
    /// No transaction compares anything with the head.
    NoFence,
    /// A new owner reads the aggregates first and claims the shard then.
    StateBeforeClaim,
    /// Any position above the watermark is applied, whatever came before it on the link.
    NoPrev,
    /// What is missing is never read from the journal.
    NoHealing,
    /// A gap is passed over.
    GapSkipped,
    /// An aggregate that has failed is loaded while events of it are uncommitted.
    RebuildBeforeTail,
    /// An aggregate that has failed keeps its memory.
    MemoryKept,
    /// After a failed commit aggregates keep what they had decided.
    MemoryOutlivesGeneration,
    /// After a failed commit, what was decided before it is accepted.
    StaleGeneration,
    /// Each line of an order is a message of its own, all of them with the one position of their record.
    MessagePerLine,
    /// A message that cannot be decoded is passed over.
    DeadLetterPassed,
    /// Ids come from the clock alone, and not from the last one issued.
    ClockIds,
    /// A deadline does not wait for the links to be confirmed.
    DeadlineIgnoresLink,
    /// A deadline is looked after though the order's creation is not committed, so that no head speaks of its request.
    DeadlineOfUncommitted,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::ReplyBeforeCommit,
        Self::WatermarkOutside,
        Self::WatermarkUnfenced,
        Self::NoFence,
        Self::StateBeforeClaim,
        Self::NoPrev,
        Self::NoHealing,
        Self::GapSkipped,
        Self::RebuildBeforeTail,
        Self::MemoryKept,
        Self::MemoryOutlivesGeneration,
        Self::StaleGeneration,
        Self::MessagePerLine,
        Self::DeadLetterPassed,
        Self::ClockIds,
        Self::DeadlineIgnoresLink,
        Self::DeadlineOfUncommitted,
    ];
}
