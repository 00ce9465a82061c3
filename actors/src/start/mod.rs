//! Starts the actors of a process and wires them together.
//!
//! [`start`] makes a shop of one process; [`start_node`] one process of many. Both are made of the same parts: `local`
//! starts shards, [`shop`] puts services before them.

mod local;
mod mending;
mod node;
mod threads;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix::{Actor, Addr};
use actix_rt::Arbiter;
use domain::{Domain, Topology};
#[cfg(feature = "fault-injection")]
use futures::future::BoxFuture;
use storage::{ActivityLog, Journal, Views};
use tokio::{
    sync::{oneshot, watch},
    time::{Instant, timeout_at},
};

use crate::{
    Shop,
    auth::{Auth, Passwords, SigningKeyError, TokenIssuer},
    cluster::Cluster,
    housekeeping,
    logs::{Flush, LogActor, Logs},
    notifications::{Notifications, Templates},
    orders::{Admission, Orders, Shelves},
    products::Products,
    runtime::{
        Clock, Env, Faults, Stats,
        shards::{Shards, shard_ref},
        writer::{JournalWriter, WriterHandle},
    },
    system::System,
    transport::InProcessFeed,
};
use local::{Local, Setting};

pub use node::{NodeConfig, NodeStores, RunningNode, start_node};

/// What a node is told about itself.
#[derive(Clone)]
pub struct Config {
    /// Its name, which the heads of its shards carry.
    pub node: String,
    /// Shards per domain; the store was made for it.
    pub topology: Topology,
    /// Threads for shards and their aggregates.
    pub shard_threads: usize,
    /// Passwords that are hashed at the same time.
    pub password_threads: usize,
    /// The Ed25519 key that signs tokens, PKCS#8 in PEM.
    pub signing_key_pem: String,
    /// Whether administrators may inject faults.
    pub faults_allowed: bool,
    /// Called when the process cannot go on, with the reason.
    pub on_fatal: Arc<dyn Fn(String) + Send + Sync>,
}

