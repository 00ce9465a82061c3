//! How often something may fail before it is somebody else's problem.

use std::{collections::VecDeque, time::Duration};

/// What happens when a restart budget is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exhausted {
    /// The shard that hosts the actor restarts.
    RestartShard,
    /// The process ends, and whoever runs it starts it again.
    ExitProcess,
}

/// The policy for one kind of actor: one row of the supervision table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The kind, as operators see it.
    pub kind: &'static str,
    /// Messages that can wait in its mailbox.
    pub mailbox_capacity: usize,
    /// Restarts within [`Policy::window`] that are allowed.
    pub restarts_max: usize,
    /// The time over which restarts are counted.
    pub window: Duration,
    /// The wait before the second restart within the window; the first one is immediate.
    pub backoff_min: Duration,
    /// The longest wait before a restart; waits double up to it.
    pub backoff_max: Duration,
    /// What happens when the budget is used up.
    pub on_exhaustion: Exhausted,
}

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Restart after this wait.
    Restart(Duration),
    /// The budget is used up.
    Escalate(Exhausted),
}

/// The recent restarts of one actor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restarts {
    /// Times of recent failures, as durations since any fixed moment.
    recent: VecDeque<Duration>,
}

impl Restarts {
    /// Notes a failure at `now`, a duration since any fixed moment, and decides about it.
    pub fn failed(&mut self, policy: &Policy, now: Duration) -> Verdict {
        while self
            .recent
            .front()
            .is_some_and(|&at| now.saturating_sub(at) > policy.window)
        {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        let failures = self.recent.len();
        if failures > policy.restarts_max {
            self.recent.clear();
            return Verdict::Escalate(policy.on_exhaustion);
        }
        if failures == 1 {
            return Verdict::Restart(Duration::ZERO);
        }
        let doublings = u32::try_from(failures - 2).unwrap_or(u32::MAX).min(16);
        Verdict::Restart((policy.backoff_min * 2_u32.pow(doublings)).min(policy.backoff_max))
    }
}

impl Restarts {
    /// How many of the restarts that are allowed within the window are used at `now`.
    #[must_use]
    pub fn used(&self, policy: &Policy, now: Duration) -> usize {
        let within = |at: &&Duration| now.saturating_sub(**at) <= policy.window;
        self.recent.iter().filter(within).count()
    }
}

/// Tries that a record of a link gets before it is parked.
pub const TRIES_MAX: u32 = 3;
/// The time within which those tries happen.
pub const TRIES_WINDOW: Duration = Duration::from_secs(1);

/// Decides whether a record whose handling has failed `tries` times, the first of them `since_first` ago, is parked.
#[must_use]
pub fn is_to_be_parked(tries: u32, since_first: Duration) -> bool {
    tries >= TRIES_MAX || since_first >= TRIES_WINDOW
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy {
        kind: "test",
        mailbox_capacity: 1,
        restarts_max: 3,
        window: Duration::from_secs(10),
        backoff_min: Duration::from_millis(10),
        backoff_max: Duration::from_millis(15),
        on_exhaustion: Exhausted::RestartShard,
    };

    #[test]
    fn a_budget_is_used_up_within_its_window_only() {
        let mut restarts = Restarts::default();
        let at = |secs| Duration::from_secs(secs);
        assert_eq!(
            restarts.failed(&POLICY, at(0)),
            Verdict::Restart(Duration::ZERO)
        );
        assert_eq!(
            restarts.failed(&POLICY, at(1)),
            Verdict::Restart(Duration::from_millis(10))
        );
        assert_eq!(
            restarts.failed(&POLICY, at(2)),
            Verdict::Restart(Duration::from_millis(15))
        );
        assert_eq!(
            restarts.failed(&POLICY, at(3)),
            Verdict::Escalate(Exhausted::RestartShard)
        );
        for round in 0..20 {
            assert!(matches!(
                restarts.failed(&POLICY, at(100 + round * 11)),
                Verdict::Restart(_)
            ));
        }
    }

    #[test]
    fn what_is_used_of_a_budget_comes_back_with_its_window() {
        let mut restarts = Restarts::default();
        let at = |secs| Duration::from_secs(secs);
        restarts.failed(&POLICY, at(0));
        restarts.failed(&POLICY, at(6));
        assert_eq!(restarts.used(&POLICY, at(6)), 2);
        assert_eq!(restarts.used(&POLICY, at(11)), 1);
        assert_eq!(restarts.used(&POLICY, at(17)), 0);
    }

    #[test]
    fn a_record_is_parked_after_three_tries_or_a_second() {
        assert!(!is_to_be_parked(2, Duration::from_millis(999)));
        assert!(is_to_be_parked(3, Duration::ZERO));
        assert!(is_to_be_parked(1, Duration::from_secs(1)));
    }
}
