//! A run from beginning to end.

use std::{
    fs::{self, File},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};

use super::{
    args::Args,
    check::check,
    descriptors,
    drive::{Load, drive},
    market::Market,
    observe::observe,
    plan::Plan,
    progress::Progress,
    report::{self, Summary},
};
use crate::{
    api::{Address, Api},
    http_client::Place,
};

/// The longest that a shop may take to let the administrator in.
const FIRST_ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
/// The administrator's name.
const ADMIN: &str = "admin";

/// Runs, checks and reports.
pub(super) async fn run(args: &Args) -> Result<Summary> {
    let begun = Instant::now();
    let plan = Plan::of(args)?;
    let place = Place::find(&args.url).context("--url")?;
    let password = password(args)?;
    if let Some(path) = &args.html {
        ensure_writable(path)?;
    }
    descriptors::ensure_room_for(plan.connections)?;
    let progress = Progress::new(args.json);

    let address = Address::default();
    address.set(&args.url);
    let visitor = Api::visitor(address)?;
    let admin = visitor
        .logged_in(ADMIN, &password, FIRST_ANSWER_TIME_MAX)
        .await?;
    progress.furnish(u64::from(plan.users) + u64::from(plan.products));
    let market = Market::furnish(&visitor, admin, &plan, &progress).await?;

    let load = Arc::new(Load::new(plan, place, market));
    let processor = processor_time();
    let (measure, books) = drive(&load, &progress).await?;
    let processor = processor_time().saturating_sub(processor);

    load.market.stay_logged_in().await;
    let observed = observe(&load.market, &load.plan, &progress)
        .await
        .context("the orders could not be read after the run")?;
    let findings = check(&books, &observed, &load.market, &load.plan);
    drop(progress);
    let run = report::Run {
        url: args.url.clone(),
        plan: load.plan.clone(),
        measure,
        observed,
        findings,
        processor,
        took: begun.elapsed(),
        expectations: args.expect.clone(),
    };
    let summary = Summary::of(run)?;
    if let Some(path) = &args.html {
        fs::write(path, report::html(&summary)?)
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(summary)
}

fn password(args: &Args) -> Result<String> {
    let file = &args.admin_password_file;
    let password =
        fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    Ok(password.trim_end().to_owned())
}

/// Better before the run than after it. What is there stays as it is until there is something to put in its place.
fn ensure_writable(path: &Path) -> Result<()> {
    let mut options = File::options();
    let opened = options.append(true).create(true).open(path);
    opened.with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(())
}

/// What this process has used of processors, all threads together.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
