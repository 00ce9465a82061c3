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
        // A refusal that comes to a cancelled order has no effect, and only moves the watermark.
        Mutation::WatermarkUnfenced => Config {
            stock: 0,
            orders: vec![vec![1]],
            cancels: 1,
            ..with(&[Fault::TakeOver])
        },
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

/// The property that must catch it. Others may too.
fn caught_by(mutation: Mutation) -> &'static str {
    match mutation {
        Mutation::ReplyBeforeCommit | Mutation::ClockIds => always::TOLD,
        Mutation::WatermarkOutside
        | Mutation::NoPrev
        | Mutation::GapSkipped
        | Mutation::StaleGeneration
        | Mutation::MessagePerLine
        | Mutation::DeadLetterPassed => always::I7,
        Mutation::WatermarkUnfenced | Mutation::NoFence => always::FENCE,
        Mutation::StateBeforeClaim | Mutation::RebuildBeforeTail => always::I1,
        Mutation::MemoryKept | Mutation::MemoryOutlivesGeneration => always::I10,
        Mutation::NoHealing => always::STUCK,
        Mutation::DeadlineIgnoresLink | Mutation::DeadlineOfUncommitted => always::EXPIRY,
    }
}

#[test]
fn every_broken_rule_is_noticed() {
    for mutation in Mutation::ALL {
        let found = explore(config(mutation), Search::UntilWrong, 1);
        println!(
            "{mutation:?}: {} states, {:?}",
            found.unique_states,
            found.wrong()
        );
        let expected = caught_by(mutation);
        let counterexample = &found.always[expected];
        assert!(
            counterexample.is_some(),
            "{mutation:?} is not caught by {expected:?}: {found}"
        );
    }
}

/// What is noticed is the broken rule, and not the size of the model.
#[test]
fn nothing_is_noticed_where_no_rule_is_broken() {
    for mutation in Mutation::ALL {
        let unbroken = Config {
            mutation: None,
            ..config(mutation)
        };
        let found = explore(unbroken, Search::All, 1);
        assert!(found.is_ok(), "the model of {mutation:?}: {found}");
    }
}
