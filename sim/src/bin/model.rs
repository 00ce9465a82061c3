//! Explores the model of the order saga exhaustively, and says what was found.

use std::{
    io::{Write, stdout},
    process::ExitCode,
};

use clap::Parser;
use sim::model::{
    Budget, Config, Fault,
    explore::{Search, explore, follow},
};

/// Visits every state of a small shop: two orders, one product, and faults at any point.
#[derive(Debug, Parser)]
struct Args {
    /// Faults of all kinds together, at most.
    #[arg(long, default_value_t = 1)]
    faults: u8,
    /// Nodes that die, at most.
    #[arg(long, default_value_t = 1)]
    crashes: u8,
    /// Shards that a second node takes over while the first still runs, at most.
    #[arg(long, default_value_t = 1)]
    takeovers: u8,
    /// Transactions of which nobody learns what came of them, at most.
    #[arg(long, default_value_t = 1)]
    unknown_commits: u8,
    /// Messages that are lost, at most.
    #[arg(long, default_value_t = 1)]
    losses: u8,
    /// Messages that arrive twice, at most.
    #[arg(long, default_value_t = 1)]
    duplicates: u8,
    /// Messages that cannot be decoded, at most.
    #[arg(long, default_value_t = 1)]
    garbled: u8,
    /// Handlers that panic, at most.
    #[arg(long, default_value_t = 1)]
    panics: u8,
    /// Commands that are set aside, at most.
    #[arg(long, default_value_t = 1)]
    parked: u8,
    /// Cancellations that customers may try.
    #[arg(long, default_value_t = 1)]
    cancels: u8,
    /// Pieces of the product.
    #[arg(long, default_value_t = 1)]
    stock: u64,
    /// Leave deadlines out.
    #[arg(long)]
    no_deadlines: bool,
    /// Look for behaviours that go round in circles too: visits everything once more.
    #[arg(long)]
    circles: bool,
    /// Threads that visit states.
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let faults = Budget::of(args.faults)
        .with(Fault::Crash, args.crashes)
        .with(Fault::TakeOver, args.takeovers)
        .with(Fault::UnknownCommit, args.unknown_commits)
        .with(Fault::Loss, args.losses)
        .with(Fault::Duplicate, args.duplicates)
        .with(Fault::Garble, args.garbled)
        .with(Fault::Panic, args.panics)
        .with(Fault::Park, args.parked);
    let config = Config {
        stock: args.stock,
        cancels: args.cancels,
        deadlines: !args.no_deadlines,
        ..Config::new(faults)
    };
    let mut out = stdout().lock();
    let findings = explore(config.clone(), Search::All, args.threads.max(1));
    let _ = writeln!(out, "{findings}");
    let mut is_ok = findings.is_ok();
    if args.circles {
        let _ = match follow(config) {
            Ok(found) => writeln!(
                out,
                "no circle: {} states, {} ends, at most {} steps",
                found.states, found.ends, found.steps_max
            ),
            Err(circle) => {
                is_ok = false;
                writeln!(out, "FAIL: a circle: {:#?}", circle.actions)
            }
        };
    }
    if is_ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
