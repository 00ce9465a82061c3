//! One process of many: it hosts shards of some domains, or none, and reaches the others by gRPC.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::TcpListener,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use actix::{Actor, Addr};
use actix_rt::Arbiter;
use domain::{Domain, ShardRef};
use futures::future::join_all;
use storage::{Directory, Incarnations};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, timeout_at},
};

use super::{
    Config, FINISH_PART, JOURNALING, Parts, StartError, Stores, env, flush,
    local::{Local, Setting},
    shop, threads,
};
use crate::{
    Shop,
    cluster::{
        Cluster, ClusterSecret, DirectoryCache, HandOverRequest, Hosted, Identity, Ownership,
        OwnershipPolicy, Peers, ShardServer, Surroundings, presence,
    },
    grpc, housekeeping,
    logs::{LogActor, SetSources},
    runtime::{
        Env, Stats,
        shards::shard_ref,
        writer::{self, JournalWriter, WriterHandle},
    },
    transport::{
        Feed, Inbox,
        kafka::{
            ConsumerSetup, KafkaConfig, KafkaConsumer, KafkaFeed, PublisherSetup, PublisherStats,
        },
    },
};

/// What to do about an activity log that is ahead of a journal, where both are servers.
const IF_LOG_IS_AHEAD: &str =
    "the database was restored to an earlier state: stop all nodes and run `stampede recover`";
/// Claims and releases that may wait for a writer.
const ORDERS_MAX: usize = 64;
/// Wishes for shards of this node that may wait.
const REQUESTS_MAX: usize = 1_024;
/// How often the figures of the feed are noted.
const NOTE_EVERY: Duration = Duration::from_secs(1);
/// How long calls that have begun may go on after everything else has come to rest.
const GRPC_STOP_LIMIT: Duration = Duration::from_secs(3);
/// How long a group has to let this node go.
const GROUP_WAIT: Duration = Duration::from_secs(3);
/// The most that the shards of a leaving node are offered to others.
const LEAVE_PART: u32 = 2;

/// What one process of many is told about itself.
pub struct NodeConfig {
    /// What every process is told.
    pub base: Config,
    /// Where others reach it by gRPC, `host:port`.
    pub address: String,
    /// The domains that it hosts; none for a gateway.
    pub domains: BTreeSet<Domain>,
    /// When it claims what others serve.
    pub ownership: OwnershipPolicy,
    /// The feed; there if any domain is hosted.
    pub kafka: Option<KafkaConfig>,
    /// Where it serves gRPC; `None` if it does not.
    pub grpc: Option<TcpListener>,
}

/// Where a process of many keeps what it knows.
pub struct NodeStores {
    /// What every process has.
    pub base: Stores,
    /// Which nodes there are.
    pub directory: Arc<dyn Directory>,
    /// Which life of its database each record belongs to.
    pub incarnations: Arc<Incarnations>,
}

/// The actors of one process of many, to be stopped in good order.
pub struct RunningNode {
    env: Env,
    local: Local,
    log: Option<Addr<LogActor>>,
    consumers: Vec<(Domain, Arc<KafkaConsumer>)>,
    feeds: Vec<Arc<KafkaFeed>>,
    leave: Option<oneshot::Sender<oneshot::Sender<()>>>,
    stop: watch::Sender<bool>,
    writers_done: Vec<oneshot::Receiver<()>>,
    stop_rest: watch::Sender<bool>,
    rest_done: Vec<oneshot::Receiver<()>>,
    grpc: Option<grpc::Serving>,
    /// Threads beside those of the shards.
    arbiters: Vec<Arbiter>,
}

