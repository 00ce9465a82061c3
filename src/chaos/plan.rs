//! What goes wrong, and when: drawn from the seed, so that it can be done again.
//!
//! A run that is long enough has every kind at least once. A shorter one has as many as fit, and seeds that follow one
//! another have those that follow one another, so that a series of runs has them all.

use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};

use super::{action::Action, kinds::Kind};

/// The time from one fault to the next, on average. Most last longer than that, so they overlap.
const PACE: Duration = Duration::from_millis(800);
/// Before the first fault, a part of the time goes by in which nothing goes wrong; and after the last.
const CALM: f64 = 0.05;

/// A fault that is to be injected.
#[derive(Clone)]
pub(super) struct Planned {
    /// From the start of the burst.
    pub(super) at: Duration,
    pub(super) kind: &'static str,
    pub(super) action: Action,
}

/// The faults of a run of this length.
pub(super) fn plan(seed: u64, kinds: &[&Kind], length: Duration) -> Vec<Planned> {
    let mut rng = StdRng::seed_from_u64(seed);
    let fit = length.as_millis() / PACE.as_millis();
    let fit = usize::try_from(fit).unwrap_or(usize::MAX).max(1);
    let mut chosen = chosen(seed, kinds, fit);
    while !kinds.is_empty() && chosen.len() < fit {
        chosen.push(kinds[rng.random_range(0..kinds.len())]);
    }
    chosen.shuffle(&mut rng);
    let slot = length.mul_f64(1.0 - 2.0 * CALM) / u32::try_from(chosen.len().max(1)).unwrap_or(1);
    let mut at = length.mul_f64(CALM);
    let planned = chosen.into_iter().map(|kind| {
        let begins = at + slot.mul_f64(rng.random_range(0.0..0.9));
        at += slot;
        Planned {
            at: begins,
            kind: kind.name,
            action: (kind.draw)(&mut rng),
        }
    });
    planned.collect()
}

/// Every kind once, or as many as fit, beginning where the run with the seed before has ended.
fn chosen<'a>(seed: u64, kinds: &[&'a Kind], fit: usize) -> Vec<&'a Kind> {
    let count = kinds.len().min(fit);
    // Modulo a length first: nothing is cut off.
    let length = kinds.len().max(1) as u64;
    let start = (seed % length) * (count as u64 % length) % length;
    let start = usize::try_from(start).unwrap_or(0);
    let around = kinds.iter().cycle().skip(start);
    around.take(count).copied().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{super::kinds::KINDS, *};

    fn names(seed: u64, secs: u64) -> Vec<&'static str> {
        let kinds: Vec<&Kind> = KINDS.iter().collect();
        let planned = plan(seed, &kinds, Duration::from_secs(secs));
        planned.iter().map(|fault| fault.kind).collect()
    }

    #[test]
    fn a_seed_gives_the_same_faults_again_and_another_others() {
        let kinds: Vec<&Kind> = KINDS.iter().collect();
        let of = |seed| {
            let planned = plan(seed, &kinds, Duration::from_secs(20));
            let planned = planned.into_iter();
            let told = planned.map(|fault| format!("{:?} {:?}", fault.at, fault.action));
            told.collect::<Vec<_>>()
        };
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
    }

    #[test]
    fn a_long_run_has_every_kind_and_short_ones_have_them_in_turn() {
        let all: BTreeSet<&str> = KINDS.iter().map(|kind| kind.name).collect();
        let long: BTreeSet<&str> = names(1, 60).into_iter().collect();
        assert_eq!(long, all);
        let some = names(1, 8);
        assert_eq!(some.len(), 10);
        let series: BTreeSet<&str> = (0..KINDS.len() as u64)
            .flat_map(|seed| names(seed, 8))
            .collect();
        assert_eq!(series, all);
    }

    #[test]
    fn faults_begin_within_the_run_and_one_after_the_other() {
        let kinds: Vec<&Kind> = KINDS.iter().collect();
        let length = Duration::from_secs(15);
        let planned = plan(3, &kinds, length);
        assert!(planned.is_sorted_by_key(|fault| fault.at));
        assert!(planned.iter().all(|fault| fault.at < length));
    }
}
