//! When what happened: faults, confirmed orders, and whether the shop said that it is ready.
//!
//! Faults overlap, so what it took to recover from one is what it took from its beginning, whatever else went wrong.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

/// So long after a fault has ended the shop may still become unready because of it.
const AFTERMATH: Duration = Duration::from_secs(1);

/// Everything that is measured.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    faults: Vec<Struck>,
    /// When orders that were confirmed were sent and answered.
    confirmed: Vec<(Instant, Instant)>,
    /// Each change of readiness.
    ready: Vec<(Instant, bool)>,
}

/// A fault that was injected.
#[derive(Debug)]
struct Struck {
    kind: &'static str,
    begun: Instant,
    ended: Instant,
}

/// What is told of a kind of fault.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Recovery {
    pub(super) count: usize,
    /// From each injection to the answer of the next order that was sent after it and confirmed.
    pub(super) confirmed: Vec<Duration>,
    /// From each injection after which the shop was not ready to when it was again.
    pub(super) ready: Vec<Duration>,
}

impl Timeline {
    pub(super) fn fault(&mut self, kind: &'static str, begun: Instant, ended: Instant) {
        self.faults.push(Struck { kind, begun, ended });
    }

    pub(super) fn confirmed(&mut self, sent: Instant, answered: Instant) {
        self.confirmed.push((sent, answered));
    }

    pub(super) fn readiness(&mut self, at: Instant, is_ready: bool) {
        if self.ready.last().is_none_or(|(_, was)| *was != is_ready) {
            self.ready.push((at, is_ready));
        }
    }

    /// What it took to recover, by kind of fault.
    pub(super) fn recoveries(&self) -> BTreeMap<&'static str, Recovery> {
        let mut of_kinds: BTreeMap<&'static str, Recovery> = BTreeMap::new();
        for fault in &self.faults {
            let recovery = of_kinds.entry(fault.kind).or_default();
            recovery.count += 1;
            recovery.confirmed.extend(self.until_confirmed(fault));
            recovery.ready.extend(self.until_ready(fault));
        }
        of_kinds
    }

    fn until_confirmed(&self, fault: &Struck) -> Option<Duration> {
        let later = self
            .confirmed
            .iter()
            .filter(|(sent, _)| *sent >= fault.begun);
        let first = later.map(|(_, answered)| *answered).min()?;
        Some(first.duration_since(fault.begun))
    }

    fn until_ready(&self, fault: &Struck) -> Option<Duration> {
        let lost = self.ready.iter().position(|(at, is_ready)| {
            !is_ready && *at >= fault.begun && *at <= fault.ended + AFTERMATH
        })?;
        let (again, _) = self.ready.get(lost + 1)?;
        Some(again.duration_since(fault.begun))
    }
}

/// The one in the middle, and the longest.
pub(super) fn median_and_max(times: &[Duration]) -> Option<(Duration, Duration)> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    Some((*sorted.get(sorted.len() / 2)?, *sorted.last()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_is_counted_from_the_beginning_of_a_fault() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut timeline = Timeline::default();
        timeline.readiness(at(0), true);
        timeline.confirmed(at(90), at(120));
        timeline.fault("kill", at(100), at(400));
        timeline.readiness(at(150), false);
        timeline.readiness(at(200), false);
        timeline.readiness(at(900), true);
        timeline.confirmed(at(110), at(950));
        timeline.confirmed(at(300), at(940));
        timeline.fault("panic", at(2_000), at(2_000));
        let of_kinds = timeline.recoveries();
        let millis = Duration::from_millis;
        assert_eq!(of_kinds["kill"].confirmed, [millis(840)]);
        assert_eq!(of_kinds["kill"].ready, [millis(800)]);
        assert_eq!(of_kinds["panic"].count, 1);
        assert!(of_kinds["panic"].confirmed.is_empty());
        assert!(of_kinds["panic"].ready.is_empty());
    }

    #[test]
    fn the_median_is_one_of_the_times() {
        let times = [3, 1, 9].map(Duration::from_secs);
        let both = (Duration::from_secs(3), Duration::from_secs(9));
        assert_eq!(median_and_max(&times), Some(both));
        assert_eq!(median_and_max(&[]), None);
    }
}
