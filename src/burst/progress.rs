//! Shows how far it is, on standard error where that is a terminal; otherwise nothing is shown.

use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{drive::Load, measure::Outcome};

const TEMPLATE: &str = "{prefix} {bar:32} {msg}";
/// Drawings in a second.
const DRAWN_HZ: u8 = 5;

/// How far a run has come.
#[derive(Debug)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Of a run, unless it is to be hidden.
    pub(super) fn new(is_hidden: bool) -> Self {
        if is_hidden {
            return Self(ProgressBar::hidden());
        }
        let target = ProgressDrawTarget::stderr_with_hz(DRAWN_HZ);
        let bar = ProgressBar::with_draw_target(Some(0), target);
        // The template is a constant; without it there is a plainer bar.
        Self(match ProgressStyle::with_template(TEMPLATE) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        })
    }

    /// So many buyers and products are going to be made.
    pub(super) fn furnish(&self, count: u64) {
        self.phase("furnishing", count);
    }

    /// One of them is.
    pub(super) fn furnished(&self) {
        self.0.inc(1);
    }

    /// Something else is done now, of so many steps.
    pub(super) fn phase(&self, what: &'static str, steps: u64) {
        self.0.set_prefix(what);
        self.0.set_message("");
        self.0.set_length(steps);
        self.0.set_position(0);
    }

    /// The crowd orders.
    pub(super) fn running(&self, load: &Load) {
        if self.0.is_hidden() {
            return;
        }
        let now = Instant::now();
        let is_warm = now >= load.window.from;
        self.0
            .set_prefix(if is_warm { "measuring" } else { "warming up" });
        let passed = now.saturating_duration_since(load.begin);
        let gauge = &load.gauge;
        match load.plan.attempts {
            Some(attempts) => {
                self.0.set_length(attempts);
                self.0.set_position(gauge.total());
            }
            None => {
                self.0.set_length(millis(load.window.to - load.begin));
                self.0.set_position(millis(passed));
            }
        }
        let total = gauge.total();
        let rate = total as f64 / passed.as_secs_f64().max(1e-3);
        let failed = gauge.count(Outcome::Failed);
        let refused = gauge.count(Outcome::Refused);
        self.0.set_message(format!(
            "{:.0} s, {total} answers, {rate:.0} a second, {refused} refused, {failed} failed",
            passed.as_secs_f64()
        ));
    }
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
