//! `stampede up`: the whole shop in one process, on SQLite.

use std::{
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use actors::{Running, Shop, Stores};
use anyhow::{Context, Result};
use domain::Topology;
use storage::sqlite::{OpenMode, SqliteActivityLog, SqliteStore};
use tokio::time::{Instant, timeout_at};

use crate::{
    first_catalogue,
    output::say,
    serving::{self, Grpc, Http, STOP_LIMIT, StopSignals, cores},
    signing_key,
};

/// Shards of each domain in a store made by `up`.
const SHARDS: u16 = 4;
/// The part of it that is kept for closing the store, after the actors.
const CLOSE_LIMIT: Duration = Duration::from_secs(3);

/// Run the whole shop in this process, on SQLite.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where the data lies; made if missing.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "./stampede-data",
        env = "STAMPEDE_DATA_DIR"
    )]
    data_dir: PathBuf,
    /// Where HTTP is served; port 0 picks a free one.
    #[arg(
        long,
        value_name = "ADDR",
        default_value = "127.0.0.1:8000",
        env = "STAMPEDE_HTTP"
    )]
    http: SocketAddr,
    /// Where gRPC is served; not at all unless asked for. Port 0 picks a free one.
    #[arg(long, value_name = "ADDR", env = "STAMPEDE_GRPC")]
    grpc: Option<SocketAddr>,
    /// Do not load the demo catalogue at the first start.
    #[arg(long)]
    no_demo: bool,
    /// Let administrators inject faults by POST /v1/system/faults, to see what becomes of them. Not for a real shop.
    #[arg(long, env = "STAMPEDE_FAULTS_ALLOWED")]
    faults_allowed: bool,
    /// Whether anyone may read /metrics; if not, it wants an administrator's access token.
    #[arg(
        long,
        value_name = "BOOL",
        default_value_t = true,
        action = clap::ArgAction::Set,
        env = "STAMPEDE_METRICS_PUBLIC"
    )]
    metrics_public: bool,
}

/// Runs until it is told to stop.
pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    let dir = &args.data_dir;
    // Signals are minded before anything is begun, so that none is missed.
    let mut signals = StopSignals::new()?;

    let topology = Topology::uniform(SHARDS);
    let store = SqliteStore::open(dir, &topology, OpenMode::CreateIfMissing)
        .await
        .with_context(|| format!("the data directory {} cannot be used", dir.display()))?;
    let store = Arc::new(store);
    let activity = SqliteActivityLog::open(dir)
        .await
        .with_context(|| format!("the activity log in {} cannot be used", dir.display()))?;
    let activity = Arc::new(activity);
    let signing_key_pem = signing_key::load_or_create(dir)?;
    let http = listen(args.http)?;
    let grpc = args.grpc.map(listen).transpose()?;

    let (shop, running) = start(
        &store,
        activity.clone(),
        topology,
        signing_key_pem,
        args.faults_allowed,
    )?;
    // From here on whatever ends the process ends it in good order: actors that merely end raise an alarm.
    let ended = serve(&shop, &running, &args, http, grpc, &mut signals).await;
    let end = signals.told_at.unwrap_or_else(Instant::now) + STOP_LIMIT;
    running
        .stop((end - CLOSE_LIMIT).saturating_duration_since(Instant::now()))
        .await;
    match timeout_at(end, store.close()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(%error, "the store could not be closed in good order; nothing is lost by it");
        }
        Err(_) => {
            tracing::warn!("the store could not be closed in time; nothing is lost by it");
        }
    }
    ended?;
    say("stopped");
    Ok(ExitCode::SUCCESS)
}

fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))
}

/// Serves until the process is told to stop, and then lets calls finish.
async fn serve(
    shop: &Shop,
    running: &Running,
    args: &Args,
    http: TcpListener,
    grpc: Option<TcpListener>,
    signals: &mut StopSignals,
) -> Result<()> {
    let address = http.local_addr()?;
    let grpc = grpc
        .map(|listener| Grpc::begin(listener, shop))
        .transpose()?;
    let server = gateway::serve(
        http,
        shop.clone(),
        serving::http_config(cores(), args.metrics_public),
    )?;
    let http = Http::begin(server);
    let grpc_address = grpc.as_ref().map(Grpc::address);
    let ended = serve_until_told(shop, args, address, grpc_address, signals).await;
    if ended.is_ok() {
        say("stopping: what was accepted is being finished");
    }
    running.announce_stop();
    tokio::join!(http.stop(), async {
        if let Some(grpc) = grpc {
            grpc.stop().await;
        }
    });
    ended
}

fn start(
    store: &Arc<SqliteStore>,
    activity: Arc<SqliteActivityLog>,
    topology: Topology,
    signing_key_pem: String,
    faults_allowed: bool,
) -> Result<(Shop, Running)> {
    let config = actors::Config {
        node: format!("up-{}", std::process::id()),
        topology,
        shard_threads: cores().div_ceil(2),
        password_threads: cores(),
        signing_key_pem,
        faults_allowed,
        on_fatal: serving::on_fatal(),
    };
    let stores = Stores {
        journal: store.clone(),
        views: store.clone(),
        activity,
        #[cfg(feature = "fault-injection")]
        faults: storage_faults(store.clone()),
    };
    Ok(actors::start(config, stores)?)
}

#[cfg(feature = "fault-injection")]
fn storage_faults(
    store: Arc<SqliteStore>,
) -> Arc<
    dyn Fn(Option<actors::system::Fault>) -> futures::future::BoxFuture<'static, ()> + Send + Sync,
> {
    use actors::system::Fault;
    Arc::new(move |fault| {
        match fault {
            Some(Fault::CommitFailure { times }) => {
                store.inject(storage::sqlite::Fault::FailCommits(times));
            }
            Some(Fault::DiskFull) => store.inject(storage::sqlite::Fault::DiskFull(true)),
            Some(_) => {}
            None => {
                store.inject(storage::sqlite::Fault::FailCommits(0));
                store.inject(storage::sqlite::Fault::DiskFull(false));
            }
        }
        Box::pin(std::future::ready(()))
    })
}

/// Opens the shop: waits until every shard is served, and furnishes a new one. Then serves until it is told to stop.
async fn serve_until_told(
    shop: &Shop,
    args: &Args,
    address: SocketAddr,
    grpc: Option<SocketAddr>,
    signals: &mut StopSignals,
) -> Result<()> {
    let dir = &args.data_dir;
    tokio::select! {
        () = serving::until_served(shop) => {}
        _ = signals.told() => return Ok(()),
    }
    if args.no_demo {
        first_catalogue::call_off(dir)?;
    } else if !shop.auth.has_admin().await? {
        first_catalogue::plan(dir)?;
    }
    if serving::ensure_admin(shop, signals).await?.is_none() {
        return Ok(());
    }
    tokio::select! {
        loaded = first_catalogue::load_if_planned(shop, dir) => loaded?,
        _ = signals.told() => return Ok(()),
    }
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.clone());
    serving::say_ready(address);
    say(format_args!("  data               {}", dir.display()));
    if let Some(grpc) = grpc {
        say(format_args!("  gRPC               {grpc}"));
    }
    signals.told().await;
    Ok(())
}
