//! `stampede up`, and a bare endpoint beside it.

use std::path::Path;
use std::time::Duration;

use crate::connection::Awaited;
use crate::driver::{Pace, Plan};
use crate::figures::{self, Round};
use crate::processor::{self, Watched};
use crate::report::{latency_ms, rate_per_second};
use crate::target::{Crowd, Target};
use crate::{WARM_UP, bare, interrupt, rows};

/// Connections for the most orders a second.
pub(crate) const CONNECTIONS: usize = 512;
/// Connections for which latency is promised.
const CONNECTIONS_FOR_LATENCY: usize = 64;
/// What share of the most orders a second accepted ones come at.
pub(crate) const SHARE_OF_PEAK: f64 = 0.5;

/// Who orders in all measurements.
pub(crate) const CROWD: Crowd = Crowd {
    users: rows::USERS,
    products: rows::PRODUCTS,
};

/// As many orders as the target takes, over these products.
pub(crate) fn closed_loop(target: &Target, products: &[u64], measured: Duration) -> Plan {
    Plan {
        address: target.address,
        tokens: target.tokens.clone(),
        products: products.into(),
        connections: CONNECTIONS,
        threads: 1,
        pace: Pace::Closed,
        awaited: Awaited::Confirmation,
        warm_up: WARM_UP,
        measured,
    }
}

/// Orders that are accepted, at a part of the rate that is the peak.
pub(crate) fn at_half_of_peak(target: &Target, peak: f64, measured: Duration) -> Plan {
    Plan {
        pace: Pace::Open((peak * SHARE_OF_PEAK).max(1.0)),
        awaited: Awaited::Acceptance,
        ..closed_loop(target, &target.products, measured)
    }
}

/// Starts one, measures it and stops it.
pub(crate) fn measure(
    directory: &Path,
    measured: Duration,
    round: &mut Round,
) -> anyhow::Result<()> {
    let target = Target::start(directory, CROWD)?;
    let watched = Watched::new(target.process_id().map(|id| ("up", id)));
    let uniform = closed_loop(&target, &target.products, measured);
    for (name, run, plan) in [
        (figures::UP_UNIFORM, "up, uniform", uniform.clone()),
        (
            figures::UP_HOT,
            "up, hot",
            closed_loop(&target, &target.products[..1], measured),
        ),
    ] {
        interrupt::check()?;
        let (tally, used) = processor::run(&plan, &watched)?;
        round.say(name, rate_per_second(&tally));
        round.note_processor(run, &used);
    }
    interrupt::check()?;
    let plan = Plan {
        connections: CONNECTIONS_FOR_LATENCY,
        ..uniform.clone()
    };
    let (tally, used) = processor::run(&plan, &watched)?;
    round.say(figures::UP_LATENCY_P50, latency_ms(&tally, 0.50));
    round.say(figures::UP_LATENCY_P99, latency_ms(&tally, 0.99));
    round.note_processor("up, 64 connections", &used);
    interrupt::check()?;
    let peak = round.get(figures::UP_UNIFORM).unwrap_or_default();
    let (tally, used) = processor::run(&at_half_of_peak(&target, peak, measured), &watched)?;
    round.say(figures::UP_ACCEPT_P50, latency_ms(&tally, 0.50));
    round.say(figures::UP_ACCEPT_P99, latency_ms(&tally, 0.99));
    round.note_processor("up, accepted at half of peak", &used);
    interrupt::check()?;
    let endpoint = bare::serve(&target.sample_answer)?;
    let plan = Plan {
        address: endpoint.address(),
        ..uniform
    };
    let sample = processor::run(&plan, &Watched::new([]))?;
    round.say(figures::BARE, rate_per_second(&sample.0));
    round.note_processor("bare endpoint", &sample.1);
    Ok(())
}
