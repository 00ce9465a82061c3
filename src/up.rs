//! `stampede up`: the whole shop in one process, on SQLite.

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use actors::{Running, Shop, Stores, products::NewProduct, products::ProductsError, system::Phase};
use anyhow::{Context, Result};
use domain::{Currency, Money, Topology};
use storage::sqlite::{OpenMode, SqliteActivityLog, SqliteStore};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    admin::{self, FirstAdmin},
    catalogue::PRODUCTS,
    output::{complain, say},
    signing_key,
};

/// Shards of each domain in a store made by `up`.
const SHARDS: u16 = 4;
/// How long a stopping node has to finish what it has begun, once HTTP has ended.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);
/// How often a starting node looks whether it is ready.
const READY_POLL: Duration = Duration::from_millis(5);
/// The exit code of a process that cannot go on (`EX_SOFTWARE` of sysexits.h).
const EXIT_CANNOT_GO_ON: i32 = 70;

/// Run the whole shop in this process, on SQLite.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where the data lies; made if missing.
    #[arg(long, value_name = "DIR", default_value = "./stampede-data", env = "STAMPEDE_DATA_DIR")]
    data_dir: PathBuf,
    /// Where HTTP is served; port 0 picks a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8000", env = "STAMPEDE_HTTP")]
    http: SocketAddr,
    /// Do not load the demo catalogue at the first start.
    #[arg(long)]
    no_demo: bool,
}

/// Runs until it is told to stop.
pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    let dir = &args.data_dir;
    // Signals are minded before anything is begun, so that none is missed.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;

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
    let listener = TcpListener::bind(args.http)
        .with_context(|| format!("cannot listen on {}", args.http))?;
    let address = listener.local_addr()?;

    let (shop, running) = start(&store, activity.clone(), topology, signing_key_pem)?;
    let config = gateway::Config {
        workers: cores(),
        ..gateway::Config::default()
    };
    let server = gateway::serve(listener, shop.clone(), config)?;
    let handle = server.handle();
    let served = actix_rt::spawn(server);

    let open = open_shop(&shop, &args);
    tokio::pin!(open);
    let mut is_open = false;
    loop {
        tokio::select! {
            opened = &mut open, if !is_open => {
                announce(address, dir, opened?);
                is_open = true;
            }
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }

    say("stopping: what was accepted is being finished");
    running.announce_stop();
    handle.stop(true).await;
    let _ = served.await;
    running.stop(DRAIN_LIMIT).await;
    if let Err(error) = store.close().await {
        tracing::warn!(%error, "the store could not be closed in good order; nothing is lost by it");
    }
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

/// Waits until every shard is served, and furnishes a new shop.
async fn open_shop(shop: &Shop, args: &Args) -> Result<FirstAdmin> {
    while shop.system.readiness().phase != Phase::Serving {
        tokio::time::sleep(READY_POLL).await;
    }
    let admin = admin::ensure(shop).await?;
    if admin != FirstAdmin::Exists && !args.no_demo {
        load_catalogue(shop).await?;
    }
    Ok(admin)
}

async fn load_catalogue(shop: &Shop) -> Result<()> {
    for (sku, name, description, cents, stock) in PRODUCTS {
        let created = shop
            .products
            .create(NewProduct {
                sku: sku.parse()?,
                name: name.into(),
                description: description.into(),
                price: Money::price(cents, Currency::EUR)?,
                stock,
            })
            .await;
        match created {
            Ok(_) | Err(ProductsError::SkuTaken) => {}
            Err(error) => return Err(error).context("the demo catalogue cannot be loaded"),
        }
    }
    Ok(())
}

fn announce(address: SocketAddr, dir: &Path, admin: FirstAdmin) {
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    say(format_args!("Stampede is ready: http://{address}"));
    say(format_args!("  API documentation  http://{address}/docs"));
    say(format_args!("  data               {}", dir.display()));
    match admin {
        FirstAdmin::Exists => {}
        FirstAdmin::FromEnvironment => {
            say("  administrator      admin, with the password from the environment");
        }
        FirstAdmin::Generated(password) => {
            say(format_args!(
                "  administrator      admin, password {password} (shown this once)"
            ));
        }
    }
}
