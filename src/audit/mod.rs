//! `stampede audit`: every invariant of the design, checked against the stores.
//!
//! It reads one snapshot of each store, the activity log's first, so that what the log has is in the journals; it may run
//! beside a live `up` or a live cluster, and on what a killed one has left. What holds is stated in
//! [`domain::invariants`]; here is only how a store is told to it: `log` reads the activity log, `streams` reads journals
//! and big tables at one pace, `keys` reads orders once more where there are very many idempotency keys, `rows` compares
//! columns with states, `scope` finds the part of a store that is asked for, `serving` who serves it, `report` prints.
//!
//! Everything is read in pages of a thousand, each with the key of the last row, so memory does not grow with records,
//! orders or notifications. It does depend on:
//!
//! - products, about 200 bytes each, and users, about 150 and what their sessions need: their histories lie scattered
//!   over their journals;
//! - orders that have not settled, 16 bytes each, and commands that were ever set aside;
//! - idempotency keys of any two days, 25 bytes each, but never more than 900,000 at once;
//! - notification rows whose shard is ahead of others, about 40 bytes each: rows are read by id, journals by time;
//! - the numbers of shards, squared: there may be a link between any two;
//! - the page caches of the embedded store, 8 MiB for each file.

mod keys;
mod log;
mod report;
mod rows;
mod scope;
mod serving;
mod streams;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use scope::{begin_of, last_before};

use std::{collections::BTreeMap, path::Path, process::ExitCode, sync::Arc, time::Instant};

use actors::runtime::Clock;
use anyhow::{Result, ensure};
use domain::{
    ShardRef, Sku, Timestamp,
    invariants::{Checker, Head, Report, Retained, Scope, Service},
};
use storage::{
    LostEvents, Snapshot,
    mongo::MongoActivitySnapshot,
    postgres::{PostgresSnapshot, PostgresStore},
    sqlite::{ActivitySnapshot, SqliteSnapshot},
};

use self::{log::Log, scope::Asked};
use crate::{
    cluster::stores::{mongo_options, postgres_options},
    config::{ClusterConfig, Role},
    output::{complain, say},
    place::{Place, PlaceArgs},
    progress::Progress,
    since_when::SinceWhen,
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
    /// Check only what concerns the product with this SKU; may be given several times.
    #[arg(long, value_name = "SKU")]
    sku: Vec<Sku>,
    /// Check only orders that were created since then, and records since then: an RFC 3339 time, or a duration such as
    /// 90s, 30m, 24h or 7d.
    #[arg(long, value_name = "TIME|DURATION")]
    since: Option<SinceWhen>,
}

/// What an audit has come to.
#[derive(Debug)]
pub(crate) struct Audited {
    pub(crate) report: Report,
    /// Whether there is an activity log; what it should hold is not checked otherwise.
    has_log: bool,
    /// What was asked for, and what part of the store that is.
    asked: Asked,
    /// Before which time the journals were archived, if they were. That part cannot be checked.
    pub(crate) archived_before: Option<Timestamp>,
    scope: Scope,
    /// The most that was kept at one time.
    retained: Retained,
    /// Public events that a restore has made the journals forget. They are no violation: `stampede recover` knows.
    pub(crate) lost: LostEvents,
}

/// Audits, and prints what was found.
pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    let begun = Instant::now();
    let audited = match asked(&args).and_then(|asked| Ok((asked, args.place.place(Role::Audit)?))) {
        Ok((asked, place)) => audit(&place, &asked, &Progress::shown())
            .await
            .map_err(|error| format!("{place} cannot be audited: {error:#}")),
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

/// Audits everything in a place, and shows nothing of it.
pub(crate) async fn audit_all(place: &Place) -> Result<Audited> {
    audit(place, &Asked::default(), &Progress::hidden()).await
}

/// The part of the store that is asked for.
fn asked(args: &Args) -> Result<Asked> {
    let now = Clock::default().now();
    let since = args.since.map(|since| since.before(now));
    ensure!(
        since.is_none_or(|since| since <= now),
        "--since is a time that has not come yet"
    );
    Ok(Asked {
        skus: args.sku.clone(),
        since,
    })
}

async fn audit(place: &Place, asked: &Asked, progress: &Progress) -> Result<Audited> {
    match place {
        Place::Directory(dir) => audit_directory(dir, asked, progress).await,
        Place::Cluster(config) => audit_part_of_cluster(config, asked, progress).await,
    }
}

/// Audits the store in a directory.
async fn audit_directory(dir: &Path, asked: &Asked, progress: &Progress) -> Result<Audited> {
    // In this order: whatever the log has is in a journal that is read later.
    let log = ActivitySnapshot::open(dir).await?;
    let mut store = SqliteSnapshot::open(dir).await?;
    let log = Log {
        snapshot: Box::new(log),
        expired_before: None,
    };
    let service = serving::of_directory(dir, &store)?;
    audit_stores(&mut store, Some(log), service, asked, progress).await
}

/// Audits all of the stores of a cluster.
#[cfg(test)]
pub(crate) async fn audit_cluster(config: &ClusterConfig) -> Result<Audited> {
    audit_part_of_cluster(config, &Asked::default(), &Progress::hidden()).await
}

async fn audit_part_of_cluster(
    config: &ClusterConfig,
    asked: &Asked,
    progress: &Progress,
) -> Result<Audited> {
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
    let service = serving::of_cluster(options.clone()).await?;
    let mut store = PostgresSnapshot::open(options).await?;
    audit_stores(&mut store, log, service, asked, progress).await
}

/// Audits a snapshot. That of the activity log was taken before it.
async fn audit_stores(
    store: &mut dyn Snapshot,
    log: Option<Log>,
    service: Service,
    asked: &Asked,
    progress: &Progress,
) -> Result<Audited> {
    let (scope, archived_before) = scope::find(asked, store).await?;
    let checker = Checker::new(store.topology(), heads(store).await?);
    let mut checker = checker.limited_to(&scope).orders_by_position();
    checker.served_by(service);
    let has_log = log.is_some();
    if let Some(log) = log
        && scope.products.is_none()
    {
        // It ends with its snapshot: a file cannot shorten its write-ahead log as long as somebody holds one of it.
        progress.now("activity log");
        log.read(store, &scope, &mut checker, progress).await?;
    }
    progress.now("journals and orders");
    let retained = streams::read(store, &scope, &mut checker, progress).await?;
    if scope.products.is_none() {
        progress.now("idempotency keys");
        keys::read(store, &scope, &mut checker, progress).await?;
    }
    progress.now("rows");
    rows::read(store, &scope, &mut checker).await?;
    Ok(Audited {
        report: checker.finish(),
        has_log,
        asked: asked.clone(),
        archived_before,
        scope,
        retained,
        lost: store.lost_events(LOST_MAX).await?,
    })
}

async fn heads(store: &mut dyn Snapshot) -> Result<BTreeMap<ShardRef, Head>> {
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
