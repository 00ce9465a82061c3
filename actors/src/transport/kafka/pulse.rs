//! What a consumer's supervisor and its thread know of each other.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// The life signs of one polling thread, and what it is told.
#[derive(Debug)]
pub(super) struct Pulse {
    begun: Instant,
    /// Milliseconds from `begun` to the last poll.
    beat: AtomicU64,
    /// It is to leave the group and end.
    pub(super) stop: AtomicBool,
    /// It leaves: what is revoked now is given up.
    pub(super) is_leaving: AtomicBool,
    /// Its consumer is replaced or about to be: what is revoked now is lost, and nobody is told.
    pub(super) is_abandoned: AtomicBool,
}

impl Pulse {
    pub(super) fn new() -> Self {
        Self {
            begun: Instant::now(),
            beat: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            is_leaving: AtomicBool::new(false),
            is_abandoned: AtomicBool::new(false),
        }
    }

    /// Whether the thread is to go on.
    pub(super) fn is_running(&self) -> bool {
        !self.stop.load(Ordering::Acquire) && !self.is_abandoned.load(Ordering::Acquire)
    }

    /// The thread polls.
    pub(super) fn beat(&self) {
        let millis = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.beat.store(millis, Ordering::Release);
    }

    /// How long ago the thread has polled.
    pub(super) fn silence(&self) -> Duration {
        let beat = Duration::from_millis(self.beat.load(Ordering::Acquire));
        self.begun.elapsed().saturating_sub(beat)
    }
}
