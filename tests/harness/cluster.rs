//! Many processes that are one shop: gateways and nodes on real servers, each of which a test may add, stop, kill or
//! freeze.
//!
//! A cluster has a database, topics and a document database of its own, so that clusters share servers without
//! meeting. Dropping it kills its processes, fails the test if one panicked unannounced, and removes what it left in
//! the servers.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use sqlx::Row;
use tempfile::TempDir;
use tokio::sync::SemaphorePermit;

use super::cluster_setup::{configuration_file, gateway};
use super::deployment::cluster_permit;
use super::process::Process;
use super::program::READY_LINE;
use super::shop::with_the_admins_password;
use super::topics::TopicsRemoved;
use super::{
    ADMIN_PASSWORD, Api, AuditReport, ClusterSetup, Database, NodeSetup, Outcome, SHARDS, Servers,
    Topics, audit, stampede,
};

const NODE_UP: &str = " is up: ";

/// A cluster. Its fields are dropped in their order: processes first, servers and the right to run last.
pub(crate) struct Cluster {
    nodes: BTreeMap<String, Process>,
    node_addresses: BTreeMap<String, String>,
    gateways: Vec<Process>,
    addresses: Vec<Arc<Mutex<String>>>,
    admin: Option<Api>,
    panics_expected: Cell<bool>,
    setup: ClusterSetup,
    database: Database,
    topics: Topics,
    _topics_removed: Option<TopicsRemoved>,
    home: TempDir,
    servers: Servers,
    _permit: SemaphorePermit<'static>,
}

impl Cluster {
    /// Opens a cluster on an empty database and logs the admin in.
    pub(crate) async fn open(setup: ClusterSetup) -> Self {
        let mut cluster = Self::prepare(setup).await;
        cluster.migrate().await;
        cluster.start().await;
        if !cluster.setup.generated_password {
            let admin = cluster.visitor().logged_in("admin", ADMIN_PASSWORD).await;
            cluster.admin = Some(admin);
        }
        cluster
    }

    /// A cluster of which nothing runs and whose database is empty.
    pub(crate) async fn prepare(setup: ClusterSetup) -> Self {
        let permit = cluster_permit(setup.own_servers).await;
        let servers = match setup.own_servers {
            true => Servers::private().await,
            false => Servers::shared(),
        };
        let name = format!("shop_{:016x}", rand::random::<u64>());
        let database = Database::create(&servers.postgres_url, &name).await;
        let topics = Topics::new(&servers.kafka, &format!("{name}."));
        let home = TempDir::new().unwrap();
        let mut cluster = Self {
            nodes: BTreeMap::new(),
            node_addresses: BTreeMap::new(),
            gateways: Vec::new(),
            addresses: Vec::new(),
            admin: None,
            panics_expected: Cell::new(false),
            database,
            // Servers of its own are removed with everything in them.
            _topics_removed: (!setup.own_servers).then(|| TopicsRemoved(topics.clone())),
            topics,
            setup,
            home,
            servers,
            _permit: permit,
        };
        fs::write(cluster.config(), cluster.configuration(&name)).unwrap();
        for node in cluster.setup.nodes.clone() {
            cluster.make_node(node);
        }
        for number in 0..cluster.setup.gateways {
            cluster.make_gateway(number);
        }
        cluster
    }

    fn configuration(&self, name: &str) -> String {
        let text = |value: &str| format!("{value:?}");
        let of_the_test = [
            ("shards", SHARDS.to_string()),
            ("postgres.url", text(&self.database.url())),
            ("postgres.connections", "8".to_owned()),
            ("kafka.brokers", format!("[{}]", text(&self.servers.kafka))),
            ("kafka.topic_prefix", text(self.topics.prefix())),
            ("mongodb.url", text(&self.servers.mongodb_url)),
            ("mongodb.database", text(name)),
        ];
        let of_the_setup = self.setup.settings.iter();
        let of_the_setup = of_the_setup.map(|(key, value)| (key.as_str(), value.clone()));
        configuration_file(of_the_test.into_iter().chain(of_the_setup))
    }

    fn make_node(&mut self, setup: NodeSetup) {
        let name = setup.name.clone();
        let node = setup.process(self.home(), &self.config());
        self.nodes.insert(name, node);
    }

    fn make_gateway(&mut self, number: usize) {
        let mut gateway = gateway(self.home(), &self.config(), &format!("gateway-{number}"));
        if !self.setup.generated_password {
            gateway.set_environment(with_the_admins_password());
        }
        self.gateways.push(gateway);
        self.addresses.push(Arc::default());
    }

    // People.

    /// Somebody without a token, at the first gateway.
    pub(crate) fn visitor(&self) -> Api {
        self.visitor_at(0)
    }

    /// Somebody without a token, at this gateway.
    pub(crate) fn visitor_at(&self, gateway: usize) -> Api {
        Api::visitor(Arc::clone(&self.addresses[gateway]))
    }

    /// The admin, at the first gateway.
    pub(crate) fn admin(&self) -> &Api {
        self.admin
            .as_ref()
            .expect("this shop made up its admin's password")
    }

    /// Some new customers, at the first gateway.
    pub(crate) async fn customers(&self, count: usize) -> Vec<Api> {
        let mut customers = Vec::with_capacity(count);
        for number in 0..count {
            customers.push(self.visitor().customer(&format!("buyer{number}")).await);
        }
        customers
    }

    // Places.

    /// A directory of this test.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// The configuration file that all processes share.
    pub(crate) fn config(&self) -> PathBuf {
        self.home.path().join("stampede.toml")
    }

    /// Its database.
    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// Its topics.
    pub(crate) fn topics(&self) -> &Topics {
        &self.topics
    }

    /// The servers that it stands on.
    pub(crate) fn servers(&self) -> &Servers {
        &self.servers
    }

