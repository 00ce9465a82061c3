//! The receiving end of a link.
//!
//! Whatever carries records between shards may lose, delay, double or reorder them. The inlet applies a record only if
//! the record before it on that link was applied. Anything else is a gap, which is healed by reading the source's
//! journal from the cursor on.

/// What to do with a record that has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// It is the next one. The cursor has moved to it.
    Apply,
    /// It has been applied before.
    Duplicate,
    /// Something before it is missing; it is not applied, and the journal has to be read.
    Gap,
}

/// The receiving end of one link, in one generation of the shard.
///
/// The cursor runs ahead of the stored watermark by what has been taken up and not committed. When the generation ends
/// the inlet is made anew from the watermark.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Inlet {
    cursor: u64,
    seen: u64,
    /// While a reading of the journal is under way: what had been seen when it began.
    healing: Option<u64>,
}

impl Inlet {
    /// An inlet that has applied everything up to `watermark`.
    #[must_use]
    pub const fn new(watermark: u64) -> Self {
        Self {
            cursor: watermark,
            seen: watermark,
            healing: None,
        }
    }

    /// The last position taken up.
    #[must_use]
    pub const fn cursor(&self) -> u64 {
        self.cursor
    }

    /// Decides about a record at `position` that follows `prev` on this link.
    pub fn offer(&mut self, position: u64, prev: u64) -> Offer {
        self.seen = self.seen.max(position);
        if position <= self.cursor {
            Offer::Duplicate
        } else if prev == self.cursor {
            self.cursor = position;
            Offer::Apply
        } else {
            Offer::Gap
        }
    }

    /// Notes that the source has sent up to `position`, without the record itself.
    pub fn announce(&mut self, position: u64) {
        self.seen = self.seen.max(position);
    }

    /// Whether records are known to exist that have not been taken up.
    #[must_use]
    pub const fn is_behind(&self) -> bool {
        self.seen > self.cursor
    }

    /// How many positions of the source's journal lie between what has been taken up and what is known to exist; records
    /// for other targets are among them.
    #[must_use]
    pub const fn lag(&self) -> u64 {
        self.seen.saturating_sub(self.cursor)
    }

    /// Begins a reading of the source's journal, unless one is under way. Returns the position to read after.
    pub fn begin_healing(&mut self) -> Option<u64> {
        if self.healing.is_some() {
            return None;
        }
        self.healing = Some(self.seen);
        Some(self.cursor)
    }

    /// Ends the reading. If it has reached the end of the journal and everything read was taken up, then what had been
    /// seen before it began, and was not there, does not exist: it is forgotten. What was seen since then may be newer
    /// than the reading, and is still missing.
    pub fn end_healing(&mut self, has_all: bool) {
        let seen_before = self.healing.take();
        if has_all && seen_before.is_some_and(|seen| seen >= self.seen) {
            self.seen = self.cursor;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_next_record_is_applied() {
        let mut inlet = Inlet::new(4);
        assert_eq!(inlet.offer(4, 1), Offer::Duplicate);
        assert_eq!(inlet.offer(9, 7), Offer::Gap);
        assert!(inlet.is_behind());
        assert_eq!(inlet.offer(7, 4), Offer::Apply);
        assert_eq!(inlet.offer(9, 7), Offer::Apply);
        assert!(!inlet.is_behind());
    }

    #[test]
    fn one_reading_at_a_time() {
        let mut inlet = Inlet::new(2);
        assert_eq!(inlet.begin_healing(), Some(2));
        assert_eq!(inlet.begin_healing(), None);
        inlet.end_healing(true);
        assert_eq!(inlet.begin_healing(), Some(2));
    }

    #[test]
    fn what_arrives_during_a_reading_is_not_forgotten() {
        let mut inlet = Inlet::new(2);
        inlet.announce(9);
        inlet.begin_healing();
        inlet.end_healing(true);
        assert!(!inlet.is_behind(), "position 9 does not exist");
        inlet.announce(4);
        inlet.begin_healing();
        assert_eq!(inlet.offer(5, 4), Offer::Gap);
        assert_eq!(inlet.offer(4, 2), Offer::Apply);
        inlet.end_healing(true);
        assert!(inlet.is_behind(), "position 5 came after the reading");
    }

    proptest! {
        /// However a chain is shuffled, doubled and thinned, what is applied is a prefix of it, in order, once; and
        /// reading the journal from the cursor completes it.
        #[test]
        fn what_is_applied_is_a_prefix(
            gaps in prop::collection::vec(1_u64..5, 1..30),
            picks in prop::collection::vec(any::<prop::sample::Index>(), 0..100),
        ) {
            let mut chain = Vec::new();
            let mut prev = 0;
            for gap in gaps {
                chain.push((prev + gap, prev));
                prev += gap;
            }
            let mut inlet = Inlet::new(0);
            let mut applied = Vec::new();
            for pick in picks {
                let (position, prev) = chain[pick.index(chain.len())];
                if inlet.offer(position, prev) == Offer::Apply {
                    applied.push(position);
                }
            }
            prop_assert!(chain.iter().map(|record| record.0).take(applied.len()).eq(applied.iter().copied()));
            for &(position, prev) in chain.iter().filter(|record| record.0 > inlet.cursor()).collect::<Vec<_>>() {
                prop_assert_eq!(inlet.offer(position, prev), Offer::Apply);
            }
            prop_assert_eq!(inlet.cursor(), chain.last().unwrap().0);
        }
    }
}