/// Where a node keeps what it knows.
#[derive(Clone)]
pub struct Stores {
    /// The journals.
    pub journal: Arc<dyn Journal>,
    /// The read models.
    pub views: Arc<dyn Views>,
    /// The activity log.
    pub activity: Arc<dyn ActivityLog>,
    /// Puts a storage fault in force, or ends all.
    #[cfg(feature = "fault-injection")]
    pub faults: Arc<dyn Fn(Option<crate::system::Fault>) -> BoxFuture<'static, ()> + Send + Sync>,
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The key cannot be used.
    #[error(transparent)]
    SigningKey(#[from] SigningKeyError),
    /// The texts of notifications cannot be parsed.
    #[error("the notification templates are wrong: {0}")]
    Templates(#[from] minijinja::Error),
    /// The descriptors of the gRPC services cannot be read.
    #[error("the descriptors of the grpc services are wrong: {0}")]
    Descriptors(#[from] tonic_reflection::server::Error),
    /// gRPC cannot be served.
    #[error("grpc cannot be served: {0}")]
    Grpc(#[from] std::io::Error),
    /// The system has no randomness.
    #[error("passwords cannot be hashed: {0}")]
    Passwords(#[from] argon2::password_hash::Error),
}

/// What to do about an activity log that is ahead of a journal, where both are files.
const IF_LOG_IS_AHEAD: &str =
    "put back a backup of both files, or move the activity log away and it is written anew";
/// The part of the time for stopping that is kept for what comes after the last turn: the last commit and the log.
const FINISH_PART: u32 = 4;
/// The domains that keep journals.
const JOURNALING: [Domain; 4] = [
    Domain::Auth,
    Domain::Orders,
    Domain::Products,
    Domain::Notifications,
];

/// The actors of a shop of one process, to be stopped in good order.
pub struct Running {
    local: Local,
    log: Addr<LogActor>,
    is_stopping: Arc<AtomicBool>,
    stop_writer: watch::Sender<bool>,
    writer_done: oneshot::Receiver<()>,
    /// Threads beside those of the shards.
    arbiters: Vec<Arbiter>,
}

/// Starts a shop in this process, on threads of its own. Its shards are claimed in the background; see
/// [`System::readiness`]. Must be called within an actix system.
///
/// # Errors
/// [`StartError`].
pub fn start(config: Config, stores: Stores) -> Result<(Shop, Running), StartError> {
    let env = env(&config, &stores);
    let parts = Parts::new(&config)?;
    let writer = WriterHandle::new(env.faults.clone());
    let mut local = Local::start(&Setting {
        env: &env,
        domains: &JOURNALING.into(),
        writers: &JOURNALING
            .into_iter()
            .map(|domain| (domain, writer.clone()))
            .collect(),
        threads: config.shard_threads,
        views: &stores.views,
        templates: &parts.templates,
    });

    let log_thread = threads::thread();
    let log = {
        let (env, activity) = (env.clone(), stores.activity.clone());
        let sources = env.topology.journals().collect();
        LogActor::start_in_arbiter(&log_thread.handle(), move |_| {
            LogActor::new(env, activity, sources, IF_LOG_IS_AHEAD)
        })
    };
    log_thread.spawn(housekeeping::run(env.clone()));

    let mut targets: BTreeMap<_, _> = JOURNALING
        .into_iter()
        .flat_map(|domain| local.inboxes(domain))
        .collect();
    targets.insert(shard_ref(Domain::Logs, 0), log.clone().recipient().into());
    let lines = JOURNALING
        .into_iter()
        .flat_map(|domain| local.lines(domain))
        .collect();
    let feed = Arc::new(InProcessFeed::new(
        targets,
        env.topology,
        env.faults.clone(),
    ));
    let writer_thread = threads::thread();
    let (stop_writer, stop) = watch::channel(false);
    let (done, writer_done) = oneshot::channel();
    let journal_writer =
        JournalWriter::of_all(env.clone(), config.node.clone(), lines, feed, writer);
    writer_thread.spawn(journal_writer.run(stop, done));
    let watch_thread = threads::thread();
    watch_thread.spawn(local.watch(env.clone()));

    let is_stopping = env.is_stopping.clone();
    let shop = shop(env, stores, parts, &local, None, &config);
    let running = Running {
        local,
        log,
        is_stopping,
        stop_writer,
        writer_done,
        arbiters: vec![log_thread, writer_thread, watch_thread],
    };
    Ok((shop, running))
}

/// What all actors of the process share.
fn env(config: &Config, stores: &Stores) -> Env {
    Env {
        journal: stores.journal.clone(),
        topology: config.topology,
        clock: Clock::default(),
        stats: Arc::new(Stats::default()),
        faults: Faults::new(config.faults_allowed),
        is_stopping: Arc::default(),
        on_fatal: config.on_fatal.clone(),
    }
}

/// What services need beside shards and stores.
struct Parts {
    templates: Arc<Templates>,
    tokens: Arc<TokenIssuer>,
    passwords: Passwords,
}

impl Parts {
    fn new(config: &Config) -> Result<Self, StartError> {
        Ok(Self {
            templates: Arc::new(Templates::new()?),
            tokens: Arc::new(TokenIssuer::new(&config.signing_key_pem)?),
            passwords: Passwords::new(config.password_threads)?,
        })
    }
}

/// The services before the shards of this process, and before those of others if there is a way to them.
fn shop(
    env: Env,
    stores: Stores,
    parts: Parts,
    local: &Local,
    cluster: Option<&Cluster>,
    config: &Config,
) -> Shop {
    let (topology, clock) = (env.topology, env.clock);
    let shelves = Arc::<Shelves>::default();
    let views = stores.views;
    let users = Shards::new(Domain::Auth, local.users.handles.clone(), cluster);
    let orders = Shards::new(Domain::Orders, local.orders.handles.clone(), cluster);
    let products = Shards::new(Domain::Products, local.products.handles.clone(), cluster);
    let notifications = Shards::new(
        Domain::Notifications,
        local.notifications.handles.clone(),
        cluster,
    );
    Shop {
        auth: Auth {
            shards: users.clone(),
            views: views.clone(),
            topology,
            clock,
            passwords: parts.passwords,
            tokens: parts.tokens,
        },
        products: Products {
            shards: products.clone(),
            views: views.clone(),
            topology,
            known: Arc::default(),
            shelves: shelves.clone(),
        },
        orders: Orders {
            shards: orders.clone(),
            views: views.clone(),
            topology,
            clock,
            shelves,
            admission: Arc::new(Admission::new(topology.orders)),
        },
        notifications: Notifications {
            views: views.clone(),
        },
        logs: Logs {
            log: stores.activity,
        },
        system: System {
            node: config.node.as_str().into(),
            views,
            started_at: clock.now(),
            cluster: cluster.cloned(),
            users,
            orders,
            products,
            notifications,
            #[cfg(feature = "fault-injection")]
            storage_faults: stores.faults,
            env,
        },
    }
}

impl Running {
    /// Makes the process say that it is stopping, while it still serves.
    pub fn announce_stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
    }

    /// Stops in good order, within `limit`: takes on no more commands, finishes what was begun, commits it, writes the
    /// log. Whatever is not done by then is done after the next start.
    pub async fn stop(self, limit: Duration) {
        self.announce_stop();
        let end = Instant::now() + limit;
        self.local.stop(end - limit / FINISH_PART).await;
        let _ = self.stop_writer.send(true);
        let _ = timeout_at(end, self.writer_done).await;
        flush(&self.log, end).await;
        let arbiters = self
            .arbiters
            .into_iter()
            .chain(self.local.threads.into_arbiters());
        let _ = timeout_at(end, threads::ended(arbiters.collect())).await;
    }
}

/// Lets the log write what it has, at most until `end`.
async fn flush(log: &Addr<LogActor>, end: Instant) {
    let (flushed, flushed_end) = oneshot::channel();
    if log.try_send(Flush(flushed)).is_ok() {
        let _ = timeout_at(end, flushed_end).await;
    }
}
