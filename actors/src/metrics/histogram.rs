//! A histogram that costs two atomic increments to feed.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use prometheus_client::encoding::{MetricEncoder, NoLabelSet};

/// Upper bounds of durations, in seconds: from a fraction of a commit to the longest that anybody waits.
const SECONDS: &[f64] = &[
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
/// Upper bounds of numbers of things, up to the entries of the largest transaction.
const COUNTS: &[f64] = &[
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0, 2_048.0, 4_096.0,
];
/// Observations are summed in millionths, so that the sum is one integer.
const MILLIONTHS: f64 = 1_000_000.0;

/// A histogram.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    /// One for each bound, and one for what is above all.
    counts: Box<[AtomicU64]>,
    sum_millionths: AtomicU64,
}

impl Histogram {
    /// One of durations.
    #[must_use]
    pub fn of_seconds() -> Self {
        Self::new(SECONDS)
    }

    /// One of numbers of things.
    #[must_use]
    pub fn of_counts() -> Self {
        Self::new(COUNTS)
    }

    fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum_millionths: AtomicU64::new(0),
        }
    }

    /// Takes up a duration.
    pub fn took(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.observe(duration.as_secs_f64(), micros);
    }

    /// Takes up a number of things.
    pub fn counted(&self, things: usize) {
        let things = u32::try_from(things).unwrap_or(u32::MAX);
        self.observe(f64::from(things), u64::from(things) * 1_000_000);
    }

    fn observe(&self, value: f64, millionths: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_millionths.fetch_add(millionths, Ordering::Relaxed);
    }

    /// Observations so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        let counts = self.counts.iter();
        counts.map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Writes it down.
    ///
    /// # Errors
    /// Those of the encoder.
    pub fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let bounds = self.bounds.iter().copied().chain([f64::MAX]);
        let counts = self.counts.iter();
        let counts = counts.map(|count| count.load(Ordering::Relaxed));
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        #[expect(
            clippy::cast_precision_loss,
            reason = "a sum of seconds need not be exact"
        )]
        let sum = self.sum_millionths.load(Ordering::Relaxed) as f64 / MILLIONTHS;
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_observation_counts_in_the_first_bucket_that_holds_it() {
        let histogram = Histogram::of_counts();
        for things in [1, 2, 3, 5_000] {
            histogram.counted(things);
        }
        let counts: Vec<u64> = (histogram.counts.iter())
            .map(|count| count.load(Ordering::Relaxed))
            .collect();
        assert_eq!((counts[0], counts[1], counts[2]), (1, 1, 1));
        assert_eq!(counts.last(), Some(&1));
        assert_eq!(histogram.count(), 4);
        assert_eq!(
            histogram.sum_millionths.load(Ordering::Relaxed),
            5_006_000_000
        );
    }
}
