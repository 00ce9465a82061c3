//! What is measured while the program runs, and how it is shown to Prometheus.
//!
//! Nothing here is of the whole process: each shop has its own meters, handed to those who feed them. Feeding one costs
//! an atomic increment or two. What shards know of themselves is not counted twice: it is asked of them when somebody
//! looks. No label is ever an id: labels are kinds, domains, causes and the patterns of routes.

mod exposition;
mod histogram;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

pub use exposition::{Exposition, Labelled, Labels, write_family};
pub use histogram::Histogram;
pub use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, text::encode},
    metrics::MetricType,
    registry::Registry,
};

/// As what the text is served.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The meters of a process.
#[derive(Debug)]
pub struct Meters {
    /// From the arrival of an order at its shard's process until it is durable.
    pub order_accept: Histogram,
    /// From there until it is settled.
    pub order_confirm: Histogram,
    writers: Mutex<BTreeMap<&'static str, Arc<WriterMeters>>>,
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            order_accept: Histogram::of_seconds(),
            order_confirm: Histogram::of_seconds(),
            writers: Mutex::default(),
        }
    }
}

impl Meters {
    /// Those of the journal writer of this name: that of its domain, or `all` where one writes for all.
    #[must_use]
    pub fn writer(&self, name: &'static str) -> Arc<WriterMeters> {
        let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        writers.entry(name).or_default().clone()
    }

    fn writers(&self) -> Vec<(&'static str, Arc<WriterMeters>)> {
        let writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        let all = writers.iter();
        all.map(|(name, meters)| (*name, meters.clone())).collect()
    }
}

/// The meters of one journal writer.
#[derive(Debug)]
pub struct WriterMeters {
    /// How long a transaction takes.
    pub commit: Histogram,
    /// Entries of a transaction.
    pub batch: Histogram,
    failed: AtomicU64,
}

impl Default for WriterMeters {
    fn default() -> Self {
        Self {
            commit: Histogram::of_seconds(),
            batch: Histogram::of_counts(),
            failed: AtomicU64::new(0),
        }
    }
}

impl WriterMeters {
    /// A commit failed, or nobody knows.
    pub fn commit_failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Commits that failed.
    #[must_use]
    pub fn commits_failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}
