//! The configuration with types: what the rest of the program sees.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::Path,
    time::Duration,
};

use actors::auth::TokenIssuer;
use domain::Domain;

use super::{
    Role,
    file::read_text,
    keys::{self, Asking, Key},
    machine::Machine,
    problem::Origin,
    reader::Reader,
    secret::{Properties, Secret},
};

/// Seconds of a day.
const SECS_PER_DAY: u64 = 24 * 60 * 60;

/// How a process of a cluster is to run. All of it has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClusterConfig {
    /// Shards of every domain, for the first `migrate`: 1 to 1,024.
    pub(crate) shards: u16,
    /// The same, if somebody gave it: to be compared with what a cluster has. Nobody need know a cluster's number.
    pub(crate) shards_expected: Option<u16>,
    /// This process as a host of shards.
    pub(crate) node: Node,
    /// HTTP.
    pub(crate) gateway: Gateway,
    /// PostgreSQL.
    pub(crate) postgres: Postgres,
    /// Kafka; there for `migrate` and for whoever hosts a domain.
    pub(crate) kafka: Option<Kafka>,
    /// The activity log; there for `gateway` and for whoever hosts `logs`.
    pub(crate) mongodb: Option<Mongodb>,
    /// Access tokens.
    pub(crate) auth: Auth,
    /// Metrics.
    pub(crate) metrics: Metrics,
    /// Whether administrators may inject faults.
    pub(crate) faults_allowed: bool,
    /// Starting.
    pub(crate) startup: Startup,
}

/// A process as a host of shards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// Its name in the cluster, one of a kind.
    pub(crate) name: String,
    /// The domains it hosts: at least one for `node`, any for `gateway`, none for other commands.
    pub(crate) domains: BTreeSet<Domain>,
    /// Where gRPC is served; port 0 is any free one.
    pub(crate) listen: SocketAddr,
    /// `host:port` that others reach it by, if it is not what it listens on; see [`Node::address`].
    pub(crate) address: Option<String>,
    /// Threads that shards run on; at least 1.
    pub(crate) shard_threads: usize,
    /// Passwords hashed at a time; at least 1.
    pub(crate) password_threads: usize,
    /// An owner that has not been seen for so long counts as dead.
    pub(crate) claim_after: Duration,
    /// A live owner has so long to hand over a shard.
    pub(crate) handover_wait: Duration,
}

impl Node {
    /// `host:port` that others reach it by, once it listens on `bound`.
    pub(crate) fn address(&self, bound: SocketAddr) -> String {
        self.address.clone().unwrap_or_else(|| bound.to_string())
    }
}

/// The HTTP edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gateway {
    /// Where HTTP is served; port 0 is any free one.
    pub(crate) http: SocketAddr,
    /// Threads that serve it; at least 1.
    pub(crate) workers: usize,
}

/// PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Postgres {
    /// The database of the directory, and of the domains without one of their own.
    pub(crate) url: Secret,
    /// Databases of their own.
    own: BTreeMap<Domain, Secret>,
    /// Connections at most, of a process to a database; at least 1.
    pub(crate) connections: u32,
    /// How long a connection may take to be made or to become free.
    pub(crate) connect_timeout: Duration,
    /// How long a statement may take.
    pub(crate) statement_timeout: Duration,
}

impl Postgres {
    /// The database of a domain.
    pub(crate) fn url_of(&self, domain: Domain) -> &Secret {
        self.own.get(&domain).unwrap_or(&self.url)
    }
}

/// Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kafka {
    /// Brokers to begin with, `host:port`; at least one.
    pub(crate) brokers: Vec<String>,
    /// What names of topics and consumer groups begin with; may be empty.
    pub(crate) topic_prefix: String,
    /// Copies of each topic; at least 1.
    pub(crate) replication_factor: u16,
    /// For every client, over the built-in ones.
    pub(crate) properties: Properties,
    /// For the producer, over `properties`.
    pub(crate) producer: Properties,
    /// For consumers, over `properties`.
    pub(crate) consumer: Properties,
}

/// The activity log's store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mongodb {
    /// The server.
    pub(crate) url: Secret,
    /// The database.
    pub(crate) database: String,
    /// Entries are removed after so long; `None`: never.
    pub(crate) retention: Option<Duration>,
}

/// Access tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Auth {
    /// The key that signs them, Ed25519 as PKCS#8 in PEM; `None`: the one in the database. Read for `gateway`, `node` and
    /// `migrate` only.
    pub(crate) signing_key_pem: Option<Secret>,
}

/// Metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Metrics {
    /// Where a node serves them, if it does; port 0 is any free one.
    pub(crate) listen: Option<SocketAddr>,
    /// Whether anyone may read them.
    pub(crate) public: bool,
}

/// Starting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Startup {
    /// How long to wait for a server that is not up yet.
    pub(crate) wait: Duration,
}

/// Reads all of it; what is wrong is noted in the reader.
pub(super) fn read(role: Role, machine: &Machine, reader: &mut Reader) -> ClusterConfig {
    let node = node(role, machine, reader);
    let asking = Asking {
        role,
        hosts: node.domains.clone(),
    };
    let shards = reader.or_default(&keys::SHARDS);
    let shards_given = reader.origin(&keys::SHARDS) != Origin::Default;
    ClusterConfig {
        shards,
        shards_expected: shards_given.then_some(shards),
        node,
        gateway: Gateway {
            http: reader.or_default(&keys::GATEWAY_HTTP),
            workers: reader
                .given(&keys::GATEWAY_WORKERS)
                .unwrap_or(machine.cores),
        },
        postgres: postgres(&asking, reader),
        kafka: kafka(&asking, reader),
        mongodb: mongodb(&asking, reader),
        auth: auth(role, reader),
        metrics: Metrics {
            listen: reader.given(&keys::METRICS_LISTEN),
            public: reader.or_default(&keys::METRICS_PUBLIC),
        },
        faults_allowed: reader.or_default(&keys::FAULTS_ALLOWED),
        startup: Startup {
            wait: Duration::from_secs(reader.or_default(&keys::STARTUP_WAIT_SECS)),
        },
    }
}

