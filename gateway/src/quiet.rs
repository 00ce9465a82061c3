//! Keeps the log readable while the same thing happens thousands of times a second.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// Lets one line through in each stretch of time, and counts the others.
pub(crate) struct Quiet {
    started: Instant,
    pause_ms: u64,
    next_ms: AtomicU64,
    unsaid: AtomicU64,
}

impl Quiet {
    /// Lets one line through every `pause`.
    pub(crate) fn new(pause: Duration) -> Self {
        Self {
            started: Instant::now(),
            pause_ms: millis(pause),
            next_ms: AtomicU64::new(0),
            unsaid: AtomicU64::new(0),
        }
    }

    /// Whether to speak now, and how often it was kept back since the last time.
    pub(crate) fn speak(&self) -> Option<u64> {
        let now = millis(self.started.elapsed());
        let due = |next| (now >= next).then_some(now + self.pause_ms);
        let may_speak = self
            .next_ms
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, due)
            .is_ok();
        if may_speak {
            Some(self.unsaid.swap(0, Ordering::Relaxed))
        } else {
            self.unsaid.fetch_add(1, Ordering::Relaxed);
            None
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn one_line_in_a_stretch_and_the_others_counted() {
        let quiet = Quiet::new(Duration::from_secs(3_600));
        assert_eq!(quiet.speak(), Some(0));
        assert_eq!((quiet.speak(), quiet.speak()), (None, None));
        quiet.next_ms.store(0, Ordering::Relaxed);
        assert_eq!(quiet.speak(), Some(2));
    }
}
