//! Nothing is wrong in any state, and what should be met is met.

#![allow(clippy::print_stdout)]

use crate::model::{
    Budget, Config, Fault, Seen,
    explore::{Findings, Search, explore, follow},
};

/// Threads that visit states.
const THREADS: usize = 2;

fn explored(name: &str, config: Config) -> Findings {
    let found = explore(config, Search::All, THREADS);
    println!("{name}: {found}");
    assert!(found.is_ok(), "{name}: {found}");
    found
}

fn without_deadlines() -> Config {
    Config {
        cancels: 0,
        deadlines: false,
        ..Config::new(Budget::of_any(1))
    }
}

/// One fault at any point, with deadlines: every state.
#[test]
fn one_fault_breaks_nothing() {
    let faults = Budget::of_any(1)
        .with(Fault::TakeOver, 0)
        .with(Fault::Duplicate, 0);
    let config = Config {
        cancels: 0,
        ..Config::new(faults)
    };
    let found = explored("one fault, deadlines", config);
    assert!(
        found.unique_states >= 100_000,
        "only {}",
        found.unique_states
    );
    for met in [
        "an order is confirmed",
        "an order is rejected",
        "an order expires",
        "a reservation that comes too late is given back",
        "a node dies",
        "a transaction's outcome is unknown",
    ] {
        assert!(found.sometimes[met], "{met}: not met");
    }
}

/// One fault of any kind at any point, without deadlines: a second owner and doubled messages too.
#[test]
fn a_second_owner_breaks_nothing() {
    let found = explored("one fault of any kind", without_deadlines());
    assert!(found.sometimes["two nodes believe to serve a shard"]);
    for (seen, times) in &found.seen {
        assert!(*times > 0, "{seen:?} was not met");
    }
}

/// A customer who calls an order off, at any point, with deadlines.
#[test]
fn a_cancellation_breaks_nothing() {
    let found = explored("cancellation, deadlines", Config::new(Budget::of(0)));
    assert!(found.sometimes["an order is cancelled"]);
    assert!(found.sometimes["a reservation that comes too late is given back"]);
    assert_eq!(found.seen[&Seen::Refused], 0);
}

/// Every behaviour ends, so that an end where all is settled is reached whatever is scheduled when.
#[test]
fn nothing_goes_round_in_circles() {
    let config = without_deadlines();
    let progress = follow(config.clone()).expect("no behaviour returns to where it was");
    println!("{progress:?}");
    assert!(progress.ends > 0);
    assert_eq!(
        progress.states,
        explore(config, Search::All, THREADS).unique_states,
        "both have visited the same states"
    );
}

/// The one who looks for circles finds one.
#[test]
fn a_circle_is_found() {
    struct Clock;
    impl stateright::Model for Clock {
        type State = u8;
        type Action = ();
        fn init_states(&self) -> Vec<u8> {
            vec![0]
        }
        fn actions(&self, _: &u8, actions: &mut Vec<()>) {
            actions.push(());
        }
        fn next_state(&self, hour: &u8, (): ()) -> Option<u8> {
            Some((hour + 1) % 12)
        }
    }
    let circle = crate::model::progress::check(&Clock).unwrap_err();
    assert_eq!(circle.actions.len(), 12);
}
