//! When orders come that come at a given rate, whatever is answered.

use std::time::Duration;

use clap::ValueEnum;
use rand::{RngExt, SeedableRng, rngs::SmallRng};

/// How orders are spaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Arrivals {
    /// At random, as buyers do who do not know of each other: the times between them are exponential.
    Poisson,
    /// All the same time apart.
    Even,
}

/// The share of one thread: the orders with the numbers `part`, `part + parts`, …, and when each is due.
#[derive(Debug)]
pub(super) struct Schedule {
    arrivals: Arrivals,
    /// Of all threads, a second.
    rate: f64,
    parts: u64,
    number: u64,
    /// When the latest was due, in seconds from the beginning.
    at: f64,
    random: SmallRng,
}

impl Schedule {
    /// The share of the thread `part` of `parts` in so many orders a second.
    pub(super) fn new(arrivals: Arrivals, rate: f64, part: u64, parts: u64, seed: u64) -> Self {
        Self {
            arrivals,
            rate,
            parts,
            number: part,
            at: 0.0,
            random: SmallRng::seed_from_u64(seed ^ part.rotate_right(16)),
        }
    }
}

impl Iterator for Schedule {
    type Item = (u64, Duration);

    fn next(&mut self) -> Option<Self::Item> {
        let number = self.number;
        self.number += self.parts;
        self.at = match self.arrivals {
            // From the number, so that no rounding adds up. Exact below 2^53.
            Arrivals::Even => number as f64 / self.rate,
            Arrivals::Poisson => {
                let mean = self.parts as f64 / self.rate;
                let part: f64 = self.random.random_range(0.0..1.0);
                self.at - mean * (1.0 - part).ln()
            }
        };
        Duration::try_from_secs_f64(self.at)
            .ok()
            .map(|at| (number, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(arrivals: Arrivals, parts: u64, seed: u64, seconds: f64) -> Vec<(u64, Duration)> {
        let mut all: Vec<_> = (0..parts)
            .flat_map(|part| {
                Schedule::new(arrivals, 1_000.0, part, parts, seed)
                    .take_while(move |(_, at)| at.as_secs_f64() < seconds)
            })
            .collect();
        all.sort();
        all
    }

    #[test]
    fn even_arrivals_are_the_same_for_any_number_of_threads() {
        let one = of(Arrivals::Even, 1, 1, 2.0);
        assert_eq!(one.len(), 2_000);
        assert_eq!(one[1_500], (1_500, Duration::from_millis(1_500)));
        assert_eq!(one, of(Arrivals::Even, 3, 2, 2.0));
    }

    #[test]
    fn poisson_arrivals_have_the_rate_and_the_spread() {
        for parts in [1, 3] {
            let arrivals = of(Arrivals::Poisson, parts, 7, 20.0);
            // Twenty thousand, give or take five standard deviations.
            assert!((19_300..20_700).contains(&arrivals.len()));
            let numbers: std::collections::BTreeSet<u64> =
                arrivals.iter().map(|(number, _)| *number).collect();
            assert_eq!(numbers.len(), arrivals.len());
            // In a tenth of a second there are a hundred, and the variance is as large as the mean.
            let mut counts = vec![0_f64; 200];
            for (_, at) in &arrivals {
                counts[usize::try_from(at.as_millis() / 100).unwrap()] += 1.0;
            }
            let mean = counts.iter().sum::<f64>() / 200.0;
            let variance = counts.iter().map(|n| (n - mean).powi(2)).sum::<f64>() / 200.0;
            assert!((0.6..1.5).contains(&(variance / mean)), "{variance} {mean}");
        }
    }

    #[test]
    fn the_seed_decides() {
        let of = |seed| of(Arrivals::Poisson, 2, seed, 1.0);
        assert_eq!(of(4), of(4));
        assert_ne!(of(4), of(5));
    }
}
