//! `stampede audit`: every invariant of the design, checked against the stores.
//!
//! It reads one snapshot of each store, the activity log's first, so that what the log has is in the journals; it may run
//! beside a live `up` or a live cluster, and on what a killed one has left. What holds is stated in
//! [`domain::invariants`]; here is only how a store is told to it: `log` reads the activity log, `streams` reads journals
//! and big tables at one pace, `rows` compares columns with states, `report` prints.

mod log;
mod report;
mod rows;
mod streams;
#[cfg(test)]
pub(crate) mod tests;

use std::{collections::BTreeMap, path::Path, process::ExitCode, sync::Arc, time::Instant};

use actors::runtime::Clock;
use domain::{
    ShardRef,
    invariants::{Checker, Head, Report},
};
use storage::{
    LostEvents, Snapshot, StorageError,
    mongo::MongoActivitySnapshot,
    postgres::{PostgresSnapshot, PostgresStore},
    sqlite::{ActivitySnapshot, SqliteSnapshot},
};

use self::log::Log;
use crate::{
    cluster::stores::{mongo_options, postgres_options},
    config::{ClusterConfig, Role},
    output::{complain, say},
    place::{Place, PlaceArgs},
};

/// The exit code for a violation.
const EXIT_VIOLATED: u8 = 1;
/// The exit code for a store that cannot be read.
const EXIT_UNREADABLE: u8 = 2;
/// Records, rows or entries of one reading; few in tests, so that small stores have many pages.
const PAGE: usize = if cfg!(test) { 7 } else { 1_000 };
/// Lost events that are listed one by one.
const LOST_MAX: usize = 1_000;

/// Check every invariant against the stores. Exit code 0: all hold; 1: one is violated; 2: the store cannot be read.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    place: PlaceArgs,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// What an audit has come to.
#[derive(Debug, PartialEq)]
pub(crate) struct Audited {
    pub(crate) report: Report,
    /// Whether there is an activity log; what it should hold is not checked otherwise.
    has_log: bool,
    /// Public events that a restore has made the journals forget. They are no violation: `stampede recover` knows.
    pub(crate) lost: LostEvents,
}

/// Audits, and prints what was found.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    let audited = match args.place.place(Role::Audit) {
        Ok(place) => audit(&place)
            .await
            .map_err(|error| format!("{place} cannot be audited: {error}")),
        Err(error) => Err(format!("{error:#}")),
    };
    let audited = match audited {
        Ok(audited) => audited,
        Err(error) => {
            complain(format_args!("error: {error}"));
            return Ok(ExitCode::from(EXIT_UNREADABLE));
        }
    };
    let elapsed = begun.elapsed();
    if args.json {
        say(report::json(&audited, elapsed));
    } else {
        say(report::table(&audited, elapsed));
    }
    Ok(if audited.report.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_VIOLATED)
    })
}

/// Audits what is in a place.
pub(crate) async fn audit(place: &Place) -> Result<Audited, StorageError> {
    match place {
        Place::Directory(dir) => audit_directory(dir).await,
        Place::Cluster(config) => audit_cluster(config).await,
    }
}

/// Audits the store in a directory.
async fn audit_directory(dir: &Path) -> Result<Audited, StorageError> {
    // In this order: whatever the log has is in a journal that is read later.
    let log = ActivitySnapshot::open(dir).await?;
    let mut store = SqliteSnapshot::open(dir).await?;
    let log = Log {
        snapshot: Box::new(log),
        expired_before: None,
    };
    audit_stores(&mut store, Some(log)).await
}

/// Audits the stores of a cluster.
pub(crate) async fn audit_cluster(config: &ClusterConfig) -> Result<Audited, StorageError> {
    let options = postgres_options(config);
    let log = match &config.mongodb {
        Some(mongodb) => {
            let store = PostgresStore::open(options.clone()).await?;
            let incarnations = Arc::new(store.incarnations());
            let options = mongo_options(mongodb, incarnations);
            // In this order, as in a directory.
            let log = MongoActivitySnapshot::open(mongodb.url.expose(), options).await?;
            Some(Log {
                snapshot: Box::new(log),
                expired_before: log::expired_before(Clock::default().now(), mongodb.retention),
            })
        }
        None => None,
    };
    let mut store = PostgresSnapshot::open(options).await?;
    audit_stores(&mut store, log).await
}

/// Audits a snapshot. That of the activity log was taken before it.
async fn audit_stores(store: &mut dyn Snapshot, log: Option<Log>) -> Result<Audited, StorageError> {
    let mut checker = Checker::new(store.topology(), heads(store).await?);
    let has_log = log.is_some();
    if let Some(log) = log {
        // It ends with its snapshot: a file cannot shorten its write-ahead log as long as somebody holds one of it.
        log.read(store, &mut checker).await?;
    }
    streams::read(store, &mut checker).await?;
    rows::read(store, &mut checker).await?;
    Ok(Audited {
        report: checker.finish(),
        has_log,
        lost: store.lost_events(LOST_MAX).await?,
    })
}

async fn heads(store: &mut dyn Snapshot) -> Result<BTreeMap<ShardRef, Head>, StorageError> {
    let heads = store.heads().await?.into_iter();
    Ok(heads
        .map(|(shard, head)| {
            let head = Head {
                last_position: head.last_position,
                last_id: head.last_id,
                sent: head.sent,
                watermarks: head.watermarks,
            };
            (shard, head)
        })
        .collect())
}