/// Starts one process of many, on threads of its own. It claims what it should serve in the background; see
/// [`crate::system::System::readiness`]. Must be called within an actix system.
///
/// # Errors
/// [`StartError`].
pub fn start_node(
    config: NodeConfig,
    stores: NodeStores,
) -> Result<(Shop, RunningNode), StartError> {
    let env = env(&config.base, &stores.base);
    let parts = Parts::new(&config.base)?;
    let secret = ClusterSecret::of(&config.base.signing_key_pem);
    let directory = DirectoryCache::start(stores.directory.clone());
    let cluster = Cluster {
        node: config.base.node.as_str().into(),
        directory: directory.clone(),
        peers: Peers::new(&secret),
        stats: env.stats.clone(),
    };

    let mut writers = BTreeMap::new();
    for domain in JOURNALING
        .into_iter()
        .filter(|it| config.domains.contains(it))
    {
        let writer = WriterHandle::new(env.faults.clone());
        writers.insert(domain, writer);
    }
    let local = Local::start(&Setting {
        env: &env,
        domains: &config.domains,
        writers: &writers,
        threads: config.base.shard_threads,
        views: &stores.base.views,
        templates: &parts.templates,
    });

    let (stop, stop_end) = watch::channel(false);
    let (stop_rest, stop_rest_end) = watch::channel(false);
    let (lost, lost_end) = mpsc::unbounded_channel();
    let mut node = RunningNode {
        env: env.clone(),
        local,
        log: None,
        consumers: Vec::new(),
        feeds: Vec::new(),
        leave: None,
        stop,
        writers_done: Vec::new(),
        stop_rest,
        rest_done: Vec::new(),
        grpc: None,
        arbiters: Vec::new(),
    };
    let mut hosted = BTreeMap::new();
    if let Some(kafka) = &config.kafka {
        for (domain, handle) in writers {
            let feed = node.feed(kafka, &stores);
            let (orders, orders_end) = mpsc::channel(ORDERS_MAX);
            let ownership = writer::Ownership {
                orders: orders_end,
                lost: lost.clone(),
            };
            let writer = JournalWriter::of_some(
                env.clone(),
                config.base.node.clone(),
                node.local.lines(domain),
                feed,
                handle,
                ownership,
            );
            let (done, writer_done) = oneshot::channel();
            let thread = threads::thread();
            thread.spawn(writer.run(stop_end.clone(), done));
            node.arbiters.push(thread);
            node.writers_done.push(writer_done);
            let consumer = node.consumer(domain, node.local.inboxes(domain), kafka, &stores);
            if let Some(shards) = node.local.drain(domain) {
                let of_domain = Hosted {
                    assignment: consumer.assignment(),
                    writer: orders,
                    shards,
                };
                hosted.insert(domain, of_domain);
            }
            node.consumers.push((domain, consumer));
        }
        if config.domains.contains(&Domain::Logs) {
            node.write_log(kafka, &stores);
        }
    }

    let shop = shop(
        env.clone(),
        stores.base.clone(),
        parts,
        &node.local,
        Some(&cluster),
        &config.base,
    );
    let (requests, requests_end) = mpsc::channel::<HandOverRequest>(REQUESTS_MAX);
    let thread = threads::thread();
    if !hosted.is_empty() {
        let watch_thread = threads::thread();
        watch_thread.spawn(node.local.watch(env.clone()));
        node.arbiters.push(watch_thread);
        let (leave, leave_end) = oneshot::channel();
        node.leave = Some(leave);
        let surroundings = Surroundings {
            node: config.base.node.clone(),
            topology: env.topology,
            directory,
            peers: cluster.peers.clone(),
            requests: requests_end,
            lost: lost_end,
            leave: leave_end,
        };
        let ownership = Ownership::new(surroundings, config.ownership, hosted);
        thread.spawn(async move {
            tokio::task::spawn_local(ownership.run());
        });
        thread.spawn(housekeeping::run(env.clone()));
        thread.spawn(note_feed(
            env.stats.clone(),
            node.feeds.clone(),
            node.consumers.clone(),
        ));
    }
    let identity = Identity {
        node: config.base.node.clone(),
        address: format!("http://{}", config.address),
        domains: config.domains.iter().copied().collect(),
    };
    let (withdrawn, withdrawn_end) = oneshot::channel();
    let announcing = presence::run(
        stores.directory,
        identity,
        shop.system.clone(),
        stop_rest_end.clone(),
    );
    thread.spawn(async move {
        announcing.await;
        let _ = withdrawn.send(());
    });
    node.rest_done.push(withdrawn_end);
    node.arbiters.push(thread);
    if let Some(listener) = config.grpc {
        node.grpc = Some(serve_grpc(
            listener,
            &shop,
            secret,
            requests,
            stop_rest_end,
        )?);
    }
    Ok((shop, node))
}

/// Notes the figures of the feed for as long as the node runs.
async fn note_feed(
    stats: Arc<Stats>,
    feeds: Vec<Arc<KafkaFeed>>,
    consumers: Vec<(Domain, Arc<KafkaConsumer>)>,
) {
    loop {
        let mut all = PublisherStats::default();
        for feed in &feeds {
            all.add(feed.stats());
        }
        for (name, value) in all.figures() {
            stats.note_feed(&format!("publisher.{name}"), value);
        }
        for (domain, consumer) in &consumers {
            for (name, value) in consumer.stats().figures() {
                stats.note_feed(&format!("consumer.{}.{name}", domain.name()), value);
            }
        }
        tokio::time::sleep(NOTE_EVERY).await;
    }
}

