//! Runs of several rounds, as a person reads them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::driver::Tally;
use crate::report::{latency_ms, median, rate_per_second};

/// The runs of one kind.
pub(crate) struct Series {
    name: &'static str,
    runs: Vec<Tally>,
}

impl Series {
    /// No runs yet.
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            runs: Vec::new(),
        }
    }

    /// What kind.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// One more run.
    pub(crate) fn push(&mut self, run: Tally) {
        self.runs.push(run);
    }

    /// Confirmed (or only accepted) orders per second, the median of the runs.
    pub(crate) fn rate_per_second(&self) -> f64 {
        median(self.runs.iter().map(rate_per_second).collect())
    }

    /// A quantile of the latency in milliseconds, the median of the runs.
    pub(crate) fn latency_ms(&self, quantile: f64) -> f64 {
        median(
            self.runs
                .iter()
                .map(|run| latency_ms(run, quantile))
                .collect(),
        )
    }

    fn answers(&self) -> String {
        let mut counts = BTreeMap::new();
        for run in &self.runs {
            for (status, count) in &run.statuses {
                *counts.entry(*status).or_insert(0_u64) += count;
            }
        }
        let failures: u64 = self.runs.iter().map(|run| run.failures).sum();
        let mut texts: Vec<String> = counts
            .iter()
            .map(|(status, count)| format!("{count} x {status}"))
            .collect();
        if failures > 0 {
            texts.push(format!("{failures} without an answer"));
        }
        texts.join(", ")
    }
}

/// Says how it was measured.
pub(crate) fn print_setting(connections: usize, rounds: usize, measured: Duration) {
    let processors = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    println!(
        "{connections} connections, median of {rounds} rounds of {measured:?}, {processors} processors"
    );
    println!();
}

/// One line a series.
pub(crate) fn print_table(series: &[&Series]) {
    println!("| run | orders/s | p50 ms | p90 ms | p99 ms | max ms | answers of all rounds |");
    println!("|---|---|---|---|---|---|---|");
    for one in series {
        println!(
            "| {} | {:.0} | {:.1} | {:.1} | {:.1} | {:.1} | {} |",
            one.name,
            one.rate_per_second(),
            one.latency_ms(0.50),
            one.latency_ms(0.90),
            one.latency_ms(0.99),
            one.latency_ms(1.0),
            one.answers(),
        );
    }
}

/// One run on one line.
pub(crate) fn one_line(run: &Tally) -> String {
    format!(
        "{:.0} orders/s, p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms, answers {:?}, {} failures",
        rate_per_second(run),
        latency_ms(run, 0.5),
        latency_ms(run, 0.99),
        latency_ms(run, 1.0),
        run.statuses,
        run.failures,
    )
}