    /// The PEM file of the key that signs its tokens, as `migrate` made it.
    pub(crate) async fn signing_key_pem(&self) -> String {
        let sql = "SELECT value FROM cluster.meta WHERE key = 'signing_key_pem'";
        self.database.rows(sql).await[0].get(0)
    }

    // Processes.

    /// A node that was made at the start or added since.
    pub(crate) fn node(&mut self, name: &str) -> &mut Process {
        let node = self.nodes.get_mut(name);
        node.unwrap_or_else(|| panic!("there is no node {name}"))
    }

    /// Where a node that runs serves gRPC, HOST:PORT.
    pub(crate) fn address_of(&self, node: &str) -> &str {
        &self.node_addresses[node]
    }

    /// A gateway, counted from zero.
    pub(crate) fn gateway(&mut self, number: usize) -> &mut Process {
        &mut self.gateways[number]
    }

    /// One more node; returns when it is up, which is before it owns shards.
    pub(crate) async fn add_node(&mut self, setup: NodeSetup) {
        let name = setup.name.clone();
        self.make_node(setup);
        self.start_node(&name).await;
    }

    /// Starts a node that does not run; returns when it is up, which is before it owns shards.
    pub(crate) async fn start_node(&mut self, name: &str) {
        self.node(name).spawn();
        self.node_is_up(name).await;
    }

    /// Starts those nodes again that have ended by themselves. Returns how they had ended.
    #[cfg(feature = "fault-injection")]
    pub(crate) async fn revive_nodes(&mut self) -> Vec<std::process::ExitStatus> {
        let mut ended = Vec::new();
        for name in self.nodes.keys().cloned().collect::<Vec<_>>() {
            if self.node(&name).is_running()
                && let Some(status) = self.node(&name).exit_status()
            {
                ended.push(status);
                self.start_node(&name).await;
            }
        }
        ended
    }

    async fn node_is_up(&mut self, name: &str) {
        let address = self.node(name).says(NODE_UP).await;
        self.node_addresses.insert(name.to_owned(), address);
    }

    /// Starts a gateway that does not run; returns when it serves.
    pub(crate) async fn start_gateway(&mut self, number: usize) {
        self.gateways[number].spawn();
        self.gateway_is_ready(number).await;
    }

    async fn gateway_is_ready(&mut self, number: usize) {
        let address = self.gateways[number].says(READY_LINE).await;
        *self.addresses[number].lock().unwrap() = address;
    }

    // All of them at once.

    /// Starts every process; returns when each is ready.
    pub(crate) async fn start(&mut self) {
        self.each(Process::spawn);
        for name in self.nodes.keys().cloned().collect::<Vec<_>>() {
            self.node_is_up(&name).await;
        }
        for number in 0..self.gateways.len() {
            self.gateway_is_ready(number).await;
        }
    }

    /// Kills every process that runs without a warning.
    pub(crate) fn kill_nine(&mut self) {
        self.each_running(|process| process.signal("KILL"));
        self.each_running(Process::kill_nine);
    }

    /// Asks every process to stop, all at once, and fails unless each drains in time and exits 0.
    pub(crate) async fn terminate(&mut self) {
        self.each_running(|process| process.signal("TERM"));
        for process in self.gateways.iter_mut().chain(self.nodes.values_mut()) {
            if process.is_running() {
                process.drained().await;
            }
        }
    }

    fn each(&mut self, act: impl FnMut(&mut Process)) {
        self.nodes
            .values_mut()
            .chain(self.gateways.iter_mut())
            .for_each(act);
    }

    fn each_running(&mut self, mut act: impl FnMut(&mut Process)) {
        self.each(|process| {
            if process.is_running() {
                act(process);
            }
        });
    }

    fn processes(&self) -> impl Iterator<Item = &Process> {
        self.gateways.iter().chain(self.nodes.values())
    }

    /// What all processes logged since their first starts, one after the other.
    pub(crate) fn stderr(&self) -> String {
        self.processes().map(Process::stderr).collect()
    }

    /// What all processes printed since their latest starts.
    pub(crate) fn stdout(&self) -> String {
        self.processes().map(Process::stdout).collect()
    }

    /// From now on a panic in a log does not fail the test.
    pub(crate) fn expect_panics(&self) {
        self.panics_expected.set(true);
    }

    // Commands.

    /// Runs `stampede COMMAND --config … ARGUMENTS` to its end.
    pub(crate) async fn run(&self, command: &str, arguments: &[&str]) -> Outcome {
        let config = self.config();
        let beginning = [command.as_ref(), "--config".as_ref(), config.as_os_str()];
        stampede(
            beginning
                .into_iter()
                .chain(arguments.iter().map(OsStr::new)),
        )
        .await
    }

    /// Makes what the cluster needs in its servers.
    pub(crate) async fn migrate(&self) {
        let migrated = self.run("migrate", &[]).await;
        assert_eq!(migrated.exit_code, 0, "{migrated:?}");
    }

    /// Audits the stores and fails unless every invariant holds. The processes may run or not.
    pub(crate) async fn audit(&self) -> AuditReport {
        let report = audit(&self.store()).await;
        report.expect_clean();
        report
    }

    /// The flags by which a command finds the stores.
    pub(crate) fn store(&self) -> [OsString; 2] {
        ["--config".into(), self.config().into()]
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.each_running(Process::kill_nine);
        if std::thread::panicking() {
            for process in self.processes() {
                eprintln!("the end of a log:\n{}\n", process.log_end());
            }
            return;
        }
        for process in self.processes() {
            let panic = process.panic();
            assert!(
                panic.is_none() || self.panics_expected.get(),
                "the program panicked:\n{}",
                panic.unwrap_or_default()
            );
        }
    }
}
