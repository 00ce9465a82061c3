//! `stampede archive`: takes the old part of the journals out of the stores, into files, and puts it back.
//!
//! What is taken out is what happened before some time: of each journal the records up to a mark. The rest of the store
//! stays as it is, orders and products as they are now included, and a shop may run meanwhile. Nothing is taken out that
//! somebody has still to read: a shard that a record is addressed to, the activity log, the publisher to Kafka.
//!
//! `plan` says where the marks are to be, `file` writes and reads the files, `take_out` and `restore` do the work.
//! Files are complete, forced to the device and read once more before anything is removed.

mod file;
mod place;
mod plan;
mod restore;
mod take_out;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use actors::runtime::Clock;
use anyhow::{Result, ensure};

use crate::{
    config::Role, output::say, place::PlaceArgs, progress::Progress, since_when::SinceWhen,
};

/// What is younger is not archived: idempotency keys are good for a day, and orders settle within minutes.
const AGE_MIN: Duration = Duration::from_secs(2 * 24 * 3_600);
/// Records of one reading, and of one transaction that removes or puts back some; few in tests, so that there are many.
const PAGE: usize = if cfg!(test) { 3 } else { 1_000 };

/// Take the old part of the journals out of the stores, into files, or put it back. A shop may run meanwhile.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    /// Write records of what happened long ago to files, and remove them from the journals.
    Write(WriteArgs),
    /// Put what was archived back into the journals.
    Restore(RestoreArgs),
}

/// What `archive write` is told.
#[derive(clap::Args, Debug)]
pub(crate) struct WriteArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Archive what happened before then: an RFC 3339 time, or a duration such as 400d. Two days at least.
    #[arg(long, value_name = "TIME|DURATION")]
    before: SinceWhen,
    /// Where the files go. The directory is made if it is missing.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Only say what would be archived.
    #[arg(long)]
    dry_run: bool,
}

/// What `archive restore` is told.
#[derive(clap::Args, Debug)]
pub(crate) struct RestoreArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Where the files are.
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
}

/// Archives or restores, and prints what was done.
pub(crate) async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Write(args) => write(args).await,
        Command::Restore(args) => restore(args).await,
    }
}

async fn write(args: WriteArgs) -> Result<ExitCode> {
    let now = Clock::default().now();
    let before = args.before.before(now);
    ensure!(
        before <= now.minus(AGE_MIN),
        "--before is less than two days ago: orders of that age may still change"
    );
    let place = args.place.place(Role::Archive)?;
    let mut snapshot = place::snapshot(&place).await?;
    let read_by_others = place::read_by_others(&place).await?;
    let plan = plan::plan(&mut *snapshot, &read_by_others, before).await?;
    say(plan.describe(before));
    if plan.is_empty() || args.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    let mut archive = place::archive(&place).await?;
    let progress = Progress::shown();
    let taken = take_out::take_out(snapshot, &mut *archive, &plan, &args.to, &progress).await?;
    drop(progress);
    say(format_args!(
        "{} records are in {} files in {}, {} bytes; they are no longer in the journals",
        taken.records,
        taken.files,
        args.to.display(),
        taken.bytes
    ));
    Ok(ExitCode::SUCCESS)
}

async fn restore(args: RestoreArgs) -> Result<ExitCode> {
    let place = args.place.place(Role::Archive)?;
    let mut archive = place::archive(&place).await?;
    let progress = Progress::shown();
    let restored = restore::restore(&mut *archive, &args.from, &progress).await?;
    drop(progress);
    say(format_args!(
        "{} records of {} files are back in the journals",
        restored.records, restored.files
    ));
    for mark in restored.left {
        say(format_args!(
            "{} is still archived up to position {}: no file in {} ends there",
            mark.shard,
            mark.position,
            args.from.display()
        ));
    }
    Ok(ExitCode::SUCCESS)
}
