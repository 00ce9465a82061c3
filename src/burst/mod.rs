//! `stampede burst`: lets a crowd order from a running shop, measures what it takes, and checks the books.
//!
//! `market` furnishes the shop with buyers and products of the run's own. `drive` starts a `lane` on each thread, whose
//! workers take turns (`turns`, and `schedule` where orders come at a given rate), do what the `scenario` says, and
//! write down how long it took (`measure`) and what they were told (`books`). In the end `observe` waits until every
//! order is settled and reads what has become of it, `check` holds that against the books, and `report` says it all.
//!
//! Latencies are taken from the moment at which a request was meant to be sent. Where orders come at a given rate that
//! moment does not depend on any answer, so a shop that stands still is seen in every request that was due meanwhile.

mod alarm;
mod args;
mod books;
mod check;
mod descriptors;
mod drive;
mod exchange;
mod expect;
mod lane;
mod market;
mod measure;
mod observe;
mod plan;
mod progress;
mod report;
mod requests;
mod run;
mod scenario;
mod schedule;
mod turns;

use std::process::ExitCode;

pub(crate) use self::args::Args;
use crate::output::{complain, say};

/// The exit code of a run that was not as expected.
const EXIT_FAILED: u8 = 1;
/// The exit code where there was no run.
const EXIT_NOT_RUN: u8 = 2;

/// Runs, and prints what it has come to.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let summary = match Box::pin(run::run(&args)).await {
        Ok(summary) => summary,
        Err(error) => {
            complain(format_args!("error: burst cannot run: {error:#}"));
            return Ok(ExitCode::from(EXIT_NOT_RUN));
        }
    };
    if args.json {
        say(report::json(&summary));
    } else {
        say(report::table(&summary));
    }
    for failure in summary.failures() {
        complain(format_args!("failed: {failure}"));
    }
    Ok(if summary.passes() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_FAILED)
    })
}
