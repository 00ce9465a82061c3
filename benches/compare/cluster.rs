//! A gateway and nodes on PostgreSQL, Kafka and MongoDB, with a database, topics and an activity log of their own.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use actors::transport::kafka::{KafkaConfig, topics};
use anyhow::Context;
use domain::Topology;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::database::Database;
use crate::embedded::{CROWD, at_half_of_peak, closed_loop};
use crate::figures::{self, Round};
use crate::interrupt;
use crate::pgbench::SHARDS;
use crate::process::Process;
use crate::processor::{self, Watched};
use crate::report::{latency_ms, rate_per_second};
use crate::servers::Servers;
use crate::target::{ADMIN, PASSWORD, READY_LINE, Target};

const ALL_DOMAINS: &str = "auth,orders,products,notifications,logs";
/// What a node prints when it is up, before its address.
const NODE_IS_UP: &str = " is up: ";
/// What `migrate` says at last.
const MIGRATED: &str = "Kafka: topics are there";
/// Names of nodes.
const NODES: [&str; 2] = ["a", "b"];

/// How many nodes a cluster has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// One gateway and one node.
    OneNode,
    /// One gateway and two nodes.
    TwoNodes,
}

impl Size {
    fn nodes(self) -> &'static [&'static str] {
        match self {
            Self::OneNode => &NODES[..1],
            Self::TwoNodes => &NODES,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::OneNode => "cluster of one node",
            Self::TwoNodes => "cluster of two nodes",
        }
    }

    /// The name of a figure: orders a second over a thousand products.
    pub(crate) fn uniform(self) -> String {
        format!("{}, uniform, 512 connections, orders/s", self.name())
    }

    /// The name of a figure: orders a second of one product.
    pub(crate) fn hot(self) -> String {
        format!("{}, hot, 512 connections, orders/s", self.name())
    }

    /// The name of a figure: latency of acceptance.
    pub(crate) fn accept_p99(self) -> String {
        format!("{}, accepted at half of peak, p99 ms", self.name())
    }
}

/// Starts clusters of either size, measures them and removes what they leave in the servers.
pub(crate) fn measure(
    servers: &Servers,
    directory: &Path,
    measured: Duration,
    round: &mut Round,
) -> anyhow::Result<()> {
    for size in [Size::OneNode, Size::TwoNodes] {
        interrupt::check()?;
        let mut cluster = Cluster::start(servers, directory, size)?;
        let target = Target::running(&cluster.url, PASSWORD, CROWD)?;
        let processes = cluster.processes.iter();
        let processes = processes.map(|(name, process)| (*name, process.id()));
        let watched = Watched::new(processes.chain(servers.processes.iter().copied()));
        for (figure, case, products) in [
            (size.uniform(), "uniform", &target.products[..]),
            (size.hot(), "hot", &target.products[..1]),
        ] {
            interrupt::check()?;
            cluster.database.settle()?;
            let plan = closed_loop(&target, products, measured);
            let (tally, used) = processor::run(&plan, &watched)?;
            round.say(figure, rate_per_second(&tally));
            round.note_processor(&format!("{}, {case}", size.name()), &used);
        }
        interrupt::check()?;
        let peak = round.get(&size.uniform()).unwrap_or_default();
        let plan = at_half_of_peak(&target, peak, measured);
        let (tally, used) = processor::run(&plan, &watched)?;
        round.say(size.accept_p99(), latency_ms(&tally, 0.99));
        round.note_processor(&format!("{}, accepted at half of peak", size.name()), &used);
        if size == Size::TwoNodes {
            interrupt::check()?;
            cluster.kill_a_node();
            let served = target.is_served_again()?;
            round.say(figures::NODE_KILLED, served.as_secs_f64() * 1e3);
        }
    }
    Ok(())
}

