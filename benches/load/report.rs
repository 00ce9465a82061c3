//! A run in figures.

use crate::driver::Tally;

/// The middle of some figures; the upper one where two are in the middle.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Orders per second that were answered as was hoped.
pub(crate) fn rate_per_second(run: &Tally) -> f64 {
    // Exact below 2^53.
    run.successes() as f64 / run.measured.as_secs_f64()
}

/// A quantile of the latency in milliseconds.
pub(crate) fn latency_ms(run: &Tally, quantile: f64) -> f64 {
    run.latency_us.value_at_quantile(quantile) as f64 / 1e3
}
