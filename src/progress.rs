//! How far a command has come that reads a store, on standard error where that is a terminal; otherwise nothing is shown.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What is shown: a bar, what was done of how much, how fast, and how long it will still take.
const TEMPLATE: &str = "{bar:32} {human_pos}/{human_len}, {per_sec}, {eta} left  {msg}";
/// Drawings in a second.
const DRAWN_HZ: u8 = 5;

/// How far a command has come.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Nothing is shown.
    pub(crate) fn hidden() -> Self {
        Self(ProgressBar::hidden())
    }

    /// Shown on a terminal.
    pub(crate) fn shown() -> Self {
        let target = ProgressDrawTarget::stderr_with_hz(DRAWN_HZ);
        let bar = ProgressBar::with_draw_target(Some(0), target);
        Self(match ProgressStyle::with_template(TEMPLATE) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        })
    }

    /// There are so many more records, entries or whatever is counted.
    pub(crate) fn expect(&self, count: u64) {
        self.0.inc_length(count);
    }

    /// So many are done.
    pub(crate) fn done(&self, count: usize) {
        self.0.inc(count as u64);
    }

    /// What is being done.
    pub(crate) fn now(&self, what: &'static str) {
        self.0.set_message(what);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