/// A cluster. Its fields are dropped in their order: processes first.
struct Cluster {
    processes: Vec<(&'static str, Process)>,
    url: String,
    _leftovers: Leftovers,
    database: Database,
    _home: TempDir,
}

impl Cluster {
    fn start(servers: &Servers, directory: &Path, size: Size) -> anyhow::Result<Self> {
        let name = format!("compare_{:016x}", rand::random::<u64>());
        let home = tempfile::tempdir_in(directory)?;
        let database = Database::create(servers, &name)?;
        let leftovers = Leftovers::of(servers, &name)?;
        let file = home.path().join("stampede.toml");
        fs::write(&file, configuration(servers, &database)?)?;
        let config = file.display().to_string();
        Process::start(
            home.path(),
            "migrate",
            ["migrate", "--config", &config],
            &[],
        )?
        .says(MIGRATED)
        .context("the servers cannot be used")?;
        let mut processes = Vec::new();
        for node in size.nodes() {
            let mut arguments = vec!["node", "--config", &config, "--node-name", node];
            arguments.extend(["--domains", ALL_DOMAINS, "--listen", "127.0.0.1:0"]);
            let node = Process::start(home.path(), &format!("node-{node}"), arguments, &[])?;
            processes.push(("nodes", node));
        }
        let arguments = ["gateway", "--config", &config, "--node-name", "gateway"];
        let arguments = arguments.into_iter().chain(["--http", "127.0.0.1:0"]);
        let environment = [(ADMIN, PASSWORD)];
        let mut gateway = Process::start(home.path(), "gateway", arguments, &environment)?;
        for (_, node) in &mut processes {
            node.says(NODE_IS_UP)?;
        }
        let url = gateway.says(READY_LINE)?.trim_end_matches('/').to_owned();
        processes.push(("gateway", gateway));
        Ok(Self {
            processes,
            url,
            _leftovers: leftovers,
            database,
            _home: home,
        })
    }
}

impl Cluster {
    /// Kills the last node.
    fn kill_a_node(&mut self) {
        let node = self
            .processes
            .iter()
            .rposition(|(name, _)| *name == "nodes");
        drop(node.map(|node| self.processes.remove(node)));
    }
}

/// The configuration file. A text in quotes is written the same in TOML and in JSON.
fn configuration(servers: &Servers, database: &Database) -> anyhow::Result<String> {
    let text = |value: &str| serde_json::to_string(value);
    let name = database.name();
    let keys = [
        ("shards", SHARDS.to_string()),
        ("postgres.url", text(&database.url())?),
        ("kafka.brokers", format!("[{}]", text(&servers.kafka)?)),
        ("kafka.topic_prefix", text(&format!("{name}."))?),
        ("mongodb.url", text(&servers.mongodb)?),
        ("mongodb.database", text(name)?),
    ];
    let lines = keys.map(|(key, value)| format!("{key} = {value}\n"));
    Ok(lines.concat())
}

/// What a cluster leaves in Kafka and MongoDB. Dropping it removes that; no process may be running.
struct Leftovers {
    kafka: KafkaConfig,
    mongodb: String,
    name: String,
    /// Removing needs one, and may come at any time.
    runtime: Runtime,
}

impl Leftovers {
    fn of(servers: &Servers, name: &str) -> anyhow::Result<Self> {
        Ok(Self {
            kafka: KafkaConfig {
                brokers: servers.kafka.clone(),
                topic_prefix: format!("{name}."),
                replication_factor: None,
                client_id: "stampede-compare".to_owned(),
                properties: BTreeMap::new(),
                producer: BTreeMap::new(),
                consumer: BTreeMap::new(),
            },
            mongodb: servers.mongodb.clone(),
            name: name.to_owned(),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
        })
    }

    async fn remove(&self) -> anyhow::Result<()> {
        topics::remove(&self.kafka, &Topology::uniform(SHARDS)).await?;
        let client = mongodb::Client::with_uri_str(&self.mongodb).await?;
        client.database(&self.name).drop().await?;
        Ok(())
    }
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        if let Err(error) = self.runtime.block_on(self.remove()) {
            let name = &self.name;
            eprintln!("topics or documents of {name} are left behind: {error:#}");
        }
    }
}