fn node(role: Role, machine: &Machine, reader: &mut Reader) -> Node {
    let given = reader.list(&keys::NODE_DOMAINS);
    let may_host = matches!(role, Role::Node | Role::Gateway);
    let domains: BTreeSet<Domain> = Domain::ALL
        .into_iter()
        .filter(|domain| may_host && given.iter().any(|name| name == domain.name()))
        .collect();
    let asking = Asking {
        role,
        hosts: domains.clone(),
    };
    reader.require(&keys::NODE_DOMAINS, &asking);
    let listen: SocketAddr = reader.or_default(&keys::NODE_LISTEN);
    let address = reader.text(&keys::NODE_ADDRESS);
    if !domains.is_empty() && address.is_none() && listen.ip().is_unspecified() {
        let origin = reader.origin(&keys::NODE_LISTEN);
        reader.missing(
            &keys::NODE_ADDRESS,
            &format!("nobody can connect to {listen}, which node.listen is ({origin})"),
        );
    }
    let name = reader.text(&keys::NODE_NAME);
    Node {
        name: name.unwrap_or_else(|| default_name(machine, !domains.is_empty(), listen)),
        domains,
        listen,
        address,
        shard_threads: reader
            .given(&keys::NODE_SHARD_THREADS)
            .unwrap_or(machine.cores.div_ceil(2)),
        password_threads: reader
            .given(&keys::NODE_PASSWORD_THREADS)
            .unwrap_or(machine.cores),
        claim_after: millis(&keys::NODE_CLAIM_AFTER_MS, reader),
        handover_wait: millis(&keys::NODE_HANDOVER_WAIT_MS, reader),
    }
}

/// One of a kind on this host: two processes have not the same port, and not the same id.
fn default_name(machine: &Machine, serves_grpc: bool, listen: SocketAddr) -> String {
    let number = match listen.port() {
        port if serves_grpc && port != 0 => u32::from(port),
        _ => machine.pid,
    };
    format!("{}-{number}", machine.host)
}

fn postgres(asking: &Asking, reader: &mut Reader) -> Postgres {
    reader.require(&keys::POSTGRES_URL, asking);
    let own: [(Domain, &Key); 4] = [
        (Domain::Auth, &keys::POSTGRES_URLS_AUTH),
        (Domain::Orders, &keys::POSTGRES_URLS_ORDERS),
        (Domain::Products, &keys::POSTGRES_URLS_PRODUCTS),
        (Domain::Notifications, &keys::POSTGRES_URLS_NOTIFICATIONS),
    ];
    Postgres {
        url: reader
            .secret(&keys::POSTGRES_URL)
            .unwrap_or_else(|| Secret::new(String::new())),
        own: own
            .into_iter()
            .filter_map(|(domain, key)| Some((domain, reader.secret(key)?)))
            .collect(),
        connections: reader.or_default(&keys::POSTGRES_CONNECTIONS),
        connect_timeout: millis(&keys::POSTGRES_CONNECT_TIMEOUT_MS, reader),
        statement_timeout: millis(&keys::POSTGRES_STATEMENT_TIMEOUT_MS, reader),
    }
}

fn kafka(asking: &Asking, reader: &mut Reader) -> Option<Kafka> {
    reader.require(&keys::KAFKA_BROKERS, asking);
    let kafka = Kafka {
        brokers: reader.list(&keys::KAFKA_BROKERS),
        topic_prefix: reader.or_default(&keys::KAFKA_TOPIC_PREFIX),
        replication_factor: reader.or_default(&keys::KAFKA_REPLICATION_FACTOR),
        properties: reader.properties(&keys::KAFKA_PROPERTIES),
        producer: reader.properties(&keys::KAFKA_PRODUCER),
        consumer: reader.properties(&keys::KAFKA_CONSUMER),
    };
    (!kafka.brokers.is_empty()).then_some(kafka)
}

fn mongodb(asking: &Asking, reader: &mut Reader) -> Option<Mongodb> {
    reader.require(&keys::MONGODB_URL, asking);
    let url = reader.secret(&keys::MONGODB_URL);
    let database = reader.or_default(&keys::MONGODB_DATABASE);
    let days: Option<u64> = reader.given(&keys::MONGODB_RETENTION_DAYS);
    Some(Mongodb {
        url: url?,
        database,
        retention: days.map(|days| Duration::from_secs(days * SECS_PER_DAY)),
    })
}

fn auth(role: Role, reader: &mut Reader) -> Auth {
    let key = &keys::AUTH_SIGNING_KEY_FILE;
    let file = reader.text(key);
    let needed = matches!(role, Role::Gateway | Role::Node | Role::Migrate);
    let signing_key_pem = file.filter(|_| needed).and_then(|file| {
        let pem = read_text(Path::new(&file)).and_then(|pem| {
            TokenIssuer::new(&pem).map_err(|error| error.to_string())?;
            Ok(pem)
        });
        match pem {
            Ok(pem) => Some(Secret::new(pem)),
            Err(why) => {
                reader.wrong(key, Some(&why));
                None
            }
        }
    });
    Auth { signing_key_pem }
}

fn millis(key: &Key, reader: &mut Reader) -> Duration {
    Duration::from_millis(reader.or_default(key))
}
