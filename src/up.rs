//! `stampede up`: the whole shop in one process, on SQLite.

use std::{
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use actors::{Running, Shop, Stores, system::Phase};
use anyhow::{Context, Result};
use domain::Topology;
use gateway::{Server, ServerHandle};
use storage::sqlite::{OpenMode, SqliteActivityLog, SqliteStore};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{Instant, timeout, timeout_at},
};

use crate::{
    admin::{self, FirstAdmin},
    first_catalogue,
    output::{complain, say},
    signing_key,
};

/// Shards of each domain in a store made by `up`.
const SHARDS: u16 = 4;
/// How long a process that is told to stop goes on at most, whatever happens: 30 s are promised.
const STOP_LIMIT: Duration = Duration::from_secs(28);
/// The part of it that requests have which have begun.
const HTTP_STOP_LIMIT: Duration = Duration::from_secs(16);
/// How much later than it should the HTTP server may end: it looks once a second.
const HTTP_STOP_SLACK: Duration = Duration::from_secs(2);
/// The part of it that is kept for closing the store, after the actors.
const CLOSE_LIMIT: Duration = Duration::from_secs(3);
/// How long a process that is told to stop while it makes the first administrator waits for that.
const ADMIN_WAIT: Duration = Duration::from_secs(2);
/// How often a starting node looks whether it is ready.
const READY_POLL: Duration = Duration::from_millis(5);
/// The exit code of a process that cannot go on (`EX_SOFTWARE` of sysexits.h).
const EXIT_CANNOT_GO_ON: i32 = 70;

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
    /// Do not load the demo catalogue at the first start.
    #[arg(long)]
    no_demo: bool,
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
    let listener =
        TcpListener::bind(args.http).with_context(|| format!("cannot listen on {}", args.http))?;
    let address = listener.local_addr()?;

    let (shop, running) = start(&store, activity.clone(), topology, signing_key_pem)?;
    let config = gateway::Config {
        workers: cores(),
        stop_limit: HTTP_STOP_LIMIT,
        ..gateway::Config::default()
    };
    // From here on whatever ends the process ends it in good order: actors that merely end raise an alarm.
    let ended = match gateway::serve(listener, shop.clone(), config) {
        Ok(server) => {
            let http = Http::begin(server);
            let ended = serve_until_told(&shop, &args, address, &mut signals).await;
            if ended.is_ok() {
                say("stopping: what was accepted is being finished");
            }
            running.announce_stop();
            http.stop().await;
            ended
        }
        Err(error) => Err(error.into()),
    };
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

/// Threads for HTTP, and a bound for passwords hashed at a time.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

fn start(
    store: &Arc<SqliteStore>,
    activity: Arc<SqliteActivityLog>,
    topology: Topology,
    signing_key_pem: String,
) -> Result<(Shop, Running)> {
    let config = actors::Config {
        node: format!("up-{}", std::process::id()),
        topology,
        shard_threads: cores().div_ceil(2),
        password_threads: cores(),
        signing_key_pem,
        on_fatal: Arc::new(|reason| {
            tracing::error!(reason, "the process cannot go on");
            complain(format_args!("error: {reason}"));
            std::process::exit(EXIT_CANNOT_GO_ON);
        }),
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
            Some(Fault::Panic { .. } | Fault::Feed { .. }) => {}
            None => {
                store.inject(storage::sqlite::Fault::FailCommits(0));
                store.inject(storage::sqlite::Fault::DiskFull(false));
            }
        }
        Box::pin(std::future::ready(()))
    })
}

/// The HTTP server while it serves.
struct Http {
    handle: ServerHandle,
    served: actix_rt::task::JoinHandle<std::io::Result<()>>,
}

impl Http {
    fn begin(server: Server) -> Self {
        Self {
            handle: server.handle(),
            served: actix_rt::spawn(server),
        }
    }

    /// Lets requests finish for a while, and then ends them.
    async fn stop(self) {
        let stopped = timeout(HTTP_STOP_LIMIT + HTTP_STOP_SLACK, self.handle.stop(true)).await;
        if stopped.is_err() {
            // A server that is stopping hears no second word; dropped, it lets go of its connections.
            self.served.abort();
        }
        let _ = timeout(HTTP_STOP_SLACK, self.served).await;
    }
}

/// Opens the shop: waits until every shard is served, and furnishes a new one. Then serves until it is told to stop.
async fn serve_until_told(
    shop: &Shop,
    args: &Args,
    address: SocketAddr,
    signals: &mut StopSignals,
) -> Result<()> {
    let dir = &args.data_dir;
    tokio::select! {
        () = serving(shop) => {}
        _ = signals.told() => return Ok(()),
    }
    if args.no_demo {
        first_catalogue::call_off(dir)?;
    } else if !shop.auth.has_admin().await? {
        first_catalogue::plan(dir)?;
    }
    // Not broken off at once: whoever stops it then would never learn the password.
    let admin = tokio::select! {
        admin = admin::ensure(shop) => admin?,
        () = async {
            signals.told().await;
            tokio::time::sleep(ADMIN_WAIT).await;
        } => return Ok(()),
    };
    say_who_is_admin(&admin);
    tokio::select! {
        loaded = first_catalogue::load_if_planned(shop, dir) => loaded?,
        _ = signals.told() => return Ok(()),
    }
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.clone());
    say(format_args!("Stampede is ready: http://{address}"));
    say(format_args!("  API documentation  http://{address}/docs"));
    say(format_args!("  data               {}", dir.display()));
    signals.told().await;
    Ok(())
}

async fn serving(shop: &Shop) {
    while shop.system.readiness().phase != Phase::Serving {
        tokio::time::sleep(READY_POLL).await;
    }
}

/// Said as soon as it is so: what is not said now is not known to anybody.
fn say_who_is_admin(admin: &FirstAdmin) {
    match admin {
        FirstAdmin::Exists => {}
        FirstAdmin::FromEnvironment => {
            say("administrator: admin, with the password from the environment");
        }
        FirstAdmin::Generated(password) => {
            say(format_args!(
                "administrator: admin, password {password} (shown this once)"
            ));
        }
    }
}

/// The signals that tell the process to stop.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
    told_at: Option<Instant>,
}

impl StopSignals {
    fn new() -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            told_at: None,
        })
    }

    /// Waits until the process is told to stop; returns at once if it has been.
    async fn told(&mut self) -> Instant {
        if let Some(told_at) = self.told_at {
            return told_at;
        }
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        *self.told_at.insert(Instant::now())
    }
}
