//! Shows how far it is: a bar where there is a terminal, and a line now and then where there is none.

use std::{
    io::{IsTerminal, stderr},
    sync::Mutex,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

use super::crowd::lock;
use crate::output::complain;

/// How often a line is written where there is no terminal.
const LINE_PAUSE: Duration = Duration::from_secs(5);
const BAR: &str = "{prefix} {bar:32} {pos}/{len} orders, {elapsed}: {msg}";

/// Progress of one run.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    orders: usize,
    said_at: Mutex<Instant>,
}

impl Progress {
    /// Of a run with so many orders.
    pub(super) fn new(orders: usize, seed: u64) -> Self {
        let bar = stderr().is_terminal().then(|| {
            let bar =
                ProgressBar::with_draw_target(Some(orders as u64), ProgressDrawTarget::stderr());
            // The template is a constant; without it there is a plainer bar.
            if let Ok(style) = ProgressStyle::with_template(BAR) {
                bar.set_style(style);
            }
            bar.set_prefix(format!("chaos, seed {seed}:"));
            bar
        });
        Self {
            bar,
            orders,
            said_at: Mutex::new(Instant::now()),
        }
    }

    /// So many orders are answered.
    pub(super) fn answered(&self, count: usize) {
        if let Some(bar) = &self.bar {
            bar.set_position(count as u64);
            return;
        }
        let mut said_at = lock(&self.said_at);
        if said_at.elapsed() >= LINE_PAUSE {
            *said_at = Instant::now();
            complain(format_args!(
                "chaos: {count} of {} orders are answered",
                self.orders
            ));
        }
    }

    /// A fault begins.
    pub(super) fn fault(&self, what: &str) {
        tracing::debug!(fault = what, "a fault begins");
        self.phase(what);
    }

    /// What is being done.
    pub(super) fn phase(&self, what: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(what.to_owned());
        }
    }

    /// It is over.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
