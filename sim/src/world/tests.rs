#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::BTreeSet;

use super::{mutation::Mutation, plan::Intervention, *};

/// Seeds that CI runs, from the first on: a minute or so of a slow machine.
const BUDGET: u64 = 300;
/// Seeds within which a broken rule has to be noticed. Most are within three; a few need a rare coincidence.
const NOTICED_WITHIN: u64 = 600;
/// Seeds that have found something once; see the file.
const KEPT: &str = include_str!("../../seeds.txt");

fn clean(seed: u64) -> Outcome {
    let outcome = run(seed, Options::default());
    assert!(
        outcome.violations.is_empty(),
        "seed {seed}: {:#?}",
        outcome.violations
    );
    outcome
}

#[test]
fn a_seed_is_replayed_exactly() {
    for seed in 1..=10 {
        let (once, again) = (run(seed, Options::default()), run(seed, Options::default()));
        assert_eq!((once.digest, once.steps), (again.digest, again.steps));
        assert_eq!(once.settled, again.settled);
        assert_eq!(once.stocks, again.stocks);
    }
}

#[test]
fn nothing_is_violated_within_the_budget_and_every_fault_strikes() {
    let mut struck = BTreeSet::new();
    let mut settled = BTreeSet::new();
    let mut orders = 0;
    for seed in 1..=BUDGET {
        let outcome = clean(seed);
        struck.extend(outcome.faults.into_keys());
        settled.extend(outcome.settled.into_keys());
        orders += outcome.orders;
    }
    assert_eq!(struck, Fault::ALL.into_iter().collect());
    let every: BTreeSet<&str> = ["cancelled", "confirmed", "expired", "rejected"].into();
    assert_eq!(settled, every);
    println!("{orders} orders under faults, 0 violations");
}

#[test]
fn seeds_that_have_found_something_find_nothing_any_more() {
    let lines = KEPT
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    for line in lines {
        let seed = line.split_whitespace().next().unwrap();
        clean(seed.parse().unwrap());
    }
}

/// The first seed under which a broken rule is noticed, and as what.
fn noticed(mutation: Mutation) -> Option<(u64, String)> {
    let options = Options {
        mutation: Some(mutation),
        ..Options::default()
    };
    (1..=NOTICED_WITHIN).find_map(|seed| {
        let violation = run(seed, options).violations.into_iter().next()?;
        Some((seed, violation))
    })
}

#[test]
fn every_broken_rule_is_noticed() {
    for mutation in Mutation::ALL {
        let name = mutation.name();
        let (seed, violation) = noticed(mutation)
            .unwrap_or_else(|| panic!("{name} is not noticed within {NOTICED_WITHIN} seeds"));
        println!("{name}: seed {seed}, {violation}");
    }
}

#[test]
fn an_intervention_that_never_comes_changes_nothing() {
    let options = Options {
        intervention: Some(Intervention::PanicOnce(u64::MAX)),
        ..Options::default()
    };
    assert_eq!(run(3, options).digest, run(3, Options::default()).digest);
}
