//! `stampede node` and `stampede gateway`: one process of many.

use std::{
    net::{SocketAddr, TcpListener},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use actors::{
    NodeConfig, NodeStores, RunningNode, Shop, Stores,
    cluster::OwnershipPolicy,
    start_node,
    transport::kafka::{KafkaConfig, TopicsError, topics},
};
use anyhow::{Context, Result};
use domain::Domain;
use storage::{ActivityLog, StorageError, postgres::PostgresStore};
use tokio::time::Instant;

use super::{
    kafka_config, restored,
    stores::{open_activity, open_postgres},
    wait::{Tried, until_up},
};
use crate::{
    config::{self, ClusterConfig, GatewayArgs, NodeArgs, Role},
    output::say,
    serving::{self, Http, STOP_LIMIT, StopSignals},
};

/// How long Kafka is waited for at most: orders are served without it.
const KAFKA_WAIT_MAX: Duration = Duration::from_secs(15);
/// How much later than it should a process may end because of what cannot be broken off.
const STOP_SLACK: Duration = Duration::from_secs(2);

/// Serves HTTP, and reaches the nodes by gRPC. Hosts no shards unless told to by `--domains`.
#[derive(clap::Args)]
pub(crate) struct Gateway {
    #[command(flatten)]
    args: GatewayArgs,
}

/// Hosts shards of some domains and serves gRPC.
#[derive(clap::Args)]
pub(crate) struct Node {
    #[command(flatten)]
    args: NodeArgs,
}

/// Runs a gateway until it is told to stop.
pub(crate) async fn gateway(gateway: Gateway) -> Result<ExitCode> {
    let config = config::load(Role::Gateway, &gateway.args)?;
    let http = TcpListener::bind(config.gateway.http)
        .with_context(|| format!("cannot listen on {} (gateway.http)", config.gateway.http))?;
    run(config, Some(http)).await
}

/// Runs a node until it is told to stop.
pub(crate) async fn node(node: Node) -> Result<ExitCode> {
    run(config::load(Role::Node, &node.args)?, None).await
}

async fn run(config: ClusterConfig, http: Option<TcpListener>) -> Result<ExitCode> {
    // Signals are minded before anything is begun, so that none is missed.
    let mut signals = StopSignals::new()?;
    let opened = tokio::select! {
        opened = open(&config) => opened?,
        _ = signals.told() => return Ok(ExitCode::SUCCESS),
    };
    let grpc = grpc_listener(&config)?;
    let grpc_address = grpc.as_ref().map(TcpListener::local_addr).transpose()?;
    let http = match http {
        Some(http) => Served::Shop(http),
        None => Served::Metrics(metrics_listener(&config)?),
    };
    let (shop, running) = start(&config, &opened, grpc)?;
    // From here on whatever ends the process ends it in good order: actors that merely end raise an alarm.
    let ended = serve(&config, &shop, &running, http, grpc_address, &mut signals).await;
    if ended.is_ok() {
        say("stopping: what was accepted is being finished or handed over");
    }
    let end = signals.told_at.unwrap_or_else(Instant::now) + STOP_LIMIT;
    let limit = end.saturating_duration_since(Instant::now() + STOP_SLACK);
    running.stop(limit).await;
    ended?;
    say("stopped");
    Ok(ExitCode::SUCCESS)
}

/// The stores of a process.
struct Opened {
    postgres: Arc<PostgresStore>,
    activity: Arc<dyn ActivityLog>,
}

/// Opens everything that the process needs and looks whether it fits together.
async fn open(config: &ClusterConfig) -> Result<Opened> {
    let postgres = open_postgres(config).await?;
    let incarnations = Arc::new(postgres.incarnations());
    let activity: Arc<dyn ActivityLog> = match &config.mongodb {
        Some(mongodb) => Arc::new(open_activity(mongodb, incarnations.clone()).await?),
        None => Arc::new(storage::NoActivityLog),
    };
    if let Some(kafka) = config.kafka.as_ref().filter(|_| hosts(config)) {
        let kafka = kafka_config(kafka, &config.node.name);
        check_topics(config, &kafka, &postgres).await?;
        // A connection that is reset meanwhile is no reason to end.
        let compared = until_up("PostgreSQL (postgres.url)", config.startup.wait, || async {
            let compared =
                restored::check(config, &kafka, &postgres, &incarnations, &*activity).await;
            match compared {
                Err(error) if is_transient(&error) => Tried::NotYet(error),
                other => Tried::Done(other),
            }
        });
        compared.await??;
    }
    Ok(Opened { postgres, activity })
}

/// Whether it is only that a store does not answer at the moment.
fn is_transient(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref();
    matches!(error, Some(StorageError::Unavailable(_)))
}

fn hosts(config: &ClusterConfig) -> bool {
    !config.node.domains.is_empty()
}

/// The number of shards must be that of the topics' partitions. A Kafka that is not there is waited for, but is no
/// reason not to start: without it shards read each other's journals.
async fn check_topics(
    config: &ClusterConfig,
    kafka: &KafkaConfig,
    postgres: &PostgresStore,
) -> Result<()> {
    let topology = *postgres.topology();
    let checked = until_up(
        "Kafka (kafka.brokers)",
        config.startup.wait.min(KAFKA_WAIT_MAX),
        || async {
            match topics::check(kafka, &topology).await {
                Err(error @ TopicsError::Unavailable(_)) => Tried::NotYet(error),
                checked => Tried::Done(checked),
            }
        },
    );
    match checked.await {
        Ok(checked) => Ok(checked?),
        Err(error) => {
            tracing::warn!(%error, "starting without Kafka; records take a second longer from shard to shard until it is there");
            Ok(())
        }
    }
}

fn grpc_listener(config: &ClusterConfig) -> Result<Option<TcpListener>> {
    if !hosts(config) {
        return Ok(None);
    }
    let listener = TcpListener::bind(config.node.listen)
        .with_context(|| format!("cannot listen on {} (node.listen)", config.node.listen))?;
    Ok(Some(listener))
}

/// What a process serves over HTTP.
enum Served {
    /// Everything: it is a gateway.
    Shop(TcpListener),
    /// Its metrics at most: it is a node.
    Metrics(Option<TcpListener>),
}

fn metrics_listener(config: &ClusterConfig) -> Result<Option<TcpListener>> {
    let listen = |address| {
        TcpListener::bind(address)
            .with_context(|| format!("cannot listen on {address} (metrics.listen)"))
    };
    config.metrics.listen.map(listen).transpose()
}

fn start(
    config: &ClusterConfig,
    opened: &Opened,
    grpc: Option<TcpListener>,
) -> Result<(Shop, RunningNode)> {
    let postgres = &opened.postgres;
    let bound = match &grpc {
        Some(listener) => listener.local_addr()?,
        None => config.gateway.http,
    };
    let signing_key_pem = match &config.auth.signing_key_pem {
        Some(pem) => pem.expose().to_owned(),
        None => postgres.signing_key_pem().to_owned(),
    };
    let node = NodeConfig {
        base: actors::Config {
            node: config.node.name.clone(),
            topology: *postgres.topology(),
            shard_threads: config.node.shard_threads,
            password_threads: config.node.password_threads,
            signing_key_pem,
            faults_allowed: config.faults_allowed,
            on_fatal: serving::on_fatal(),
        },
        address: config.node.address(bound),
        domains: config.node.domains.clone(),
        ownership: OwnershipPolicy {
            claim_after: config.node.claim_after,
            handover_wait: config.node.handover_wait,
        },
        kafka: config
            .kafka
            .as_ref()
            .map(|kafka| kafka_config(kafka, &config.node.name)),
        grpc,
    };
    let stores = NodeStores {
        base: Stores {
            journal: postgres.clone(),
            views: postgres.clone(),
            activity: opened.activity.clone(),
            #[cfg(feature = "fault-injection")]
            faults: storage_faults(postgres.clone()),
        },
        directory: postgres.clone(),
        incarnations: Arc::new(postgres.incarnations()),
    };
    Ok(start_node(node, stores)?)
}

/// Serves until it is told to stop.
async fn serve(
    config: &ClusterConfig,
    shop: &Shop,
    running: &RunningNode,
    http: Served,
    grpc: Option<SocketAddr>,
    signals: &mut StopSignals,
) -> Result<()> {
    let listener = match http {
        Served::Shop(listener) => listener,
        Served::Metrics(listener) => {
            return serve_shards(config, shop, (grpc, listener), signals).await;
        }
    };
    let address = listener.local_addr()?;
    let server = gateway::serve(
        listener,
        shop.clone(),
        serving::http_config(config.gateway.workers, config.metrics.public),
    )?;
    let http = Http::begin(server);
    let ended = open_gateway(config, shop, address, grpc, signals).await;
    running.announce_stop();
    http.stop().await;
    ended
}

async fn serve_shards(
    config: &ClusterConfig,
    shop: &Shop,
    (grpc, metrics): (Option<SocketAddr>, Option<TcpListener>),
    signals: &mut StopSignals,
) -> Result<()> {
    let domains: Vec<&str> = config
        .node
        .domains
        .iter()
        .map(|it| Domain::name(*it))
        .collect();
    if let Some(address) = grpc {
        say(format_args!(
            "Stampede node {} is up: {address}",
            config.node.name
        ));
    }
    say(format_args!("  domains            {}", domains.join(", ")));
    let metrics = metrics.map(|listener| {
        let address = listener.local_addr()?;
        let config = serving::http_config(1, config.metrics.public);
        let server = gateway::serve_metrics(listener, shop.clone(), config)?;
        say(format_args!(
            "  metrics            http://{address}/metrics"
        ));
        anyhow::Ok(Http::begin(server))
    });
    let metrics = metrics.transpose()?;
    signals.told().await;
    if let Some(metrics) = metrics {
        metrics.stop().await;
    }
    Ok(())
}

/// Waits until every shard is served by some node, and makes the first administrator.
async fn open_gateway(
    config: &ClusterConfig,
    shop: &Shop,
    address: SocketAddr,
    grpc: Option<SocketAddr>,
    signals: &mut StopSignals,
) -> Result<()> {
    say(format_args!("waiting until every shard is served"));
    tokio::select! {
        () = serving::until_served(shop) => {}
        _ = signals.told() => return Ok(()),
    }
    if serving::ensure_admin(shop, signals).await?.is_none() {
        return Ok(());
    }
    serving::say_ready(address);
    say(format_args!("  gateway            {}", config.node.name));
    if let Some(grpc) = grpc {
        say(format_args!("  gRPC               {grpc}"));
    }
    signals.told().await;
    Ok(())
}

#[cfg(feature = "fault-injection")]
fn storage_faults(
    store: Arc<PostgresStore>,
) -> Arc<
    dyn Fn(Option<actors::system::Fault>) -> futures::future::BoxFuture<'static, ()> + Send + Sync,
> {
    use actors::system::Fault;
    use storage::postgres;
    Arc::new(move |fault| {
        match fault {
            Some(Fault::CommitFailure { times }) => {
                store.inject(postgres::Fault::FailCommits(times));
            }
            Some(Fault::DiskFull) => store.inject(postgres::Fault::DiskFull(true)),
            Some(_) => {}
            None => {
                store.inject(postgres::Fault::FailCommits(0));
                store.inject(postgres::Fault::DiskFull(false));
            }
        }
        Box::pin(std::future::ready(()))
    })
}