/// Serves the public services and, for other nodes, the shards of this process.
fn serve_grpc(
    listener: TcpListener,
    shop: &Shop,
    secret: ClusterSecret,
    requests: mpsc::Sender<HandOverRequest>,
    mut stop: watch::Receiver<bool>,
) -> Result<grpc::Serving, StartError> {
    let settings = grpc::Settings {
        stop_limit: GRPC_STOP_LIMIT,
        ..grpc::Settings::default()
    };
    let internal = ShardServer::new(shop, secret, requests);
    let services = grpc::services(shop.clone(), &settings)?
        .with(|routes| routes.add_service(internal.into_service()));
    let stopped = async move {
        let _ = stop.wait_for(|stop| *stop).await;
    };
    Ok(grpc::serve(listener, services, &settings, stopped)?)
}

impl RunningNode {
    /// A feed for the writer of one domain.
    fn feed(&mut self, kafka: &KafkaConfig, stores: &NodeStores) -> Arc<dyn Feed> {
        let thread = threads::thread();
        let setup = PublisherSetup {
            config: kafka.clone(),
            topology: self.env.topology,
            incarnations: stores.incarnations.clone(),
            journal: self.env.journal.clone(),
            directory: stores.directory.clone(),
            faults: self.env.faults.clone(),
        };
        let feed = Arc::new(KafkaFeed::start(setup, &thread.handle()));
        self.arbiters.push(thread);
        self.feeds.push(feed.clone());
        feed
    }

    fn consumer(
        &mut self,
        domain: Domain,
        targets: BTreeMap<ShardRef, Inbox>,
        kafka: &KafkaConfig,
        stores: &NodeStores,
    ) -> Arc<KafkaConsumer> {
        let thread = threads::thread();
        let setup = ConsumerSetup {
            config: kafka.clone(),
            domain,
            topology: self.env.topology,
            incarnations: stores.incarnations.clone(),
            targets,
        };
        let consumer = Arc::new(KafkaConsumer::start(setup, &thread.handle()));
        self.arbiters.push(thread);
        consumer
    }

    /// Starts the actor of the activity log; its sources are the partitions that its consumer is assigned.
    fn write_log(&mut self, kafka: &KafkaConfig, stores: &NodeStores) {
        let thread = threads::thread();
        let log = {
            let (env, activity) = (self.env.clone(), stores.base.activity.clone());
            LogActor::start_in_arbiter(&thread.handle(), move |_| {
                LogActor::new(env, activity, BTreeSet::new(), IF_LOG_IS_AHEAD)
            })
        };
        let target = (shard_ref(Domain::Logs, 0), log.clone().recipient().into());
        let consumer = self.consumer(Domain::Logs, [target].into(), kafka, stores);
        let mut sources = consumer.sources();
        let told = log.clone();
        thread.spawn(async move {
            loop {
                let now = sources.borrow_and_update().clone();
                if told.send(SetSources(now)).await.is_err() || sources.changed().await.is_err() {
                    return;
                }
            }
        });
        self.arbiters.push(thread);
        self.consumers.push((Domain::Logs, consumer));
        self.log = Some(log);
    }

    /// Makes the process say that it is stopping, while it still serves.
    pub fn announce_stop(&self) {
        self.env.is_stopping.store(true, Ordering::Release);
    }

    /// Leaves in good order, within `limit`: other nodes take its shards over one by one while it still serves the
    /// rest; what nobody takes is finished, committed and given up. Then the feed and the log are flushed. Whatever is
    /// not done by then is done by whoever serves the shards next.
    pub async fn stop(self, limit: Duration) {
        self.announce_stop();
        let end = Instant::now() + limit;
        // Leaves the groups, so that others want the shards and ask for them.
        let left = self.consumers.iter().map(|(_, it)| it.stop(GROUP_WAIT));
        join_all(left).await;
        if let Some(leave) = self.leave {
            let (left, left_end) = oneshot::channel();
            if leave.send(left).is_ok() {
                let _ = timeout_at(end - limit / LEAVE_PART, left_end).await;
            }
        }
        self.local.stop(end - limit / FINISH_PART).await;
        let _ = self.stop.send(true);
        for writer_done in self.writers_done {
            let _ = timeout_at(end, writer_done).await;
        }
        for feed in &self.feeds {
            let left = end.saturating_duration_since(Instant::now()) / 2;
            feed.flush(left).await;
        }
        if let Some(log) = &self.log {
            flush(log, end).await;
        }
        let _ = self.stop_rest.send(true);
        for done in self.rest_done {
            let _ = timeout_at(end, done).await;
        }
        if let Some(mut grpc) = self.grpc {
            let _ = timeout_at(end, grpc.ended()).await;
        }
        let arbiters = self
            .arbiters
            .into_iter()
            .chain(self.local.threads.into_arbiters());
        let _ = timeout_at(end, threads::ended(arbiters.collect())).await;
    }
}
