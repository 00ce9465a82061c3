//! `stampede audit`: every invariant of the design, checked against the stores.
//!
//! It reads one snapshot of each file, the activity log's first, so that what the log has is in the journals; it may run
//! beside a live `up`, and on what a killed one has left. What holds is stated in [`domain::invariants`]; here is only
//! how a store is told to it: `streams` reads journals and big tables at one pace, `rows` compares columns with states,
//! `report` prints.

mod report;
mod rows;
mod streams;
#[cfg(test)]
pub(crate) mod tests;

use std::{collections::BTreeMap, path::Path, path::PathBuf, process::ExitCode, time::Instant};

use domain::{
    ShardRef,
    invariants::{Checker, Head, Report},
};
use storage::{
    StorageError,
    sqlite::{ActivitySnapshot, SqliteSnapshot},
};

use crate::output::{complain, say};

/// The exit code for a violation.
const EXIT_VIOLATED: u8 = 1;
/// The exit code for a store that cannot be read.
const EXIT_UNREADABLE: u8 = 2;
/// Records, rows or entries of one reading; few in tests, so that small stores have many pages.
const PAGE: usize = if cfg!(test) { 7 } else { 1_000 };

/// Check every invariant against the stores. Exit code 0: all hold; 1: one is violated; 2: the store cannot be read.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Where the data lies.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "./stampede-data",
        env = "STAMPEDE_DATA_DIR"
    )]
    data_dir: PathBuf,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// Audits, and prints what was found.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    let report = match audit(&args.data_dir).await {
        Ok(report) => report,
        Err(error) => {
            let dir = args.data_dir.display();
            complain(format_args!(
                "error: the store in {dir} cannot be audited: {error}"
            ));
            return Ok(ExitCode::from(EXIT_UNREADABLE));
        }
    };
    let elapsed = begun.elapsed();
    if args.json {
        say(report::json(&report, elapsed));
    } else {
        say(report::table(&report, elapsed));
    }
    Ok(if report.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_VIOLATED)
    })
}

/// Audits the store in a directory.
async fn audit(dir: &Path) -> Result<Report, StorageError> {
    // In this order: whatever the log has is in a journal that is read later.
    let mut log = ActivitySnapshot::open(dir).await?;
    let mut store = SqliteSnapshot::open(dir).await?;

    let mut checker = Checker::new(*store.topology(), heads(&mut store).await?);
    read_log(&mut log, &mut checker).await?;
    // A file cannot shorten its write-ahead log as long as somebody holds a snapshot of it.
    drop(log);
    streams::read(&mut store, &mut checker).await?;
    rows::read(&mut store, &mut checker).await?;
    Ok(checker.finish())
}

async fn heads(store: &mut SqliteSnapshot) -> Result<BTreeMap<ShardRef, Head>, StorageError> {
    let heads = store.heads().await?.into_iter();
    Ok(heads
        .map(|(shard, _, head)| {
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

async fn read_log(log: &mut ActivitySnapshot, checker: &mut Checker) -> Result<(), StorageError> {
    for (source, position) in log.watermarks().await? {
        checker.log_watermark(source, position);
    }
    let mut after = None;
    loop {
        let page = log.sources(after, PAGE).await?;
        for &(source, position) in &page {
            checker.log_entry(source, position);
        }
        after = page.last().copied();
        if page.len() < PAGE {
            return Ok(());
        }
    }
}
