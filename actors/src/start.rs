//! Starts the actors of a node and wires them together.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use actix::{Actor, Addr, Recipient};
use actix_rt::{Arbiter, ArbiterHandle};
use domain::{Domain, ShardRef, Topology};
#[cfg(feature = "fault-injection")]
use futures::future::BoxFuture;
use storage::{ActivityLog, Journal, Views};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    Shop,
    auth::{Auth, Passwords, SigningKeyError, TokenIssuer, UserHost},
    logs::{Flush, LogActor, Logs},
    notifications::{NotificationHost, Notifications, Templates},
    orders::{OrderHost, Orders},
    products::{ProductHost, Products},
    runtime::{
        Clock, Env, Faults, Host, Stats,
        messages::{Deliver, Inspect, StopTaking, WriterHandle},
        shard::ShardActor,
        shards::{Shards, shard_ref},
        writer::{JournalWriter, SignalShard},
    },
    system::System,
    transport::InProcessFeed,
};

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
    /// The system has no randomness.
    #[error("passwords cannot be hashed: {0}")]
    Passwords(#[from] argon2::password_hash::Error),
}

/// A node's actors, to be stopped in good order.
pub struct Running {
    users: Shards<UserHost>,
    orders: Shards<OrderHost>,
    products: Shards<ProductHost>,
    notifications: Shards<NotificationHost>,
    log: Addr<LogActor>,
    is_stopping: Arc<AtomicBool>,
    stop_writer: watch::Sender<bool>,
    writer_done: oneshot::Receiver<()>,
    arbiters: Vec<Arbiter>,
}

/// How often a stopping node looks whether its shards are done.
const DRAIN_POLL: Duration = Duration::from_millis(20);

/// How often what is out of date is forgotten.
const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(60);
/// Keys that are forgotten at a time; more would hold up the writer.
const KEYS_PURGED_MAX: usize = 10_000;

/// The shards of one domain while they are being started.
struct Started<H: Host> {
    shards: Shards<H>,
    signals: Vec<(ShardRef, SignalShard)>,
    inboxes: Vec<(ShardRef, Recipient<Deliver>)>,
}

/// Starts a node's actors on threads of their own. They claim their shards in the background; see
/// [`System::readiness`]. Must be called within an actix system.
///
/// # Errors
/// [`StartError`].
pub fn start(config: Config, stores: Stores) -> Result<(Shop, Running), StartError> {
    let topology = config.topology;
    let clock = Clock::default();
    let env = Env {
        journal: stores.journal,
        topology,
        clock,
        stats: Arc::new(Stats::default()),
        faults: Faults::default(),
        is_stopping: Arc::default(),
        on_fatal: config.on_fatal,
    };
    let views = stores.views;
    let templates = Arc::new(Templates::new()?);
    let tokens = Arc::new(TokenIssuer::new(&config.signing_key_pem)?);
    let passwords = Passwords::new(config.password_threads)?;

    let arbiters: Vec<Arbiter> = (0..config.shard_threads.max(1))
        .map(|_| Arbiter::new())
        .collect();
    let threads: Vec<ArbiterHandle> = arbiters.iter().map(Arbiter::handle).collect();
    let (writer, incoming) = WriterHandle::new();
    let spawn = Spawn {
        env: &env,
        writer: &writer,
        threads: &threads,
    };
    let users = spawn.domain(Domain::Auth, || UserHost);
    let orders = spawn.domain(Domain::Orders, || OrderHost {
        views: views.clone(),
    });
    let products = spawn.domain(Domain::Products, || ProductHost);
    let notifications = spawn.domain(Domain::Notifications, || NotificationHost {
        templates: templates.clone(),
    });

    let log_thread = Arbiter::new();
    let log = {
        let (env, activity) = (env.clone(), stores.activity.clone());
        LogActor::start_in_arbiter(&log_thread.handle(), |_| LogActor::new(env, activity))
    };
    let mut signals = BTreeMap::new();
    let mut targets = BTreeMap::new();
    targets.insert(shard_ref(Domain::Logs, 0), log.clone().recipient());
    users.register(&mut signals, &mut targets);
    orders.register(&mut signals, &mut targets);
    products.register(&mut signals, &mut targets);
    notifications.register(&mut signals, &mut targets);

    let writer_thread = Arbiter::new();
    let (stop_writer, stop) = watch::channel(false);
    let (done, writer_done) = oneshot::channel();
    let feed = Arc::new(InProcessFeed::new(targets, env.faults.clone()));
    let journal_writer =
        JournalWriter::new(env.clone(), config.node.clone(), signals, feed, incoming);
    writer_thread.spawn(journal_writer.run(stop, done));

    let housekeeping = housekeeping(env.clone());
    log_thread.spawn(housekeeping);

    let is_stopping = env.is_stopping.clone();
    let shop = Shop {
        auth: Auth {
            shards: users.shards.clone(),
            views: views.clone(),
            topology,
            clock,
            passwords,
            tokens,
        },
        products: Products {
            shards: products.shards.clone(),
            views: views.clone(),
            topology,
            known: Arc::default(),
        },
        orders: Orders {
            shards: orders.shards.clone(),
            views: views.clone(),
            topology,
            clock,
        },
        notifications: Notifications {
            views: views.clone(),
        },
        logs: Logs {
            log: stores.activity,
        },
        system: System {
            node: config.node.into(),
            views,
            started_at: clock.now(),
            users: users.shards.clone(),
            orders: orders.shards.clone(),
            products: products.shards.clone(),
            notifications: notifications.shards.clone(),
            #[cfg(feature = "fault-injection")]
            storage_faults: stores.faults,
            env,
        },
    };
    let running = Running {
        users: users.shards,
        orders: orders.shards,
        products: products.shards,
        notifications: notifications.shards,
        log,
        is_stopping,
        stop_writer,
        writer_done,
        arbiters: arbiters
            .into_iter()
            .chain([log_thread, writer_thread])
            .collect(),
    };
    Ok((shop, running))
}

