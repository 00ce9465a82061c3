//! What a long history and a large catalogue cost: `stampede up` on two stores that were filled beforehand.
//!
//! It confirms orders first for a thousand products that the store has just been given, which leaves only the history to
//! differ, then for all that its catalogue had. The small store is copied for each round, so that its history stays short;
//! to the large one the orders of earlier rounds are added, which are few beside those that it had.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use crate::embedded::{CROWD, closed_loop};
use crate::figures::Round;
use crate::report::{latency_ms, rate_per_second};
use crate::target::Target;
use crate::{driver, interrupt, memory};

/// The id of the first product of a store that the example `fill` has made with its four shards; they follow each other.
const FIRST_PRODUCT: u64 = 4;
/// Of so many products of such a store one has few pieces: the second.
const SCARCE_OF: u64 = 50;

/// Stores that the example `fill` has filled.
#[derive(Clone, Debug, Args)]
pub(crate) struct Stores {
    /// The data directory of a small store.
    #[arg(long, requires = "large")]
    small: Option<PathBuf>,
    /// How many products it was filled with.
    #[arg(long, default_value_t = 1_000)]
    small_products: u64,
    /// The data directory of a large store.
    #[arg(long, requires = "small")]
    large: Option<PathBuf>,
    /// How many products it was filled with.
    #[arg(long, default_value_t = 1_000_000)]
    large_products: u64,
}

impl Stores {
    /// Whether there are any.
    pub(crate) fn are_given(&self) -> bool {
        self.small.is_some() && self.large.is_some()
    }
}

/// Whose history it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Size {
    /// The store of few orders.
    Small,
    /// The store of many.
    Large,
}

impl Size {
    fn figure(self, what: &str) -> String {
        match self {
            Self::Small => format!("short history, {what}"),
            Self::Large => format!("long history, {what}"),
        }
    }

    /// The name of a figure: confirmed orders a second for new products.
    pub(crate) fn new_products(self) -> String {
        self.figure("new products, orders/s")
    }

    /// The name of a figure: confirmed orders a second over all products that the store had.
    pub(crate) fn whole_catalogue(self) -> String {
        self.figure("the whole catalogue, orders/s")
    }

    /// The name of a figure: from the start of the program until it serves.
    pub(crate) fn start_up(self) -> String {
        self.figure("start-up, ms")
    }

    /// The name of a figure: memory at the end.
    pub(crate) fn memory(self) -> String {
        self.figure("memory at the end, MiB")
    }
}

/// Measures both, one after the other, if there are any.
pub(crate) fn measure(
    stores: &Stores,
    directory: &Path,
    measured: Duration,
    round: &mut Round,
) -> anyhow::Result<()> {
    let sizes = [
        (Size::Small, &stores.small, stores.small_products),
        (Size::Large, &stores.large, stores.large_products),
    ];
    for (size, data, products) in sizes {
        let Some(data) = data else {
            return Ok(());
        };
        interrupt::check()?;
        let home = tempfile::tempdir_in(directory)?;
        let data = match size {
            Size::Small => &copy(data, home.path())?,
            Size::Large => data,
        };
        let target = Target::start_on(data, home, CROWD)
            .with_context(|| format!("the store in {}", data.display()))?;
        let process = target.process_id().context("it was started here")?;
        let mib = || anyhow::Ok(memory::resident_bytes(process)? / 1024.0 / 1024.0);
        let started = target.started_within().unwrap_or_default();
        round.say(size.start_up(), started.as_secs_f64() * 1e3);
        round.say(size.figure("memory after start-up, MiB"), mib()?);
        let new = driver::run(&closed_loop(&target, &target.products, measured))?;
        round.say(size.new_products(), rate_per_second(&new));
        round.say(size.figure("new products, p99 ms"), latency_ms(&new, 0.99));
        interrupt::check()?;
        let is_plenty = |id: &u64| (id - FIRST_PRODUCT) % SCARCE_OF != 1;
        let catalogue: Vec<u64> = (FIRST_PRODUCT..FIRST_PRODUCT + products)
            .filter(is_plenty)
            .collect();
        let old = driver::run(&closed_loop(&target, &catalogue, measured))?;
        round.say(size.whole_catalogue(), rate_per_second(&old));
        round.say(
            size.figure("the whole catalogue, p99 ms"),
            latency_ms(&old, 0.99),
        );
        round.say(size.memory(), mib()?);
    }
    Ok(())
}

/// Copies the files of a store that nobody uses; returns where they are.
fn copy(store: &Path, home: &Path) -> anyhow::Result<PathBuf> {
    let data = home.join("data");
    fs::create_dir(&data)?;
    let files = fs::read_dir(store).with_context(|| format!("no store in {}", store.display()))?;
    for file in files {
        let file = file?;
        fs::copy(file.path(), data.join(file.file_name()))?;
    }
    Ok(data)
}
