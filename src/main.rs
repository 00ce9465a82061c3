//! The one binary: commands, configuration, wiring and shutdown.
//!
//! Nothing is decided here and nothing is stored here: business rules live in `domain/`, SQL in `storage/`.

mod admin;
mod api;
mod archive;
mod audit;
mod burst;
mod catalogue;
mod chaos;
mod cluster;
mod config;
mod demo;
mod finding;
mod first_catalogue;
mod http_client;
mod output;
mod place;
mod progress;
mod recover;
mod replay;
mod serving;
mod signing_key;
mod since_when;
mod up;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::fmt::format::FmtSpan;

/// What is allocated by one thread is mostly freed by another here, and in large pieces: with the C library's allocator that
/// took a fifth of the processor's time.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// An order backend for the moment when everybody buys at once.
#[derive(Parser)]
#[command(name = "stampede", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the whole shop in this process, on SQLite.
    Up(up::Args),
    /// Host shards of some domains, as one of many processes.
    Node(cluster::role::Node),
    /// Serve HTTP before the nodes.
    Gateway(cluster::role::Gateway),
    /// Make or upgrade what many processes need in PostgreSQL and Kafka.
    Migrate(cluster::migrate::Args),
    /// Load a demo catalogue and demo users into a running shop, through its HTTP API.
    Demo(demo::Args),
    /// Let a crowd order from a running shop, measure what it takes, and check the books.
    Burst(Box<burst::Args>),
    /// Let things go wrong while orders arrive, then audit.
    Chaos(Box<chaos::Args>),
    /// Check every invariant against the stores.
    Audit(audit::Args),
    /// Take the old part of the journals out of the stores, into files, or put it back.
    #[command(subcommand)]
    Archive(archive::Command),
    /// Show how something came to be.
    #[command(subcommand)]
    Replay(Replay),
    /// Go on after the databases of a cluster were put back to an earlier state.
    Recover(recover::Args),
}

#[derive(Subcommand)]
enum Replay {
    /// Show the history of one order, event by event, and its state at any point.
    Order(replay::Args),
}

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_env("STAMPEDE_LOG").unwrap_or_else(|_| {
        tracing_subscriber::EnvFilter::new(
            "info,actix_server=warn,actix_http=off,sqlx=warn,hyper=warn",
        )
    });
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // Of stages, which are off unless they are asked for, it is told how long they took.
        .with_span_events(FmtSpan::CLOSE)
        .init();
    let system = actix_rt::System::new();
    let result = system.block_on(async {
        match Cli::parse().command {
            Command::Up(args) => up::run(args).await,
            Command::Node(args) => cluster::role::node(args).await,
            Command::Gateway(args) => cluster::role::gateway(args).await,
            Command::Migrate(args) => cluster::migrate::run(args).await,
            Command::Demo(args) => demo::run(args).await,
            Command::Burst(args) => burst::run(*args).await,
            Command::Chaos(args) => chaos::run(*args).await,
            Command::Audit(args) => audit::run(args).await,
            Command::Archive(command) => archive::run(command).await,
            Command::Replay(Replay::Order(args)) => replay::run(args).await,
            Command::Recover(args) => recover::run(args).await,
        }
    });
    match result {
        Ok(code) => code,
        Err(error) => {
            output::complain(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
