//! What was measured, by name.

use std::collections::BTreeMap;

use crate::report::median;

/// Processors in use before a round, in percent: by whatever else runs.
pub(crate) const BUSY_BEFORE: &str = "processors in use before the round, %";
/// Appending 4 KiB to a file and bringing them to the disk.
pub(crate) const FSYNC: &str = "one fdatasync of 4 KiB, p50 ms";
/// A transaction of one row, on SQLite.
pub(crate) const SQLITE_COMMIT_P50: &str = "commit of one row on SQLite, p50 ms";
/// See [`SQLITE_COMMIT_P50`].
pub(crate) const SQLITE_COMMIT_P99: &str = "commit of one row on SQLite, p99 ms";
/// A transaction of one row, on PostgreSQL.
pub(crate) const POSTGRES_COMMIT_P50: &str = "commit of one row on PostgreSQL, p50 ms";
/// See [`POSTGRES_COMMIT_P50`].
pub(crate) const POSTGRES_COMMIT_P99: &str = "commit of one row on PostgreSQL, p99 ms";
/// All rows that the engine writes for an order, a hundred orders in a transaction.
pub(crate) const SQLITE_RAW: &str = "raw SQLite, all rows, 100 orders a transaction, orders/s";
/// The rows of orders and products only.
pub(crate) const SQLITE_RAW_ORDERS: &str =
    "raw SQLite, rows of orders and products only, 100 orders a transaction, orders/s";
/// The bare endpoint.
pub(crate) const BARE: &str = "bare actix-web endpoint, 512 connections, answers/s";
/// `stampede up`, orders over a thousand products.
pub(crate) const UP_UNIFORM: &str = "up, uniform, 512 connections, orders/s";
/// `stampede up`, orders of one product.
pub(crate) const UP_HOT: &str = "up, hot, 512 connections, orders/s";
/// From request to confirmation.
pub(crate) const UP_LATENCY_P50: &str = "up, 64 connections, p50 ms";
/// See [`UP_LATENCY_P50`].
pub(crate) const UP_LATENCY_P99: &str = "up, 64 connections, p99 ms";
/// From when a request was due to its acceptance, at half of the rate of [`UP_UNIFORM`].
pub(crate) const UP_ACCEPT_P50: &str = "up, accepted at half of peak, p50 ms";
/// See [`UP_ACCEPT_P50`].
pub(crate) const UP_ACCEPT_P99: &str = "up, accepted at half of peak, p99 ms";
/// Actors and journal without HTTP.
pub(crate) const ENGINE_UNIFORM: &str = "engine alone, uniform, 512 at a time, orders/s";
/// See [`ENGINE_UNIFORM`].
pub(crate) const ENGINE_HOT: &str = "engine alone, hot, 512 at a time, orders/s";

/// How much the memory of a process grows with an order that waits in it.
pub(crate) const RESIDENT_ORDER: &str = "memory of a resident order, bytes";
/// The worst of [`crate::crashed::CRASHES`].
pub(crate) const PRODUCT_CRASHED: &str = "a crashed product actor answers again, worst of 5, ms";
/// See [`PRODUCT_CRASHED`].
pub(crate) const ORDER_CRASHED: &str = "a crashed order actor answers again, worst of 5, ms";
/// From the end of one of two nodes until every buyer has an order confirmed again.
pub(crate) const NODE_KILLED: &str = "a killed node's shards are served again, ms";

/// One round.
#[derive(Debug, Default)]
pub(crate) struct Round {
    figures: BTreeMap<String, f64>,
    processor: BTreeMap<(String, &'static str), f64>,
}

impl Round {
    /// Without figures.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Notes a figure.
    pub(crate) fn set(&mut self, name: impl Into<String>, value: f64) {
        self.figures.insert(name.into(), value);
    }

    /// Notes a figure and shows it to who waits.
    pub(crate) fn say(&mut self, name: impl Into<String>, value: f64) {
        let name = name.into();
        eprintln!("  {name}: {}", short(value));
        self.set(name, value);
    }

    /// A figure of this round.
    pub(crate) fn get(&self, name: &str) -> Option<f64> {
        self.figures.get(name).copied()
    }

    /// Notes how many microseconds of processor time each of these has used for an order of this run.
    pub(crate) fn note_processor(&mut self, run: &str, used: &BTreeMap<&'static str, f64>) {
        for (who, micros) in used {
            self.processor.insert((run.to_owned(), who), *micros);
        }
    }

    /// Microseconds of processor time for an order.
    pub(crate) fn processor(&self, run: &str, who: &'static str) -> Option<f64> {
        self.processor.get(&(run.to_owned(), who)).copied()
    }

    /// Names of figures.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.figures.keys().map(String::as_str)
    }

    /// Runs, and who used the processors in them.
    pub(crate) fn users_of_processors(&self) -> impl Iterator<Item = (&str, &'static str)> {
        self.processor.keys().map(|(run, who)| (run.as_str(), *who))
    }
}

/// All rounds.
#[derive(Debug, Default)]
pub(crate) struct Figures(Vec<Round>);

impl Figures {
    /// Whether there is no round.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One more round.
    pub(crate) fn push(&mut self, round: Round) {
        self.0.push(round);
    }

    /// The rounds.
    pub(crate) fn rounds(&self) -> &[Round] {
        &self.0
    }

    /// What this makes of each round; the median of those of which it makes something.
    pub(crate) fn median(&self, of: impl Fn(&Round) -> Option<f64>) -> Option<f64> {
        let values: Vec<f64> = self.0.iter().filter_map(of).collect();
        (!values.is_empty()).then(|| median(values))
    }
}

/// Three digits that matter, for rates and milliseconds alike.
pub(crate) fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
