//! How many orders a second `stampede up` confirms over HTTP, measured by a driver on the same machine.
//!
//! ```text
//! cargo bench --bench load -- --connections 512 --seconds 10 --users 64 --products 1000
//! cargo bench --bench load -- --latency          # 64 connections, set against one fsync
//! cargo bench --bench load -- --hot              # one hot SKU only
//! cargo bench --bench load -- --rate 3000 --respond-async
//! cargo bench --bench load -- --url http://127.0.0.1:8000 --admin-password-file F
//! ```
//!
//! Without `--rate` every connection sends its next order when it has the answer to the last one, so latencies are
//! those of a server that is never asked for more than it gives: they are not free of coordinated omission, and not
//! meant to be. With it they are. A round runs uniform, hot and bare one after the other, so that what else the machine does falls on all three; the table
//! shows the medians of the rounds. *Bare* is an actix-web endpoint in this process that parses the same body and
//! answers as much JSON without doing anything: what this machine, driver and HTTP server allow at all.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark reports on the terminal"
)]

#[path = "load/bare.rs"]
mod bare;
#[path = "load/connection.rs"]
mod connection;
#[path = "load/driver.rs"]
mod driver;
#[path = "load/fsync.rs"]
mod fsync;
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
#[path = "load/series.rs"]
mod series;
#[path = "load/target.rs"]
mod target;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Parser;

use connection::Awaited;
use driver::{Pace, Plan, Tally};
use series::Series;
use target::{Crowd, Target};

/// How long a benchmark may take: the access tokens that it starts with live a quarter of an hour.
const BENCHMARK_TIME_MAX: Duration = Duration::from_secs(14 * 60);
/// Uniform, hot and bare.
const KINDS_OF_RUN: u64 = 3;

/// Measures confirmed orders per second over HTTP.
#[derive(Debug, Parser)]
#[command(name = "load")]
struct Arguments {
    /// Connections, each with one order in flight [default: 512, with --latency 64].
    #[arg(long)]
    connections: Option<usize>,
    /// Seconds that each run is measured.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Seconds before each measurement.
    #[arg(long, default_value_t = 2)]
    warm_up: u64,
    /// Users who share the connections.
    #[arg(long, default_value_t = 64)]
    users: usize,
    /// Products that the uniform runs choose from.
    #[arg(long, default_value_t = 1_000)]
    products: usize,
    /// How often each kind of run is repeated.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Threads of the driver, each with its own runtime.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Order one hot SKU only, and compare with nothing.
    #[arg(long, conflicts_with_all = ["latency", "rate"])]
    hot: bool,
    /// Measure latency and set it against one fsync in the same directory.
    #[arg(long)]
    latency: bool,
    /// Orders a second, whatever becomes of those before (an open loop); latency counts from when each should have
    /// been sent.
    #[arg(long, conflicts_with = "latency")]
    rate: Option<f64>,
    /// Ask for an answer as soon as an order is durable (`Prefer: respond-async`).
    #[arg(long, requires = "rate")]
    respond_async: bool,
    /// Use a running Stampede instead of starting one.
    #[arg(long, requires = "admin_password_file")]
    url: Option<String>,
    /// Where that Stampede's admin password is.
    #[arg(long)]
    admin_password_file: Option<PathBuf>,
    /// Put the data of the started program below this directory.
    #[arg(long, default_value = env!("CARGO_TARGET_TMPDIR"))]
    directory: PathBuf,
    /// Passed by `cargo bench`; without it, as under `cargo test`, nothing is measured.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Arguments {
    fn connections(&self) -> usize {
        self.connections
            .unwrap_or(if self.latency { 64 } else { 512 })
    }

    /// As if every kind of run were measured, which is the longest a benchmark takes.
    fn ensure_tokens_live_long_enough(&self) -> anyhow::Result<()> {
        let runs = KINDS_OF_RUN.saturating_mul(u64::try_from(self.rounds)?);
        let seconds = self
            .seconds
            .saturating_add(self.warm_up)
            .saturating_mul(runs);
        ensure!(
            seconds <= BENCHMARK_TIME_MAX.as_secs(),
            "{seconds} s is longer than access tokens live: take fewer rounds or seconds"
        );
        Ok(())
    }

    fn target(&self) -> anyhow::Result<Target> {
        let crowd = Crowd {
            users: self.users,
            products: self.products,
        };
        match (&self.url, &self.admin_password_file) {
            (Some(url), Some(file)) => {
                let password = std::fs::read_to_string(file)?;
                Target::running(url, password.trim(), crowd)
            }
            _ => Target::start(&self.directory, crowd),
        }
    }

