//! Loading as a whole, with the environment and the machine passed in.

#![allow(clippy::unwrap_used)]

mod example_file;
mod layering;
mod wrong;

use std::{collections::BTreeMap, ffi::OsString, fs, path::PathBuf, time::Duration};

use super::{
    ClusterConfig, GatewayArgs, Kafka, Mongodb, NodeArgs, Role,
    args::{ClusterArgs, Flags},
    keys::{ALL, Fallback, Key},
    kind::Kind,
    load_with,
    machine::Machine,
    problem::ConfigError,
};

/// What is given to a command, besides flags.
struct Setup {
    dir: tempfile::TempDir,
    variables: BTreeMap<OsString, OsString>,
    file: Option<PathBuf>,
}

impl Setup {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            variables: BTreeMap::new(),
            file: None,
        }
    }

    /// With this configuration file.
    fn file(mut self, text: &str) -> Self {
        self.file = Some(self.write("stampede.toml", text));
        self
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// With this environment variable.
    fn variable(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// What every command needs.
    fn servers(self) -> Self {
        self.variable("STAMPEDE_POSTGRES_URL", "postgres://u:hunter2@db/shop")
            .variable("STAMPEDE_KAFKA_BROKERS", "k1:9092,k2:9092")
            .variable("STAMPEDE_MONGODB_URL", "mongodb://u:hunter3@log")
    }

    fn cluster(&self, set: &[&str]) -> ClusterArgs {
        ClusterArgs {
            config: self.file.clone(),
            set: set.iter().map(|&set| set.to_owned()).collect(),
        }
    }

    fn load(&self, role: Role, set: &[&str]) -> Result<ClusterConfig, ConfigError> {
        self.load_args(role, &self.cluster(set))
    }

    fn load_args(&self, role: Role, args: &impl Flags) -> Result<ClusterConfig, ConfigError> {
        let machine = Machine {
            host: "box".to_owned(),
            cores: 3,
            pid: 4711,
        };
        load_with(role, args, &self.variables, &machine)
    }

    /// The problems of a configuration that cannot be used, a line each.
    fn problems(&self, role: Role, set: &[&str]) -> Vec<String> {
        let text = self.load(role, set).unwrap_err().to_string();
        let mut lines = text.lines().map(|line| line.trim().to_owned());
        assert_eq!(lines.next().unwrap(), "the configuration cannot be used");
        lines.collect()
    }
}

#[test]
fn every_key_is_read() {
    // No key allows this sign: whoever reads the key finds it, and under the right name.
    for key in ALL {
        let set = match key.kind {
            Kind::Properties => format!("{}.a\u{7}b=1", key.path),
            _ => format!("{}=\u{7}", key.path),
        };
        let problems = Setup::new().servers().problems(Role::Gateway, &[&set]);
        let found = problems.iter().any(|problem| problem.starts_with(key.path));
        assert!(found, "{}: {problems:?}", key.path);
    }
}

#[test]
fn what_is_not_given_has_its_default() {
    let config = Setup::new()
        .servers()
        .variable("STAMPEDE_NODE_DOMAINS", "orders,logs")
        .load(Role::Node, &[])
        .unwrap();
    assert_eq!((config.shards, config.shards_expected), (16, None));
    assert_eq!(config.node.name, "box-50051");
    assert_eq!(config.node.listen.to_string(), "127.0.0.1:50051");
    assert_eq!(config.node.address(config.node.listen), "127.0.0.1:50051");
    assert_eq!(
        (config.node.shard_threads, config.node.password_threads),
        (2, 3)
    );
    assert_eq!(config.node.claim_after, Duration::from_secs(5));
    assert_eq!(config.node.handover_wait, Duration::from_secs(5));
    assert_eq!(config.gateway.http.to_string(), "127.0.0.1:8000");
    assert_eq!(config.gateway.workers, 3);
    assert_eq!(config.postgres.connections, 16);
    for domain in domain::Domain::ALL {
        assert_eq!(config.postgres.url_of(domain), &config.postgres.url);
    }
    let Some(Kafka {
        brokers,
        topic_prefix,
        replication_factor,
        ..
    }) = config.kafka
    else {
        panic!("brokers are given");
    };
    assert_eq!(brokers, ["k1:9092", "k2:9092"]);
    assert_eq!((topic_prefix.as_str(), replication_factor), ("", 1));
    let Some(Mongodb {
        database,
        retention,
        ..
    }) = config.mongodb
    else {
        panic!("the log's server is given");
    };
    assert_eq!((database.as_str(), retention), ("stampede", None));
    assert_eq!(config.auth.signing_key_pem, None);
    assert_eq!(config.startup.wait, Duration::from_secs(60));
}

#[test]
fn the_largest_values_fit_their_types() {
    let largest: Vec<String> = ALL
        .iter()
        .filter_map(|key: &&Key| match key.kind {
            Kind::Integer { max, .. } => Some(format!("{}={max}", key.path)),
            _ => None,
        })
        .collect();
    let set: Vec<&str> = largest.iter().map(String::as_str).collect();
    let config = Setup::new().servers().load(Role::Gateway, &set).unwrap();
    assert_eq!(
        (config.shards, config.shards_expected),
        (1_024, Some(1_024))
    );
    assert_eq!(
        (config.node.shard_threads, config.gateway.workers),
        (256, 256)
    );
    assert_eq!(config.postgres.connections, 1_000);
    assert_eq!(config.postgres.statement_timeout, Duration::from_secs(600));
    assert_eq!(
        config.mongodb.unwrap().retention,
        Some(Duration::from_secs(36_500 * 86_400))
    );
    assert_eq!(config.kafka.unwrap().replication_factor, 16);
    assert_eq!(config.startup.wait, Duration::from_secs(3_600));
}

#[test]
fn who_needs_a_server_must_be_told_of_it() {
    let missing = |role, domains: &str| -> Vec<String> {
        let set = format!("node.domains={domains}");
        let keys = ALL
            .iter()
            .filter(|key| matches!(key.fallback, Fallback::Required { .. }));
        let problems = Setup::new().problems(role, &[&set]);
        let missing = keys.filter(|key| {
            let start = format!("{}: is missing", key.path);
            let given_empty = format!("{} (flag --set): is missing", key.path);
            problems
                .iter()
                .any(|p| p.starts_with(&start) || p.starts_with(&given_empty))
        });
        let missing: Vec<_> = missing.map(|key| key.path.to_owned()).collect();
        assert_eq!(missing.len(), problems.len(), "{problems:?}");
        missing
    };
    assert_eq!(missing(Role::Recover, ""), ["postgres.url"]);
    assert_eq!(missing(Role::Audit, "orders"), ["postgres.url"]);
    assert_eq!(missing(Role::Replay, ""), ["postgres.url"]);
    assert_eq!(missing(Role::Archive, ""), ["postgres.url"]);
    assert_eq!(
        missing(Role::Migrate, ""),
        ["postgres.url", "kafka.brokers"]
    );
    assert_eq!(missing(Role::Gateway, ""), ["postgres.url", "mongodb.url"]);
    assert_eq!(
        missing(Role::Gateway, "orders"),
        ["postgres.url", "kafka.brokers", "mongodb.url"]
    );
    assert_eq!(missing(Role::Node, ""), ["node.domains", "postgres.url"]);
    assert_eq!(
        missing(Role::Node, "orders"),
        ["postgres.url", "kafka.brokers"]
    );
    assert_eq!(
        missing(Role::Node, "logs"),
        ["postgres.url", "kafka.brokers", "mongodb.url"]
    );
}

#[test]
fn the_flags_of_a_command_are_those_of_its_kind() {
    #[derive(clap::Parser)]
    struct Node {
        #[command(flatten)]
        args: NodeArgs,
    }
    #[derive(clap::Parser)]
    struct Gateway {
        #[command(flatten)]
        args: GatewayArgs,
    }
    use clap::Parser as _;
    let parsed = Node::try_parse_from([
        "node",
        "--domains",
        "orders,auth",
        "--listen",
        "0.0.0.0:7",
        "--address",
        "me:7",
        "--node-name",
        "n1",
        "--set",
        "shards=4",
        "--set",
        "node.name=overridden",
    ]);
    let config = Setup::new()
        .servers()
        .load_args(Role::Node, &parsed.unwrap().args)
        .unwrap();
    let domains: Vec<_> = config
        .node
        .domains
        .iter()
        .map(|domain| domain.name())
        .collect();
    assert_eq!(domains, ["auth", "orders"]);
    assert_eq!(config.node.listen.to_string(), "0.0.0.0:7");
    assert_eq!(config.node.address(config.node.listen), "me:7");
    assert_eq!((config.node.name.as_str(), config.shards), ("n1", 4));
    assert!(Node::try_parse_from(["node", "--http", "127.0.0.1:1"]).is_err());

    let parsed = Gateway::try_parse_from(["gateway", "--http", "127.0.0.1:1"]);
    let config = Setup::new()
        .servers()
        .load_args(Role::Gateway, &parsed.unwrap().args)
        .unwrap();
    assert_eq!(config.gateway.http.to_string(), "127.0.0.1:1");
    assert!(config.node.domains.is_empty());
    assert_eq!(
        config.node.name, "box-4711",
        "a gateway that serves no gRPC has no port"
    );
}
