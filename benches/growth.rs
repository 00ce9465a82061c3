//! What a long history and a large catalogue cost: `scripts/growth` fills two stores and runs this on both.
//!
//! Each round starts `stampede up` on either store, one after the other, and has it confirm orders: first for a thousand
//! products that it has just been given, which leaves only the history to differ, then for all that its catalogue had.
//! Told are the medians of the rounds and, for each figure, the median of the ratios within rounds.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark reports on the terminal"
)]

#[path = "load/connection.rs"]
#[allow(dead_code, reason = "the other benchmarks need more of it")]
mod connection;
#[path = "load/driver.rs"]
#[allow(dead_code, reason = "the other benchmarks need more of it")]
mod driver;
#[path = "../src/http_client/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "a benchmark needs less of it than the program, and not its tests"
)]
mod http_client;
#[path = "load/process.rs"]
mod process;
#[path = "load/report.rs"]
mod report;
#[path = "load/target.rs"]
#[allow(dead_code, reason = "the other benchmarks need more of it")]
mod target;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Parser;

use connection::Awaited;
use driver::{Pace, Plan};
use report::{latency_ms, median, rate_per_second};
use target::{Crowd, Target};

/// Who orders, and how many products the store is given for it.
const CROWD: Crowd = Crowd {
    users: 64,
    products: 1_000,
};
const CONNECTIONS: usize = 512;
const WARM_UP: Duration = Duration::from_secs(2);
/// The id of the first product of a store that the example `fill` has made with its four shards; they follow each other.
const FIRST_PRODUCT: u64 = 4;
/// Of so many products of such a store one has few pieces: the second.
const SCARCE_OF: u64 = 50;

/// What is measured, and how it is told.
const FIGURES: [&str; 7] = [
    "start-up, ms",
    "memory after it, MiB",
    "new products, orders/s",
    "new products, p99 ms",
    "the whole catalogue, orders/s",
    "the whole catalogue, p99 ms",
    "memory at the end, MiB",
];

/// Measures a small store and a large one in turn.
#[derive(Debug, Parser)]
#[command(name = "growth")]
struct Arguments {
    /// The data directory of the small store.
    #[arg(long, required = true)]
    small: PathBuf,
    /// How many products it was filled with.
    #[arg(long, required = true)]
    small_products: u64,
    /// The data directory of the large store.
    #[arg(long, required = true)]
    large: PathBuf,
    /// How many products it was filled with.
    #[arg(long, required = true)]
    large_products: u64,
    /// How often each store is measured.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds that each run is measured.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Passed by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    // `cargo test --benches` runs it without arguments, and nothing is to be measured then.
    if std::env::args().len() == 1 {
        return Ok(());
    }
    let arguments = Arguments::parse();
    let measured = Duration::from_secs(arguments.seconds);
    let (mut small, mut large) = (Vec::new(), Vec::new());
    for round in 1..=arguments.rounds {
        small.push(measure(
            &arguments.small,
            arguments.small_products,
            measured,
        )?);
        large.push(measure(
            &arguments.large,
            arguments.large_products,
            measured,
        )?);
        eprintln!("round {round}: {:.0?} {:.0?}", small.last(), large.last());
    }
    println!("| figure | small | large | large / small |");
    println!("|---|---|---|---|");
    for (index, name) in FIGURES.iter().enumerate() {
        let of = |rounds: &[Round]| median(rounds.iter().map(|round| round[index]).collect());
        let ratios = small.iter().zip(&large);
        let ratio = median(
            ratios
                .map(|(small, large)| large[index] / small[index])
                .collect(),
        );
        let (small, large) = (of(&small), of(&large));
        println!("| {name} | {small:.1} | {large:.1} | {ratio:.2} |");
    }
    Ok(())
}

/// The figures of one store in one round, as in [`FIGURES`].
type Round = [f64; FIGURES.len()];

fn measure(data: &Path, products: u64, measured: Duration) -> anyhow::Result<Round> {
    let home = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let target = Target::start_on(data, home, CROWD)?;
    let process = target.process_id().context("it was started here")?;
    let started = target.started_within().unwrap_or_default();
    let memory = resident_mib(process)?;
    let new = driver::run(&plan(&target, &target.products, measured))?;
    let is_plenty = |id: &u64| (id - FIRST_PRODUCT) % SCARCE_OF != 1;
    let catalogue: Vec<u64> = (FIRST_PRODUCT..FIRST_PRODUCT + products)
        .filter(is_plenty)
        .collect();
    let old = driver::run(&plan(&target, &catalogue, measured))?;
    Ok([
        started.as_secs_f64() * 1e3,
        memory,
        rate_per_second(&new),
        latency_ms(&new, 0.99),
        rate_per_second(&old),
        latency_ms(&old, 0.99),
        resident_mib(process)?,
    ])
}

fn plan(target: &Target, products: &[u64], measured: Duration) -> Plan {
    Plan {
        address: target.address,
        tokens: target.tokens.clone(),
        products: products.to_vec(),
        connections: CONNECTIONS,
        threads: 1,
        pace: Pace::Closed,
        awaited: Awaited::Confirmation,
        warm_up: WARM_UP,
        measured,
    }
}

/// The memory that a process has.
fn resident_mib(process: u32) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kib: f64 = kib.context("no VmRSS")?.trim().parse()?;
    Ok(kib / 1024.0)
}
