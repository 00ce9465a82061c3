//! Rules that are broken on purpose, one at a time, to see that breaking them is noticed.
//!
//! Each breaks a rule in what drives the engine, or in what the engine is told, as a program would that was written
//! without that rule. A simulation that finds nothing wrong under one of them would prove nothing without it.

/// A rule that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mutation {
    /// Callers are answered when their turns are handed to the writer.
    ReplyBeforeCommit,
    /// A link's watermark is stored in a transaction of its own, after that of the effect.
    WatermarkOutsideTransaction,
    /// A transaction that only moves watermarks is not fenced by the head.
    WatermarkWithoutHead,
    /// Links are read before the shard is claimed, the rest of the head after it.
    LoadBeforeClaim,
    /// Records do not say which one came before them on their link: whatever is newer is applied.
    NoPrev,
    /// What is missing is not read from the source's journal.
    NoHealing,
    /// What is missing is passed over: reading goes on after what has been seen.
    GapSkipped,
    /// The publisher's cursor is the highest position that was acknowledged.
    HighestAcknowledgement,
    /// An aggregate counts as committed, and may be read from storage, once its events were handed to the writer.
    RebuildBeforeCommit,
    /// An aggregate whose handler has panicked goes on with the memory that it had.
    MemoryKept,
    /// The writer takes what was decided before its generation ended.
    StaleGeneration,
    /// A record is sent as one message per line of the order, all with the record's position.
    MessagePerLine,
    /// A record that cannot be decoded is passed.
    DeadLetterPassed,
    /// Ids are made from the time of day and nothing else.
    IdsFromClock,
    /// What is overdue is given up whether its link is confirmed or not.
    HastyDeadline,
    /// Records run ahead to shards of another writer, whose transactions do not wait for theirs.
    AheadOfOtherWriter,
    /// What ran ahead counts after the commit that it ran ahead of has failed.
    AheadOutlivesTerm,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::ReplyBeforeCommit,
        Self::WatermarkOutsideTransaction,
        Self::WatermarkWithoutHead,
        Self::LoadBeforeClaim,
        Self::NoPrev,
        Self::NoHealing,
        Self::GapSkipped,
        Self::HighestAcknowledgement,
        Self::RebuildBeforeCommit,
        Self::MemoryKept,
        Self::StaleGeneration,
        Self::MessagePerLine,
        Self::DeadLetterPassed,
        Self::IdsFromClock,
        Self::HastyDeadline,
        Self::AheadOfOtherWriter,
        Self::AheadOutlivesTerm,
    ];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReplyBeforeCommit => "reply-before-commit",
            Self::WatermarkOutsideTransaction => "watermark-outside-transaction",
            Self::WatermarkWithoutHead => "watermark-without-head",
            Self::LoadBeforeClaim => "load-before-claim",
            Self::NoPrev => "no-prev",
            Self::NoHealing => "no-healing",
            Self::GapSkipped => "gap-skipped",
            Self::HighestAcknowledgement => "highest-acknowledgement",
            Self::RebuildBeforeCommit => "rebuild-before-commit",
            Self::MemoryKept => "memory-kept",
            Self::StaleGeneration => "stale-generation",
            Self::MessagePerLine => "message-per-line",
            Self::DeadLetterPassed => "dead-letter-passed",
            Self::IdsFromClock => "ids-from-clock",
            Self::HastyDeadline => "hasty-deadline",
            Self::AheadOfOtherWriter => "ahead-of-other-writer",
            Self::AheadOutlivesTerm => "ahead-outlives-term",
        }
    }
}
