//! Identifiers, all of them integers below 2^53 so that JSON carries them unharmed.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// Ids are below this bound: the integers that every JSON reader represents exactly.
pub const ID_BOUND: u64 = 1 << 53;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(u64);

        impl $name {
            /// The id with this number, or `None` if it is zero or not below 2^53.
            #[must_use]
            pub const fn new(number: u64) -> Option<Self> {
                if number == 0 || number >= ID_BOUND { None } else { Some(Self(number)) }
            }

            /// The number.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// A user. Its auth shard is `user_id mod N`, and so is the shard of all its orders in their domain.
    UserId
);
id!(
    /// A product. Its shard is `product_id mod N`.
    ProductId
);
id!(
    /// An order. It carries its shard and the second in which it was issued, see [`OrderId::next`].
    OrderId
);
id!(
    /// A notification. Its shard is `notification_id mod N`.
    NotificationId
);

const SEQUENCE_BITS: u32 = 12;
const SHARD_BITS: u32 = 10;
/// Seconds from 1970-01-01 to 2025-01-01, the day from which order ids count.
const ORDER_EPOCH_SECS: i64 = 1_735_689_600;
/// The largest number of shards a domain can have: an order id has 10 bits for its shard.
pub const SHARDS_MAX: u16 = 1 << SHARD_BITS;

impl OrderId {
    /// The next id of a shard after `last`, the last one issued there.
    ///
    /// From high to low: 31 bits of seconds since 2025-01-01 UTC, 10 bits of shard, 12 bits of sequence. The new pair
    /// of seconds and sequence is the larger of the last one plus one and `(now, 0)`, so a clock that steps back
    /// changes nothing, and past 4,096 ids in a second the ids run ahead of the clock.
    #[must_use]
    pub fn next(last: Option<Self>, shard: u16, now: Timestamp) -> Self {
        let now_secs = u64::try_from(now.as_secs() - ORDER_EPOCH_SECS).unwrap_or(0);
        let from_clock = now_secs << SEQUENCE_BITS;
        let pair = match last {
            Some(last) => from_clock.max(last.pair() + 1),
            None => from_clock.max(1),
        };
        let seconds = pair >> SEQUENCE_BITS;
        let sequence = pair & ((1 << SEQUENCE_BITS) - 1);
        Self(
            (seconds << (SHARD_BITS + SEQUENCE_BITS))
                | (u64::from(shard) << SEQUENCE_BITS)
                | sequence,
        )
    }

    /// The order shard that owns it, read back from its bits.
    #[must_use]
    pub const fn shard(self) -> u16 {
        ((self.0 >> SEQUENCE_BITS) & ((1 << SHARD_BITS) - 1)) as u16
    }

    /// Seconds and sequence as one number, which grows with every id of a shard.
    const fn pair(self) -> u64 {
        let seconds = self.0 >> (SHARD_BITS + SEQUENCE_BITS);
        let sequence = self.0 & ((1 << SEQUENCE_BITS) - 1);
        (seconds << SEQUENCE_BITS) | sequence
    }
}

/// The next id of a sequence that a shard issues for itself: the numbers whose remainder by the number of shards is
/// the shard, from the first full round on, so that no id is zero.
#[must_use]
pub fn next_in_shard(last: Option<u64>, shard: u16, shards: u16) -> u64 {
    match last {
        Some(last) => last + u64::from(shards),
        None => u64::from(shards) + u64::from(shard),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_millis((ORDER_EPOCH_SECS + secs) * 1_000)
    }

    #[test]
    fn an_order_id_carries_its_shard() {
        for shard in [0, 1, 7, SHARDS_MAX - 1] {
            assert_eq!(OrderId::next(None, shard, at(1_000)).shard(), shard);
        }
    }

    #[test]
    fn ids_grow_while_the_clock_steps_back() {
        let first = OrderId::next(None, 3, at(500));
        let second = OrderId::next(Some(first), 3, at(20));
        assert!(second > first);
        assert_eq!(second.shard(), 3);
    }

    #[test]
    fn the_carry_of_a_full_second_goes_to_the_seconds() {
        let mut last = OrderId::next(None, 1_023, at(9));
        let mut seen = std::collections::HashSet::from([last]);
        for _ in 0..10_000 {
            let next = OrderId::next(Some(last), 1_023, at(9));
            assert!(next > last && next.shard() == 1_023 && seen.insert(next));
            last = next;
        }
    }

    #[test]
    fn ids_stay_below_the_bound_until_the_seconds_are_used_up() {
        let last_second = (1_i64 << 31) - 1;
        assert!(OrderId::next(None, SHARDS_MAX - 1, at(last_second)).get() < ID_BOUND);
    }

    #[test]
    fn ids_of_a_shard_keep_their_remainder() {
        let mut last = None;
        for _ in 0..5 {
            let next = next_in_shard(last, 3, 4);
            assert_eq!(next % 4, 3);
            assert!(next > 0);
            last = Some(next);
        }
    }
}
