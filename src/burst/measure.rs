//! What is measured: how long requests took, by operation and outcome, and how many there were in each second.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::Result;
use hdrhistogram::Histogram;

/// Latencies are kept in microseconds, to three digits, up to ten minutes.
const LATENCY_US_MAX: u64 = 600_000_000;
const DIGITS: u8 = 3;
/// Different errors that are told apart.
const ERRORS_MAX: usize = 50;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    Order,
    Cancel,
    List,
    Product,
    History,
    Read,
}

impl Operation {
    /// Its name in reports.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Cancel => "cancel",
            Self::List => "list products",
            Self::Product => "read product",
            Self::History => "list orders",
            Self::Read => "read order",
        }
    }
}

/// How it was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// An order, 201.
    Confirmed,
    /// An order, 202.
    Accepted,
    /// An order, 409 `out_of_stock`, and it stays readable.
    SoldOut,
    /// An order, 409 `out_of_stock`, refused before it became one.
    SoldOutAtEdge,
    /// Anything else, as it should be.
    Done,
    /// 429, 503.
    Refused,
    /// Not at all, or as it must not be.
    Failed,
}

impl Outcome {
    /// All of them, in the order in which they are told.
    pub(super) const ALL: [Self; 7] = [
        Self::Confirmed,
        Self::Accepted,
        Self::SoldOut,
        Self::SoldOutAtEdge,
        Self::Done,
        Self::Refused,
        Self::Failed,
    ];
    /// Those of an order that was answered as it should be.
    pub(super) const OF_ANSWERED_ORDERS: [Self; 4] = [
        Self::Confirmed,
        Self::Accepted,
        Self::SoldOut,
        Self::SoldOutAtEdge,
    ];

    /// Its name in reports.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Accepted => "accepted",
            Self::SoldOut => "sold out",
            Self::SoldOutAtEdge => "sold out, at the edge",
            Self::Done => "done",
            Self::Refused => "refused for now",
            Self::Failed => "failed",
        }
    }
}

/// The time that is measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) from: Instant,
    pub(super) to: Instant,
}

impl Window {
    fn contains(&self, at: Instant) -> bool {
        (self.from..self.to).contains(&at)
    }
}

/// The three times of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// When it was meant to be sent.
    pub(super) due: Instant,
    pub(super) sent: Instant,
    pub(super) answered: Instant,
}

/// How many were answered in one second, by outcome.
pub(super) type Second = [u64; Outcome::ALL.len()];

/// What was measured.
#[derive(Clone, Debug)]
pub(super) struct Measure {
    window: Window,
    /// From the time that a request was due to its answer, of requests due in the window.
    pub(super) latency_us: BTreeMap<(Operation, Outcome), Histogram<u64>>,
    /// From the time that a request was due to its sending.
    pub(super) lateness_us: Histogram<u64>,
    /// Answers in each second of the window, whatever they answer.
    pub(super) seconds: Vec<Second>,
    /// Orders answered in the window, by outcome.
    pub(super) orders_answered: Second,
    /// What went wrong, in the window and before.
    pub(super) errors: BTreeMap<String, u64>,
    /// Requests that were due and not sent.
    pub(super) unsent: u64,
    /// All requests, also those outside the window.
    pub(super) requests: u64,
    pub(super) last_answer: Option<Instant>,
}

fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, LATENCY_US_MAX, DIGITS)?)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros())
        .unwrap_or(LATENCY_US_MAX)
        .max(1)
}

impl Measure {
    /// Nothing yet.
    pub(super) fn new(window: Window) -> Result<Self> {
        Ok(Self {
            window,
            latency_us: BTreeMap::new(),
            lateness_us: histogram()?,
            seconds: Vec::new(),
            orders_answered: Second::default(),
            errors: BTreeMap::new(),
            unsent: 0,
            requests: 0,
            last_answer: None,
        })
    }

    /// Writes down a request.
    pub(super) fn record(&mut self, operation: Operation, outcome: Outcome, times: Times) {
        self.requests += 1;
        self.last_answer = self.last_answer.max(Some(times.answered));
        if self.window.contains(times.answered) {
            let second = (times.answered - self.window.from).as_secs();
            let second = usize::try_from(second).unwrap_or(usize::MAX);
            if second >= self.seconds.len() {
                self.seconds.resize(second + 1, Second::default());
            }
            self.seconds[second][outcome as usize] += 1;
            if operation == Operation::Order {
                self.orders_answered[outcome as usize] += 1;
            }
        }
        if self.window.contains(times.due) {
            self.lateness_us
                .saturating_record(micros(times.sent - times.due));
            let latency_us = micros(times.answered - times.due);
            if let Some(latencies) = self.latency_us.get_mut(&(operation, outcome)) {
                latencies.saturating_record(latency_us);
            } else if let Ok(mut latencies) = histogram() {
                // Its bounds are constants, with which one was made before.
                latencies.saturating_record(latency_us);
                self.latency_us.insert((operation, outcome), latencies);
            }
        }
    }

    /// Writes down what went wrong with a request.
    pub(super) fn failed(&mut self, why: String) {
        let is_new = !self.errors.contains_key(&why);
        let why = match is_new && self.errors.len() >= ERRORS_MAX {
            true => "other errors".to_owned(),
            false => why,
        };
        *self.errors.entry(why).or_default() += 1;
    }

