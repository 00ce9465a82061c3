//! Who uses the processors meanwhile.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::Context;

use crate::driver::{self, Plan, Tally};

/// What the kernel counts processor time in. It is the same on all machines that Linux runs on today.
const TICK: Duration = Duration::from_millis(10);
/// Columns of `/proc/*/stat` after the name: parent, and the times of the process and of its children that have ended.
const PARENT: usize = 1;
const TIMES: std::ops::Range<usize> = 11..15;

/// Processes, each with its children, under names.
pub(crate) struct Watched(Vec<(&'static str, u32)>);

impl Watched {
    /// These, and this process as the driver.
    pub(crate) fn new(processes: impl IntoIterator<Item = (&'static str, u32)>) -> Self {
        let driver = [("driver", std::process::id())];
        Self(processes.into_iter().chain(driver).collect())
    }

    fn used(&self) -> anyhow::Result<BTreeMap<&'static str, Duration>> {
        let processes = processes()?;
        let mut used = BTreeMap::new();
        for (name, root) in &self.0 {
            // What the driver has started is not the driver.
            let ticks: u64 = match *name {
                "driver" => processes.get(root).map_or(0, |process| process.ticks),
                _ => with_children(&processes, *root),
            };
            let time = TICK * u32::try_from(ticks)?;
            *used.entry(*name).or_default() += time;
        }
        Ok(used)
    }
}

struct Process {
    parent: u32,
    /// Of itself and of its children that have ended.
    ticks: u64,
}

fn processes() -> anyhow::Result<BTreeMap<u32, Process>> {
    let mut processes = BTreeMap::new();
    for entry in fs::read_dir("/proc")? {
        let Some(id) = entry?.file_name().to_str().and_then(|it| it.parse().ok()) else {
            continue;
        };
        // Processes come and go.
        let Ok(stat) = fs::read_to_string(format!("/proc/{id}/stat")) else {
            continue;
        };
        let (_, stat) = stat.rsplit_once(") ").context("an odd stat file")?;
        let columns: Vec<&str> = stat.split(' ').collect();
        let number = |column: &&str| column.trim().parse::<u64>().unwrap_or(0);
        processes.insert(
            id,
            Process {
                parent: u32::try_from(columns.get(PARENT).map_or(0, number))?,
                ticks: columns[TIMES].iter().map(number).sum(),
            },
        );
    }
    Ok(processes)
}

fn with_children(processes: &BTreeMap<u32, Process>, root: u32) -> u64 {
    let own = processes.get(&root).map_or(0, |process| process.ticks);
    let children = processes
        .iter()
        .filter(|(_, process)| process.parent == root);
    own + children
        .map(|(child, _)| with_children(processes, *child))
        .sum::<u64>()
}

/// Drives the load, and tells how many microseconds of processor time each of these has used for an order.
pub(crate) fn run(
    plan: &Plan,
    watched: &Watched,
) -> anyhow::Result<(Tally, BTreeMap<&'static str, f64>)> {
    let (tally, used) = std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            std::thread::sleep(plan.warm_up);
            let before = watched.used()?;
            std::thread::sleep(plan.measured);
            anyhow::Ok((before, watched.used()?))
        });
        let tally = driver::run(plan);
        let used = watching
            .join()
            .unwrap_or_else(|_| anyhow::bail!("the watch panicked"));
        (tally, used)
    });
    let (tally, (before, after)) = (tally?, used?);
    let per_order = after
        .into_iter()
        .map(|(name, after)| {
            let used = after.saturating_sub(before.get(name).copied().unwrap_or_default());
            let orders = tally.successes().max(1);
            (name, used.as_secs_f64() * 1e6 / orders as f64)
        })
        .collect();
    Ok((tally, per_order))
}
