//! What machine this is, and whether it is quiet.

use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use sqlx::Connection;
use sqlx::postgres::PgConnection;
use time::OffsetDateTime;

use crate::servers::Servers;

/// How long the processors are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Facts, each with a name, in the order in which they are shown.
pub(crate) type Facts = Vec<(&'static str, String)>;

/// Describes this machine and what runs on it.
pub(crate) fn describe(servers: Option<&Servers>, sources: &str) -> anyhow::Result<Facts> {
    let processors = thread::available_parallelism()?;
    let load = fs::read_to_string("/proc/loadavg")?;
    let mut facts = vec![
        ("date", OffsetDateTime::now_utc().date().to_string()),
        ("sources", sources.to_owned()),
        ("processors", format!("{processors} x {}", model()?)),
        ("memory", format!("{} GiB", memory_gib()?)),
        (
            "kernel",
            fs::read_to_string("/proc/sys/kernel/osrelease")?
                .trim()
                .to_owned(),
        ),
        (
            "load before (1, 5, 15 minutes)",
            load.split(' ').take(3).collect::<Vec<_>>().join(", "),
        ),
        ("SQLite", rusqlite::version().to_owned()),
    ];
    if let Some(servers) = servers {
        facts.push(("PostgreSQL", postgres_version(servers)?));
    }
    Ok(facts)
}

fn model() -> anyhow::Result<String> {
    let info = fs::read_to_string("/proc/cpuinfo")?;
    let model = info.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split_once(": "));
    Ok(model.map_or("unknown", |(_, model)| model).to_owned())
}

fn memory_gib() -> anyhow::Result<u64> {
    let info = fs::read_to_string("/proc/meminfo")?;
    let line = info.lines().find(|line| line.starts_with("MemTotal:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    let kib: u64 = kib.context("/proc/meminfo does not tell")?.parse()?;
    Ok(kib.div_ceil(1024 * 1024))
}

fn postgres_version(servers: &Servers) -> anyhow::Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut connection = PgConnection::connect_with(&servers.postgres).await?;
        let sql = "SELECT current_setting('server_version') || ', fsync ' || current_setting('fsync') \
                   || ', shared_buffers ' || current_setting('shared_buffers')";
        let version = sqlx::query_scalar(sql).fetch_one(&mut connection).await?;
        connection.close().await?;
        Ok(version)
    })
}

/// How much of the processors is in use while this waits: by somebody else.
pub(crate) fn busy_share() -> anyhow::Result<f64> {
    let (busy_before, all_before) = times()?;
    thread::sleep(LOOK);
    let (busy, all) = times()?;
    Ok((busy - busy_before) / (all - all_before).max(1.0))
}

/// Time in which the processors were busy, and all of it, in the kernel's ticks.
fn times() -> anyhow::Result<(f64, f64)> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().context("/proc/stat is empty")?;
    let ticks: Vec<f64> = line
        .split_whitespace()
        .skip(1)
        .filter_map(|number| number.parse().ok())
        .take(8)
        .collect();
    let idle: f64 = ticks.iter().skip(3).take(2).sum();
    let all: f64 = ticks.iter().sum();
    Ok((all - idle, all))
}
