//! `stampede chaos`: lets things go wrong while a crowd orders, and sees what has become of the shop.
//!
//! A shop of its own is started (`embedded`, `cluster`), or chaos is pointed at one that allows faults. `plan` draws from
//! the seed what goes wrong, `inject` lets it, `crowd` orders meanwhile and writes down what it is told. In the end
//! `settle` waits until everything has come to rest, `checks` holds what was told against what the shop says then, and
//! the audit reads its stores. Chaos signals no process that it has not started itself.

mod action;
mod checks;
mod cluster;
mod crowd;
mod deployment;
mod embedded;
mod inject;
mod kinds;
mod ledger;
mod market;
mod plan;
mod process;
mod progress;
mod proxy;
mod report;
mod run;
mod servers;
mod settle;
mod start;
mod timeline;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use self::{deployment::Shape, servers::ServersArgs};
use crate::{
    api,
    output::{complain, say},
    place::PlaceArgs,
};

/// The exit code of a run that has failed.
const EXIT_FAILED: u8 = 1;
/// The exit code where there was no run.
const EXIT_NOT_RUN: u8 = 2;
/// How long the orders of a run are spread over, unless told otherwise.
const EMBEDDED_TIME: Duration = Duration::from_secs(9);
const CLUSTER_TIME: Duration = Duration::from_secs(15);

/// Let things go wrong while orders arrive, then audit. Exit code 0: PASS; 1: FAIL; 2: it could not run.
///
/// Without --url it runs a shop of its own, in a directory that it removes unless the run fails.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The shop to start.
    #[arg(long, value_enum, default_value = "embedded")]
    shape: Shape,
    /// A running shop instead, which must allow faults. Its processes and servers are left alone.
    #[arg(
        long,
        value_name = "URL",
        conflicts_with = "shape",
        requires = "admin_password_file"
    )]
    url: Option<String>,
    /// With --url: a file with the password of the user `admin`.
    #[arg(long, value_name = "FILE", requires = "url")]
    admin_password_file: Option<PathBuf>,
    /// With --url, the stores to audit; with --shape cluster, --config says which servers to use.
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    servers: ServersArgs,
    /// Orders to place.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    orders: u32,
    /// Seconds over which they are placed, and in which things go wrong: 9, or 15 in a cluster, unless told otherwise.
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: Option<u64>,
    /// What faults and orders are drawn from; one at random unless told otherwise. It is always printed.
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Only these kinds of faults, separated by commas.
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    faults: Vec<String>,
    /// Print JSON instead of tables.
    #[arg(long)]
    json: bool,
    /// Keep data and logs also if the run passes.
    #[arg(long)]
    keep: bool,
}

/// Runs, and prints what it has come to.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let seed = args.seed.unwrap_or_else(rand::random);
    let summary = match Box::pin(run::run(&args, seed)).await {
        Ok(summary) => summary,
        Err(error) => {
            complain(format_args!(
                "error: chaos cannot run (seed {seed}): {error:#}"
            ));
            return Ok(ExitCode::from(EXIT_NOT_RUN));
        }
    };
    if args.json {
        say(summary.json());
    } else {
        say(summary.table());
    }
    Ok(if summary.passes() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_FAILED)
    })
}
