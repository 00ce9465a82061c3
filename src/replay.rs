//! `stampede replay order ID`: the history of one order, and its state at any point.

use std::{path::PathBuf, process::ExitCode};

/// What to replay.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Which order.
    id: u64,
    /// Where the data lies.
    #[arg(long, default_value = "./stampede-data")]
    data_dir: PathBuf,
    /// Show the state after this event.
    #[arg(long)]
    at: Option<u64>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Replays.
///
/// # Errors
/// Always, for now.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("cannot replay {args:?} yet")
}
