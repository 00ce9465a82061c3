//! What an order costs that waits in memory: order shards whose products never answer.
//!
//! Measured in a process of its own, because an allocator gives back what earlier measurements have used when it pleases.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::Actor;
use actix_rt::{Arbiter, System};
use actors::orders::OrderHost;
use actors::runtime::handle::{Incumbent, ShardHandle};
use actors::runtime::messages::Inspect;
use actors::runtime::shard::{Post, Retired, ShardActor};
use actors::runtime::shards::{Request, Shards, shard_ref};
use actors::runtime::watchdog::Heartbeat;
use actors::runtime::writer::{JournalWriter, ShardLine, WriterHandle};
use actors::runtime::{Clock, Env, Faults, Stats};
use actors::transport::InProcessFeed;
use anyhow::{Context, bail, ensure};
use domain::orders::{OrderDraft, RequestedLine};
use domain::{Domain, ProductId, Quantity, Timestamp, Topology, UserId};
use futures::{StreamExt, TryStreamExt, stream};
use storage::sqlite::{OpenMode, SqliteStore};
use tokio::sync::{mpsc, oneshot, watch};

use crate::figures::{self, Round};
use crate::memory;

/// The option by which this program is started again.
pub(crate) const OPTION: &str = "--resident-orders";
/// Order shards.
const SHARDS: u16 = 4;
/// Orders that are resident when memory is first looked at: enough to fill SQLite's page cache.
const ORDERS_BEFORE: u64 = 250_000;
/// Orders that come then.
const ORDERS: u64 = 100_000;
const AT_A_TIME: usize = 512;
/// How long the shards may take until they serve.
const START_TIME_MAX: Duration = Duration::from_secs(30);
const START_POLL: Duration = Duration::from_millis(5);
/// When products must have answered: not while this runs.
const DEADLINE_MS: i64 = 3_600_000;

/// Starts this program again to measure it.
pub(crate) fn measure(directory: &Path, round: &mut Round) -> anyhow::Result<()> {
    let program = std::env::current_exe()?;
    let output = Command::new(program)
        .args(["--bench", OPTION, "--directory"])
        .arg(directory)
        .output()?;
    let (printed, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    ensure!(output.status.success(), "resident orders: {errors}");
    let bytes = printed.trim().parse();
    round.say(
        figures::RESIDENT_ORDER,
        bytes.with_context(|| format!("{printed} is no number of bytes"))?,
    );
    Ok(())
}

/// Prints how much the memory of this process grows with a resident order, in bytes.
pub(crate) fn print(directory: &Path) -> anyhow::Result<()> {
    let home = tempfile::tempdir_in(directory)?;
    let bytes = System::new().block_on(grow(home.path()))?;
    println!("{bytes:.0}");
    Ok(())
}

async fn grow(directory: &Path) -> anyhow::Result<f64> {
    let shards = serve(directory).await?;
    place(&shards, 0..ORDERS_BEFORE).await?;
    let before = memory::resident_bytes(std::process::id())?;
    place(&shards, ORDERS_BEFORE..ORDERS_BEFORE + ORDERS).await?;
    let after = memory::resident_bytes(std::process::id())?;
    let mut resident = 0;
    for handle in shards.all() {
        resident += handle.address().send(Inspect).await?.actors as u64;
    }
    ensure!(
        resident == ORDERS_BEFORE + ORDERS,
        "{resident} orders are in memory, and {ORDERS} and {ORDERS_BEFORE} were placed"
    );
    Ok((after - before) / ORDERS as f64)
}

/// Starts order shards with their writer on SQLite, as `up` does, and nobody to whom their records go.
async fn serve(directory: &Path) -> anyhow::Result<Shards<OrderHost>> {
    let topology = Topology::uniform(SHARDS);
    let store = SqliteStore::open(directory, &topology, OpenMode::CreateIfMissing).await?;
    let store = Arc::new(store);
    let env = Env {
        journal: store.clone(),
        topology,
        clock: Clock::default(),
        stats: Arc::new(Stats::default()),
        faults: Faults::new(false),
        is_stopping: Arc::default(),
        on_fatal: Arc::new(|reason| panic!("{reason}")),
    };
    let writer = WriterHandle::new(env.faults.clone());
    let (failed, _) = mpsc::unbounded_channel();
    let thread = Arbiter::new();
    let handles: Vec<ShardHandle<OrderHost>> = (0..usize::from(SHARDS))
        .map(|index| {
            let (signals, signals_end) = mpsc::unbounded_channel();
            let retired = Retired::default();
            let post = Post {
                env: env.clone(),
                writer: writer.clone(),
                signals: signals_end,
                heartbeat: Arc::<Heartbeat>::default(),
                retired: retired.clone(),
                failed: failed.clone(),
            };
            let host = OrderHost {
                views: store.clone(),
            };
            let shard = shard_ref(Domain::Orders, index);
            let address = ShardActor::start_in_arbiter(&thread.handle(), move |_| {
                ShardActor::new(host, shard, post)
            });
            ShardHandle::new(Incumbent {
                address,
                signals,
                retired,
            })
        })
        .collect();
    let lines = handles.iter().enumerate().map(|(index, handle)| {
        let told = handle.clone();
        let line = ShardLine {
            signal: Arc::new(move |signal| told.signal(signal)),
            inbox: handle.inbox(),
        };
        (shard_ref(Domain::Orders, index), line)
    });
    let feed = InProcessFeed::new(BTreeMap::new(), topology, env.faults.clone());
    let journal_writer = JournalWriter::of_all(
        env,
        "bench".to_owned(),
        lines.collect(),
        Arc::new(feed),
        writer,
    );
    // It runs until the process ends.
    let (stop, stopped) = watch::channel(false);
    std::mem::forget(stop);
    Arbiter::new().spawn(journal_writer.run(stopped, oneshot::channel().0));
    Ok(Shards::new(Domain::Orders, handles.into(), None))
}

async fn place(shards: &Shards<OrderHost>, numbers: std::ops::Range<u64>) -> anyhow::Result<()> {
    stream::iter(numbers)
        .map(|number| place_one(shards, number))
        .buffer_unordered(AT_A_TIME)
        .try_collect::<()>()
        .await
}

async fn place_one(shards: &Shards<OrderHost>, number: u64) -> anyhow::Result<()> {
    let draft = || {
        let line = RequestedLine {
            product_id: ProductId::new(SHARDS.into()).context("no product")?,
            quantity: Quantity::new(1).context("no quantity")?,
        };
        let now = Clock::default().now().as_millis();
        anyhow::Ok(OrderDraft {
            user_id: UserId::new(1 + number).context("no user")?,
            lines: vec![line],
            deadline: Timestamp::from_millis(now + DEADLINE_MS),
            idempotency: None,
        })
    };
    let shard = u16::try_from((1 + number) % u64::from(SHARDS))?;
    let begun = Instant::now();
    loop {
        match shards.execute(shard, Request::new(draft()?)).await {
            Ok(_) => return Ok(()),
            // Not claimed yet.
            Err(_) if begun.elapsed() < START_TIME_MAX => tokio::time::sleep(START_POLL).await,
            Err(error) => bail!("an order is refused: {error:?}"),
        }
    }
}
