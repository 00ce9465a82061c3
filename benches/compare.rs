//! Stampede against what its machine allows: plain SQL, a bare HTTP endpoint, one durable write; all in one run.
//!
//! `scripts/compare` builds and calls it. A round measures everything once, one after the other, so that what else the
//! machine does falls on all; every ratio is taken within a round, and the tables show the medians of the rounds. Each
//! round begins with new stores. Nothing that is not being measured runs meanwhile, except the servers.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark reports on the terminal"
)]

#[path = "load/bare.rs"]
mod bare;
#[path = "compare/bars.rs"]
mod bars;
#[path = "compare/cluster.rs"]
mod cluster;
#[path = "compare/commits.rs"]
mod commits;
#[path = "load/connection.rs"]
mod connection;
#[path = "compare/crashed.rs"]
mod crashed;
#[path = "compare/database.rs"]
mod database;
#[path = "load/driver.rs"]
mod driver;
#[path = "compare/embedded.rs"]
mod embedded;
#[path = "compare/engine_alone.rs"]
mod engine_alone;
#[path = "compare/figures.rs"]
mod figures;
#[path = "load/fsync.rs"]
mod fsync;
#[path = "compare/history.rs"]
mod history;
#[path = "../src/http_client/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "a benchmark needs less of it than the program, and not its tests"
)]
mod http_client;
#[path = "compare/interrupt.rs"]
mod interrupt;
#[path = "compare/machine.rs"]
mod machine;
#[path = "compare/memory.rs"]
mod memory;
#[path = "compare/pgbench.rs"]
mod pgbench;
#[path = "load/process.rs"]
mod process;
#[path = "compare/processor.rs"]
mod processor;
#[path = "compare/raw_sqlite.rs"]
mod raw_sqlite;
#[path = "load/report.rs"]
mod report;
#[path = "compare/resident.rs"]
mod resident;
#[path = "compare/rows.rs"]
mod rows;
#[path = "compare/servers.rs"]
mod servers;
mod support;
#[path = "compare/tables.rs"]
mod tables;
#[path = "load/target.rs"]
mod target;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::{Parser, ValueEnum};

use figures::{Figures, Round};
use servers::Servers;

/// Seconds before each measurement over HTTP.
const WARM_UP: Duration = Duration::from_secs(2);
/// Access tokens live a quarter of an hour, and no target is measured more often than this.
const SECONDS_MAX: u64 = 120;

/// Measures Stampede against what its machine allows.
#[derive(Debug, Parser)]
#[command(name = "compare")]
struct Arguments {
    /// How often everything is measured.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Measure a part only.
    #[arg(long)]
    only: Option<Part>,
    /// Write the figures of every round to this file, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Put data of embedded stores below this directory.
    #[arg(long, default_value = env!("CARGO_TARGET_TMPDIR"))]
    directory: PathBuf,
    #[command(flatten)]
    stores: history::Stores,
    /// Measure the memory of resident orders alone, and print it: this program starts itself again so.
    #[arg(long, hide = true)]
    resident_orders: bool,
    /// What the sources are called: a commit.
    #[arg(long, hide = true, default_value = "unknown")]
    sources: String,
    /// Passed by `cargo bench`; without it, as under `cargo test`, nothing is measured.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What can be measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Everything in one process, and what it is set against. Needs no servers.
    Up,
    /// Nodes on PostgreSQL, Kafka and MongoDB, and the SQL they are set against.
    Cluster,
    /// Plain SQL alone.
    Sql,
    /// Everything in one process, on a store with a short history and on one with a long one.
    History,
}

impl Arguments {
    fn has(&self, part: Part) -> bool {
        self.only.is_none_or(|only| only == part)
    }

    /// Whether PostgreSQL is asked for anything.
    fn needs_servers(&self) -> bool {
        self.has(Part::Cluster) || self.has(Part::Sql)
    }

    fn measured(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if !arguments.bench {
        println!("nothing is measured without `cargo bench`");
        return Ok(());
    }
    ensure!(
        (1..=SECONDS_MAX).contains(&arguments.seconds) && arguments.rounds > 0,
        "a measurement takes 1 to {SECONDS_MAX} seconds, and it takes a round"
    );
    if arguments.resident_orders {
        return resident::print(&arguments.directory);
    }
    ensure!(
        arguments.only != Some(Part::History) || arguments.stores.are_given(),
        "a history takes stores: scripts/compare fills them"
    );
    interrupt::listen()?;
    std::fs::create_dir_all(&arguments.directory)
        .with_context(|| format!("cannot make {}", arguments.directory.display()))?;
    let servers = match arguments.needs_servers() {
        true => Some(Servers::from_environment()?),
        false => None,
    };
    let machine = machine::describe(servers.as_ref(), &arguments.sources)?;
    let mut figures = Figures::default();
    for number in 1..=arguments.rounds {
        let busy = machine::busy_share()?;
        eprintln!(
            "round {number} of {}, {:.0} % of the processors in use before it",
            arguments.rounds,
            busy * 100.0
        );
        let mut round = Round::new();
        round.set(figures::BUSY_BEFORE, busy * 100.0);
        if let Err(error) = measure(&arguments, servers.as_ref(), &mut round) {
            // What earlier rounds have found is not lost.
            if figures.is_empty() {
                return Err(error);
            }
            eprintln!("round {number} counts for nothing: {error:#}");
            break;
        }
        figures.push(round);
    }
    tables::print(&machine, &figures, arguments.measured());
    if let Some(path) = &arguments.json {
        tables::write_json(path, &machine, &figures, arguments.measured())?;
    }
    interrupt::check()
}

/// One round.
fn measure(
    arguments: &Arguments,
    servers: Option<&Servers>,
    round: &mut Round,
) -> anyhow::Result<()> {
    let (directory, measured) = (arguments.directory.as_path(), arguments.measured());
    round.say(
        figures::FSYNC,
        fsync::median_ms(directory).context("one fsync")?,
    );
    if arguments.has(Part::Up) || arguments.has(Part::Sql) {
        commits::sqlite(directory, round)?;
        raw_sqlite::measure(directory, measured, round)?;
    }
    if arguments.has(Part::Up) {
        embedded::measure(directory, measured, round)?;
        engine_alone::measure(directory, measured, round)?;
        resident::measure(directory, round)?;
        crashed::measure(directory, round)?;
    }
    if arguments.stores.are_given() {
        history::measure(&arguments.stores, directory, measured, round)?;
    }
    if let Some(servers) = servers {
        pgbench::measure(servers, measured, round)?;
    }
    if let Some(servers) = servers.filter(|_| arguments.has(Part::Cluster)) {
        cluster::measure(servers, directory, measured, round)?;
    }
    Ok(())
}
