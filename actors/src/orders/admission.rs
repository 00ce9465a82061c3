//! How many orders a process takes in hand at once: no more than it can see through in about a second.
//!
//! Beyond what a shop can do, orders that are let in only wait longer, and none of them comes to more. So per shard no
//! more are in hand than were done with in the last second, and by Little's law none waits for much longer than that. A
//! shard that was idle, or stands still, gets its share of [`IN_HAND_MIN`]. What is refused costs a look at two numbers.
//!
//! Shards are counted apart, so that one whose node is gone does not use up the others' room.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

use engine::Unavailable;

/// Orders that may be in hand in all shards together, however few were done with in the last second.
pub(super) const IN_HAND_MIN: usize = 4_096;

/// The orders that a process has in hand.
#[derive(Debug)]
pub(crate) struct Admission {
    shards: Vec<Shard>,
    /// A shard's share of [`IN_HAND_MIN`].
    share: usize,
}

#[derive(Debug)]
struct Shard {
    in_hand: AtomicUsize,
    allowed: AtomicUsize,
    /// Done with since the second began that `second` names.
    done: AtomicUsize,
    second: AtomicU64,
}

/// An order in hand, until it is dropped.
#[derive(Debug)]
pub(super) struct InHand<'a>(&'a Shard);

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        self.0.in_hand.fetch_sub(1, Ordering::Relaxed);
        self.0.done.fetch_add(1, Ordering::Relaxed);
    }
}

impl Admission {
    /// Nothing in hand, of so many shards.
    pub(crate) fn new(shards: u16) -> Self {
        let share = (IN_HAND_MIN / usize::from(shards.max(1))).max(1);
        let shard = || Shard {
            in_hand: AtomicUsize::new(0),
            allowed: AtomicUsize::new(share),
            done: AtomicUsize::new(0),
            second: AtomicU64::new(0),
        };
        Self {
            shards: std::iter::repeat_with(shard).take(shards.into()).collect(),
            share,
        }
    }

    /// Takes an order in hand, at a time since the start of the process.
    ///
    /// # Errors
    /// [`Unavailable::Busy`] if there are too many.
    pub(super) fn enter(&self, shard: u16, now: Duration) -> Result<InHand<'_>, Unavailable> {
        let shard = self.shards.get(usize::from(shard));
        let shard = shard.ok_or(Unavailable::NotServing)?;
        shard.turn_over(now.as_secs(), self.share);
        if shard.in_hand.fetch_add(1, Ordering::Relaxed) < shard.allowed.load(Ordering::Relaxed) {
            return Ok(InHand(shard));
        }
        shard.in_hand.fetch_sub(1, Ordering::Relaxed);
        Err(Unavailable::Busy)
    }
}

impl Shard {
    /// Once a second has passed, allows as many as were done with in it.
    fn turn_over(&self, second: u64, share: usize) {
        let last = self.second.load(Ordering::Relaxed);
        let is_new = second > last
            && (self.second)
                .compare_exchange(last, second, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if is_new {
            let done = self.done.swap(0, Ordering::Relaxed);
            // What took longer than a second was not done in one.
            let in_one = if second == last + 1 { done } else { 0 };
            self.allowed.store(in_one.max(share), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARES: usize = IN_HAND_MIN / 4;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn as_many_are_let_in_as_were_done_with_in_a_second() {
        let admission = Admission::new(4);
        for _ in 0..SHARES * 3 {
            drop(admission.enter(0, at(10)));
        }
        let mut in_hand: Vec<_> = (0..SHARES).map(|_| admission.enter(0, at(900))).collect();
        assert!(in_hand.iter().all(Result::is_ok));
        assert_eq!(admission.enter(0, at(999)).err(), Some(Unavailable::Busy));
        in_hand.extend((0..SHARES * 2).map(|_| admission.enter(0, at(1_000))));
        assert!(in_hand.iter().all(Result::is_ok));
        assert_eq!(admission.enter(0, at(1_001)).err(), Some(Unavailable::Busy));
        // In the next second nothing was done, so there is no room for more than a share.
        assert_eq!(admission.enter(0, at(2_000)).err(), Some(Unavailable::Busy));
        in_hand.truncate(SHARES - 1);
        let last = admission.enter(0, at(2_001));
        assert!(last.is_ok());
        assert_eq!(admission.enter(0, at(2_002)).err(), Some(Unavailable::Busy));
    }

    #[test]
    fn a_shard_that_stands_still_leaves_the_others_their_room() {
        let admission = Admission::new(4);
        let stuck: Vec<_> = (0..SHARES).map(|_| admission.enter(0, at(0))).collect();
        assert!(stuck.iter().all(Result::is_ok));
        assert_eq!(admission.enter(0, at(1)).err(), Some(Unavailable::Busy));
        assert!(admission.enter(1, at(1)).is_ok());
        assert_eq!(
            admission.enter(9, at(1)).err(),
            Some(Unavailable::NotServing)
        );
    }
}