    /// Adds what another thread has measured.
    pub(super) fn add(&mut self, other: Self) -> Result<()> {
        for (key, latencies) in other.latency_us {
            match self.latency_us.get_mut(&key) {
                Some(mine) => mine.add(latencies)?,
                None => drop(self.latency_us.insert(key, latencies)),
            }
        }
        self.lateness_us.add(other.lateness_us)?;
        let seconds = self.seconds.len().max(other.seconds.len());
        self.seconds.resize(seconds, Second::default());
        for (mine, theirs) in self.seconds.iter_mut().zip(other.seconds) {
            add(mine, theirs);
        }
        add(&mut self.orders_answered, other.orders_answered);
        for (why, count) in other.errors {
            *self.errors.entry(why).or_default() += count;
        }
        self.unsent += other.unsent;
        self.requests += other.requests;
        self.last_answer = self.last_answer.max(other.last_answer);
        Ok(())
    }

    /// Requests that were due in the window and answered like this.
    pub(super) fn count(&self, operation: Option<Operation>, outcome: Outcome) -> u64 {
        let latencies = self.latency_us.iter();
        latencies
            .filter(|((of, how), _)| *how == outcome && operation.is_none_or(|it| it == *of))
            .map(|(_, latencies)| latencies.len())
            .sum()
    }

    /// Latencies of all orders that were answered as they should be.
    pub(super) fn order_latency_us(&self) -> Result<Histogram<u64>> {
        let mut all = histogram()?;
        for outcome in Outcome::OF_ANSWERED_ORDERS {
            if let Some(latencies) = self.latency_us.get(&(Operation::Order, outcome)) {
                all.add(latencies)?;
            }
        }
        Ok(all)
    }

    /// How long it was really measured: the whole window, or until the last answer where a run ends by itself.
    pub(super) fn length(&self, ends_by_itself: bool) -> Duration {
        let whole = self.window.to - self.window.from;
        match self.last_answer {
            Some(last) if ends_by_itself => {
                whole.min(last.saturating_duration_since(self.window.from))
            }
            _ => whole,
        }
    }
}

fn add(mine: &mut Second, theirs: Second) {
    for (mine, theirs) in mine.iter_mut().zip(theirs) {
        *mine += theirs;
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn measure() -> (Measure, Instant) {
        let from = Instant::now();
        let to = from + Duration::from_secs(10);
        (Measure::new(Window { from, to }).unwrap(), from)
    }

    pub(crate) fn times(from: Instant, due_ms: u64, sent_ms: u64, answered_ms: u64) -> Times {
        let at = |ms| from + Duration::from_millis(ms);
        Times {
            due: at(due_ms),
            sent: at(sent_ms),
            answered: at(answered_ms),
        }
    }

    /// A shop that answers within a millisecond, but for one second in which it does nothing: a hundred orders a second
    /// are due meanwhile.
    #[test]
    fn a_shop_that_stands_still_is_seen_in_every_request_that_was_due() {
        let (mut measure, from) = measure();
        for number in 0..500 {
            let due = number * 10;
            // It stands still from 2 s to 3 s. One connection: what is due meanwhile is sent when it is free again.
            let sent = if (2_000..3_000).contains(&due) {
                3_000
            } else {
                due
            };
            let times = times(from, due, sent, sent + 1);
            measure.record(Operation::Order, Outcome::Confirmed, times);
        }
        let latency = measure.order_latency_us().unwrap();
        assert_eq!(latency.len(), 500);
        // A fifth of them was due while it stood still, and waited half a second on average.
        assert!((999..1_100).contains(&latency.value_at_quantile(0.5)));
        assert!((490_000..520_000).contains(&latency.value_at_quantile(0.9)));
        assert!((940_000..1_002_000).contains(&latency.value_at_quantile(0.99)));
        assert!(measure.lateness_us.max() >= 999_000);
        let standing = measure.seconds[2][Outcome::Confirmed as usize];
        assert_eq!(standing, 0, "nothing was answered then");
    }

    #[test]
    fn only_the_window_counts() {
        let (mut measure, from) = measure();
        let earlier = Times {
            due: from - Duration::from_millis(5),
            sent: from - Duration::from_millis(5),
            answered: from + Duration::from_millis(5),
        };
        measure.record(Operation::Order, Outcome::Confirmed, earlier);
        measure.record(
            Operation::Order,
            Outcome::SoldOut,
            times(from, 9_999, 9_999, 10_001),
        );
        measure.record(Operation::List, Outcome::Done, times(from, 1, 1, 2));
        assert_eq!(measure.count(None, Outcome::Confirmed), 0);
        assert_eq!(measure.orders_answered[Outcome::Confirmed as usize], 1);
        assert_eq!(measure.count(None, Outcome::SoldOut), 1);
        assert_eq!(measure.orders_answered[Outcome::SoldOut as usize], 0);
        assert_eq!(measure.order_latency_us().unwrap().len(), 1);
        assert_eq!(measure.requests, 3);
        assert_eq!(measure.length(false), Duration::from_secs(10));
        let mut both = measure.clone();
        both.add(measure).unwrap();
        assert_eq!(both.count(Some(Operation::List), Outcome::Done), 2);
        assert_eq!(both.seconds[0][Outcome::Done as usize], 2);
    }
}
