//! Whose turn it is, and when.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use tokio::{
    sync::Mutex,
    time::{Instant as TokioInstant, sleep_until},
};

use super::{
    alarm::Alarm,
    plan::{Pace, Plan},
    schedule::Schedule,
};

/// What is due before the end is still sent so long after it; what cannot be is not sent at all.
const SENT_AFTER_THE_END_MAX: Duration = Duration::from_secs(1);

/// The turns of one thread, which its workers take one after the other.
pub(super) struct Turns {
    begin: Instant,
    end: Instant,
    /// Turns with this number and higher there are not.
    numbers_end: u64,
    kind: Kind,
    unsent: Cell<u64>,
}

enum Kind {
    /// At once, as long as there is time: the next number, and the step to the one after.
    Closed { next: Cell<u64>, step: u64 },
    /// When the schedule says. A worker that sleeps until its turn keeps the others behind it waiting in line.
    Open(Mutex<(Schedule, Alarm)>),
}

/// A turn: its number, and when what is done at it is meant to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) number: u64,
    pub(super) at: Instant,
}

impl Turns {
    /// The turns of the thread `part`, from `begin` until `end`; made in the runtime in which they are taken.
    pub(super) fn new(plan: &Plan, part: u32, begin: Instant, end: Instant) -> Self {
        let (part, parts) = (u64::from(part), u64::from(plan.threads));
        let kind = match plan.pace {
            Pace::Closed => Kind::Closed {
                next: Cell::new(part),
                step: parts,
            },
            Pace::Open { rate, arrivals } => {
                let schedule = Schedule::new(arrivals, rate, part, parts, plan.seed);
                Kind::Open(Mutex::new((schedule, Alarm::new())))
            }
        };
        Self {
            begin,
            end,
            numbers_end: plan.attempts.unwrap_or(u64::MAX),
            kind,
            unsent: Cell::new(0),
        }
    }

    /// When no more turns are taken.
    pub(super) const fn end(&self) -> Instant {
        self.end
    }

    /// Whether the next turn waits for the answer to the one before.
    pub(super) const fn is_closed(&self) -> bool {
        matches!(self.kind, Kind::Closed { .. })
    }

    /// Turns that were due and could not be taken.
    pub(super) fn unsent(&self) -> u64 {
        self.unsent.get()
    }

    /// Waits for the next turn; `None` when there are no more.
    pub(super) async fn next(&self) -> Option<Due> {
        match &self.kind {
            Kind::Closed { next, step } => {
                if Instant::now() < self.begin {
                    sleep_until(TokioInstant::from_std(self.begin)).await;
                }
                let (number, at) = (next.get(), Instant::now());
                next.set(number.saturating_add(*step));
                (number < self.numbers_end && at < self.end).then_some(Due { number, at })
            }
            Kind::Open(schedule) => {
                let mut in_turn = schedule.lock().await;
                let (schedule, alarm) = &mut *in_turn;
                loop {
                    let (number, after) = schedule.next()?;
                    let at = self.begin + after;
                    if number >= self.numbers_end || at >= self.end {
                        return None;
                    }
                    if Instant::now() >= self.end + SENT_AFTER_THE_END_MAX {
                        self.unsent.set(self.unsent.get() + 1);
                        continue;
                    }
                    alarm.sleep_until(at).await;
                    return Some(Due { number, at });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::burst::plan::tests::plan;

    fn turns(flags: &str, begin: Instant, length: Duration) -> Turns {
        Turns::new(&plan(flags).unwrap(), 0, begin, begin + length)
    }

    #[tokio::test]
    async fn turns_of_an_open_loop_are_due_whether_or_not_anybody_takes_them() {
        let begin = Instant::now();
        let flags = "--rate 100 --arrivals even";
        let turns = turns(flags, begin, Duration::from_millis(50));
        let first = turns.next().await.unwrap();
        // Everybody is busy.
        std::thread::sleep(Duration::from_millis(60));
        let mut due = vec![first];
        while let Some(next) = turns.next().await {
            due.push(next);
        }
        let expected = (0..5).map(|number| Due {
            number,
            at: begin + Duration::from_millis(number * 10),
        });
        assert_eq!(due, expected.collect::<Vec<_>>());
        assert_eq!(turns.unsent(), 0);
    }

    #[tokio::test]
    async fn what_could_not_be_sent_is_counted() {
        let begin = Instant::now() - Duration::from_secs(10);
        let turns = turns("--rate 100", begin, Duration::from_secs(5));
        assert_eq!(turns.next().await, None);
        assert!((300..700).contains(&turns.unsent()), "{}", turns.unsent());
    }

    #[tokio::test]
    async fn a_closed_loop_ends_with_its_time_or_its_attempts() {
        let begin = Instant::now();
        let launch = turns(
            "--scenario drop --attempts 2",
            begin,
            Duration::from_secs(9),
        );
        let numbers = [
            launch.next().await,
            launch.next().await,
            launch.next().await,
        ];
        assert_eq!(
            numbers.map(|due| due.map(|due| due.number)),
            [Some(0), Some(1), None]
        );
        assert_eq!(turns("", begin, Duration::ZERO).next().await, None);
    }
}
