//! Notices actors that block: a thread whose actors make no progress is frozen.
//!
//! Every actor of a shard's thread, and a timer on it, beat the thread's [`Heartbeat`]. A thread on which nothing beats
//! for [`policy::FROZEN_AFTER`] is held up by a handler that does not return, and with it every other actor there.
//! Nothing can end such a handler, so its shards are moved to a new thread (see `start::threads`): claimed anew in a
//! higher epoch, so that whatever the frozen one does when it wakes comes to nothing.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use super::policy;

/// How often a thread beats when it has nothing else to do.
pub const BEAT: Duration = Duration::from_millis(100);
/// How often it is looked whether threads beat.
pub const LOOK: Duration = Duration::from_millis(200);
/// A look that comes so late says that the process or the machine stood still, which is nobody's fault.
const LATE: Duration = Duration::from_secs(1);

/// The progress of one thread.
#[derive(Debug, Default)]
pub struct Heartbeat {
    beats: AtomicU64,
    is_deciding: AtomicBool,
    decided_last: Mutex<(&'static str, u64)>,
}

impl Heartbeat {
    /// Something was done.
    pub fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// An aggregate of this kind and id decides, until the guard is dropped.
    #[must_use]
    pub fn deciding(&self, kind: &'static str, id: u64) -> Deciding<'_> {
        *self
            .decided_last
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = (kind, id);
        self.is_deciding.store(true, Ordering::Release);
        self.beat();
        Deciding(self)
    }

    /// How far the thread is.
    #[must_use]
    pub fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }

    /// The kind and id of the aggregate that decides at the moment, if one does.
    #[must_use]
    pub fn at(&self) -> Option<(&'static str, u64)> {
        let last = self.decided_last.lock();
        self.is_deciding
            .load(Ordering::Acquire)
            .then(|| *last.unwrap_or_else(PoisonError::into_inner))
    }
}

/// A decision under way.
#[derive(Debug)]
pub struct Deciding<'a>(&'a Heartbeat);

impl Drop for Deciding<'_> {
    fn drop(&mut self) {
        self.0.is_deciding.store(false, Ordering::Release);
        self.0.beat();
    }
}

/// Judges by its heartbeat whether a thread is frozen.
#[derive(Debug, Default)]
pub struct Judge {
    beats: u64,
    /// When it was first seen at that beat.
    since: Duration,
    looked_at: Duration,
}

impl Judge {
    /// One that begins at this time, a duration since any fixed moment.
    #[must_use]
    pub const fn new(now: Duration) -> Self {
        Self {
            beats: 0,
            since: now,
            looked_at: now,
        }
    }

    /// Whether a thread with so many beats is frozen.
    pub fn is_frozen(&mut self, beats: u64, now: Duration) -> bool {
        let was_late = now.saturating_sub(self.looked_at) >= LATE;
        self.looked_at = now;
        if was_late || beats != self.beats {
            self.beats = beats;
            self.since = now;
        }
        now.saturating_sub(self.since) >= policy::FROZEN_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_beats_is_not_frozen() {
        let heartbeat = Heartbeat::default();
        let mut judge = Judge::new(Duration::ZERO);
        for look in 1..100 {
            heartbeat.beat();
            assert!(!judge.is_frozen(heartbeat.beats(), LOOK * look));
        }
    }

    #[test]
    fn a_thread_without_a_beat_is_frozen_after_the_time_for_it() {
        let mut judge = Judge::new(Duration::ZERO);
        let frozen = (1..).find(|look| judge.is_frozen(7, LOOK * *look));
        let after = LOOK * frozen.unwrap();
        assert!(after >= policy::FROZEN_AFTER && after <= policy::FROZEN_AFTER + LOOK * 2);
    }

    #[test]
    fn a_process_that_stood_still_has_no_frozen_threads() {
        let mut judge = Judge::new(Duration::ZERO);
        assert!(!judge.is_frozen(7, LOOK));
        let woken = Duration::from_secs(3600);
        assert!(!judge.is_frozen(7, woken));
        assert!((1..5).all(|look| !judge.is_frozen(7, woken + LOOK * look)));
    }

    #[test]
    fn what_decides_is_known_while_it_does() {
        let heartbeat = Heartbeat::default();
        assert_eq!(heartbeat.at(), None);
        let deciding = heartbeat.deciding("order", 5);
        assert_eq!(heartbeat.at(), Some(("order", 5)));
        drop(deciding);
        assert_eq!(heartbeat.at(), None);
        assert_eq!(heartbeat.beats(), 2);
    }
}
