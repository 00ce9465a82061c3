//! `stampede audit`: every invariant, checked against the stores.

use std::{path::PathBuf, process::ExitCode};

/// What to audit.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Where the data lies.
    #[arg(long, default_value = "./stampede-data")]
    data_dir: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Audits.
///
/// # Errors
/// Always, for now.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("cannot audit {} yet ({})", args.data_dir.display(), args.json)
}