/// Forgets idempotency keys whose time is over.
async fn housekeeping(env: Env) {
    loop {
        tokio::time::sleep(HOUSEKEEPING_EVERY).await;
        let now = env.clock.now();
        if let Err(error) = env.journal.purge_keys(now, KEYS_PURGED_MAX).await {
            tracing::warn!(%error, "expired keys cannot be forgotten yet");
        }
    }
}

/// What every shard is started with.
struct Spawn<'a> {
    env: &'a Env,
    writer: &'a WriterHandle,
    threads: &'a [ArbiterHandle],
}

impl Spawn<'_> {
    /// Starts the shards of a domain, spread over the threads.
    fn domain<H: Host + Send>(&self, domain: Domain, host: impl Fn() -> H) -> Started<H> {
        let mut addresses = Vec::new();
        let mut signals: Vec<(ShardRef, SignalShard)> = Vec::new();
        let mut inboxes = Vec::new();
        for index in 0..usize::from(self.env.topology.shards(domain)) {
            let shard = shard_ref(domain, index);
            let (signal, signal_end) = mpsc::unbounded_channel();
            let (host, env, writer) = (host(), self.env.clone(), self.writer.clone());
            let thread = &self.threads[index % self.threads.len()];
            let address = ShardActor::start_in_arbiter(thread, move |_| {
                ShardActor::new(host, env, shard, writer, signal_end)
            });
            signals.push((
                shard,
                Arc::new(move |message| {
                    let _ = signal.send(message);
                }),
            ));
            inboxes.push((shard, address.clone().recipient()));
            addresses.push(address);
        }
        Started {
            shards: Shards::new(addresses),
            signals,
            inboxes,
        }
    }
}

impl<H: Host> Started<H> {
    fn register(
        &self,
        signals: &mut BTreeMap<ShardRef, SignalShard>,
        targets: &mut BTreeMap<ShardRef, Recipient<Deliver>>,
    ) {
        signals.extend(self.signals.iter().cloned());
        targets.extend(self.inboxes.iter().cloned());
    }
}

impl Running {
    /// Makes the node say that it is stopping, while it still serves.
    pub fn announce_stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
    }

    /// Stops in good order, within `limit`: takes on no more commands, finishes what was begun, commits it, writes the
    /// log. Whatever is not done by then is done after the next start.
    pub async fn stop(self, limit: Duration) {
        self.announce_stop();
        let begun = Instant::now();
        stop_taking(&self.users);
        stop_taking(&self.orders);
        stop_taking(&self.products);
        stop_taking(&self.notifications);
        while begun.elapsed() < limit && self.turns_pending().await > 0 {
            tokio::time::sleep(DRAIN_POLL).await;
        }
        let _ = self.stop_writer.send(true);
        let left = || limit.saturating_sub(begun.elapsed());
        let _ = tokio::time::timeout(left(), self.writer_done).await;
        let (flushed, flushed_end) = oneshot::channel();
        if self.log.try_send(Flush(flushed)).is_ok() {
            let _ = tokio::time::timeout(left(), flushed_end).await;
        }
        for arbiter in self.arbiters {
            arbiter.stop();
            let _ = arbiter.join();
        }
    }

    async fn turns_pending(&self) -> usize {
        pending(&self.users).await
            + pending(&self.orders).await
            + pending(&self.products).await
            + pending(&self.notifications).await
    }
}

fn stop_taking<H: Host>(shards: &Shards<H>) {
    for shard in shards.all() {
        // A shard whose mailbox is full refuses new commands anyway.
        drop(shard.try_send(StopTaking));
    }
}

async fn pending<H: Host>(shards: &Shards<H>) -> usize {
    let mut pending = 0;
    for shard in shards.all() {
        pending += shard
            .send(Inspect)
            .await
            .map_or(0, |inspection| inspection.turns_pending);
    }
    pending
}
