//! Starts the actors of a node and wires them together.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix::{Actor, Addr, MailboxError, Recipient};
use actix_rt::{Arbiter, ArbiterHandle};
use domain::{Domain, ShardRef, Topology};
#[cfg(feature = "fault-injection")]
use futures::future::BoxFuture;
use storage::{ActivityLog, Journal, Views};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, timeout_at},
};

use crate::{
    Shop,
    auth::{Auth, Passwords, SigningKeyError, TokenIssuer, UserHost},
    housekeeping,
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

/// How long a shard of a stopping node has to say how much it has left.
const INSPECTION_WAIT: Duration = Duration::from_secs(1);
/// The part of the time for stopping that is kept for what comes after the last turn: the last commit and the log.
const FINISH_PART: u32 = 4;

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

    log_thread.spawn(housekeeping::run(env.clone()));

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
        let end = Instant::now() + limit;
        let drain_end = end - limit / FINISH_PART;
        stop_taking(&self.users);
        stop_taking(&self.orders);
        stop_taking(&self.products);
        stop_taking(&self.notifications);
        while !self.is_drained(drain_end).await && Instant::now() < drain_end {
            tokio::time::sleep(DRAIN_POLL).await;
        }
        let _ = self.stop_writer.send(true);
        let _ = timeout_at(end, self.writer_done).await;
        let (flushed, flushed_end) = oneshot::channel();
        if self.log.try_send(Flush(flushed)).is_ok() {
            let _ = timeout_at(end, flushed_end).await;
        }
        let _ = timeout_at(end, ended(self.arbiters)).await;
    }

    /// Whether no shard has a turn left.
    async fn is_drained(&self, end: Instant) -> bool {
        is_drained(&self.users, end).await
            && is_drained(&self.orders, end).await
            && is_drained(&self.products, end).await
            && is_drained(&self.notifications, end).await
    }
}

fn stop_taking<H: Host>(shards: &Shards<H>) {
    for shard in shards.all() {
        // A shard whose mailbox is full refuses new commands anyway.
        drop(shard.try_send(StopTaking));
    }
}

/// Whether no shard of this domain has a turn left. One that does not say so in time may have.
async fn is_drained<H: Host>(shards: &Shards<H>, end: Instant) -> bool {
    for shard in shards.all() {
        let end = end.min(Instant::now() + INSPECTION_WAIT);
        match timeout_at(end, shard.send(Inspect)).await {
            Ok(Ok(inspection)) if inspection.turns_pending == 0 => {}
            // It has ended, with all it had.
            Ok(Err(MailboxError::Closed)) => {}
            _ => return false,
        }
    }
    true
}

/// Stops threads; resolves when all have ended. They are joined on a thread of their own, so that one that is stuck
/// holds up neither this one nor the end of the process.
async fn ended(arbiters: Vec<Arbiter>) {
    for arbiter in &arbiters {
        arbiter.stop();
    }
    let (joined, joined_end) = oneshot::channel();
    std::thread::spawn(move || {
        for arbiter in arbiters {
            let _ = arbiter.join();
        }
        let _ = joined.send(());
    });
    let _ = joined_end.await;
}