    fn plan(&self, address: SocketAddr, tokens: &[String], products: &[u64]) -> Plan {
        Plan {
            address,
            tokens: tokens.to_vec(),
            products: products.into(),
            connections: self.connections(),
            threads: self.threads,
            pace: self.rate.map_or(Pace::Closed, Pace::Open),
            awaited: if self.respond_async {
                Awaited::Acceptance
            } else {
                Awaited::Confirmation
            },
            warm_up: Duration::from_secs(self.warm_up),
            measured: Duration::from_secs(self.seconds),
        }
    }
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if !arguments.bench {
        println!("nothing is measured without `cargo bench`");
        return Ok(());
    }
    arguments.ensure_tokens_live_long_enough()?;
    ensure!(
        arguments.rate.is_none_or(|rate| rate >= 1.0),
        "it takes an order a second at least"
    );
    std::fs::create_dir_all(&arguments.directory)
        .with_context(|| format!("cannot make {}", arguments.directory.display()))?;
    let target = arguments.target()?;
    if let Some(id) = target.process_id() {
        eprintln!("stampede up is process {id}");
    }
    if arguments.latency {
        measure_latency(&arguments, &target)
    } else if arguments.hot {
        measure_one(&arguments, &target, "hot", &target.products[..1])
    } else if arguments.rate.is_some() {
        measure_one(&arguments, &target, "at a rate", &target.products)
    } else {
        compare(&arguments, &target)
    }
}

/// Uniform, hot and bare in turn, and the ratios between them.
fn compare(arguments: &Arguments, target: &Target) -> anyhow::Result<()> {
    let bare = bare::serve(&target.sample_answer)?;
    let uniform_plan = arguments.plan(target.address, &target.tokens, &target.products);
    let hot_plan = arguments.plan(target.address, &target.tokens, &target.products[..1]);
    let bare_plan = arguments.plan(bare.address(), &target.tokens, &target.products);
    let (mut uniform, mut hot, mut endpoint) = (
        Series::new("uniform"),
        Series::new("hot"),
        Series::new("bare"),
    );
    for _ in 0..arguments.rounds {
        uniform.push(measured(uniform.name(), &uniform_plan)?);
        hot.push(measured(hot.name(), &hot_plan)?);
        endpoint.push(measured(endpoint.name(), &bare_plan)?);
    }
    series::print_setting(
        arguments.connections(),
        arguments.rounds,
        uniform_plan.measured,
    );
    series::print_table(&[&uniform, &hot, &endpoint]);
    println!();
    println!("| ratio | value |");
    println!("|---|---|");
    println!(
        "| hot / uniform | {:.2} |",
        hot.rate_per_second() / uniform.rate_per_second()
    );
    println!(
        "| uniform / bare | {:.2} |",
        uniform.rate_per_second() / endpoint.rate_per_second()
    );
    Ok(())
}

fn measure_one(
    arguments: &Arguments,
    target: &Target,
    name: &'static str,
    products: &[u64],
) -> anyhow::Result<()> {
    let plan = arguments.plan(target.address, &target.tokens, products);
    let mut series = Series::new(name);
    for _ in 0..arguments.rounds {
        series.push(measured(name, &plan)?);
    }
    series::print_setting(arguments.connections(), arguments.rounds, plan.measured);
    series::print_table(&[&series]);
    Ok(())
}

/// Latency from request to confirmation, and how many times one fsync that is.
fn measure_latency(arguments: &Arguments, target: &Target) -> anyhow::Result<()> {
    let plan = arguments.plan(target.address, &target.tokens, &target.products);
    let mut uniform = Series::new("uniform");
    let mut fsync_ms = Vec::new();
    for _ in 0..arguments.rounds {
        fsync_ms.push(fsync::median_ms(&arguments.directory)?);
        uniform.push(measured(uniform.name(), &plan)?);
    }
    let fsync_ms = report::median(fsync_ms);
    series::print_setting(arguments.connections(), arguments.rounds, plan.measured);
    series::print_table(&[&uniform]);
    println!();
    println!("| ratio | value |");
    println!("|---|---|");
    println!("| one fsync of 4 KiB, ms | {fsync_ms:.3} |");
    println!(
        "| p50 / fsync | {:.1} |",
        uniform.latency_ms(0.50) / fsync_ms
    );
    println!(
        "| p99 / fsync | {:.1} |",
        uniform.latency_ms(0.99) / fsync_ms
    );
    Ok(())
}

fn measured(name: &str, plan: &Plan) -> anyhow::Result<Tally> {
    let tally = driver::run(plan)?;
    eprintln!("{name}: {}", series::one_line(&tally));
    Ok(tally)
}
