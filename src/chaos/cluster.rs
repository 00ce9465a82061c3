//! Two nodes and a gateway on PostgreSQL, Kafka and MongoDB, with a database, topics and an activity log of their own.
//! The nodes reach the servers through proxies; who audits does not.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
};

use actors::transport::kafka::topics;
use anyhow::{Context, Result, bail};
use domain::Topology;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection,
    postgres::{PgConnectOptions, PgConnection},
};
use tempfile::TempDir;
use tokio::sync;

use super::{
    api::Address,
    deployment::{Deployment, Member, Proxied, Shape},
    embedded::{PASSWORD_VARIABLE, SERVES},
    process::Process,
    servers::{Servers, ServersArgs, proxies, servers},
};
use crate::{
    admin::random_password,
    cluster::kafka_config,
    config::{self, ClusterArgs, ClusterConfig, Role},
    place::Place,
};

/// Few, so that a start is quick.
const SHARDS: u16 = 4;
/// Connections of each process to PostgreSQL at most.
const CONNECTIONS: u32 = 8;
const NODES: [&str; 2] = ["a", "b"];
const ALL_DOMAINS: &str = "auth,orders,products,notifications,logs";
/// What a node prints when it is up, before its address.
const NODE_IS_UP: &str = " is up: ";
/// What `migrate` says at last.
const MIGRATED: &str = "Kafka: topics are there";

/// What the servers are rid of when this is dropped.
pub(super) struct Leftovers {
    admin: PgConnectOptions,
    name: String,
    config: Box<ClusterConfig>,
}

/// Starts a cluster.
pub(super) async fn start(args: &ServersArgs, cluster: &ClusterArgs) -> Result<Deployment> {
    let servers = servers(args, cluster)?;
    let home = TempDir::with_prefix("stampede-chaos-")?;
    let name = format!("chaos_{:016x}", rand::random::<u64>());
    create_database(&servers.postgres, &name).await?;
    let own = Servers {
        postgres: servers.postgres.clone().database(&name),
        ..servers
    };
    let proxies = proxies(&own).await?;
    let direct = write(&home.path().join("stampede.toml"), &settings(&own, &name))?;
    let through = write(
        &home.path().join("through-proxies.toml"),
        &settings(&own.through(&proxies)?, &name),
    )?;
    let audited = audited(&direct, &own, &name)?;
    let leftovers = Leftovers {
        admin: servers.postgres,
        name,
        config: Box::new(audited),
    };
    migrate(home.path(), &direct).await?;
    let (admin_password, address) = (random_password(), Address::default());
    let mut members: Vec<Member> = NODES
        .iter()
        .map(|name| node(home.path(), &through, name))
        .collect();
    members.push(gateway(home.path(), &through, &admin_password, &address));
    let deployment = Deployment {
        shape: Shape::Cluster,
        address,
        admin_password,
        members,
        proxies: proxies
            .into_iter()
            .map(|(server, proxy)| (server, Proxied(sync::Mutex::new(proxy))))
            .collect(),
        place: Some(Place::Cluster(leftovers.config.clone())),
        ended: Mutex::default(),
        leftovers: Some(leftovers),
        home: Some(home),
    };
    for member in &deployment.members {
        member.process.write().await.spawn()?;
    }
    for member in &deployment.members {
        member.is_up(&mut *member.process.write().await).await?;
    }
    Ok(deployment)
}

async fn create_database(admin: &PgConnectOptions, name: &str) -> Result<()> {
    run_sql(admin, format!("CREATE DATABASE {name}"))
        .await
        .context("PostgreSQL does not create a database")
}

async fn run_sql(admin: &PgConnectOptions, sql: String) -> Result<()> {
    let mut connection = PgConnection::connect_with(admin).await?;
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    Ok(())
}

/// Keys and values of a cluster of this name.
fn settings(servers: &Servers, name: &str) -> Vec<(&'static str, String)> {
    vec![
        ("postgres.url", servers.postgres.to_url_lossy().to_string()),
        ("postgres.connections", CONNECTIONS.to_string()),
        ("kafka.brokers", servers.kafka.clone()),
        ("kafka.topic_prefix", format!("{name}.")),
        ("mongodb.url", servers.mongodb.clone()),
        ("mongodb.database", name.to_owned()),
        ("faults.allowed", "true".to_owned()),
    ]
}

/// Writes them as a configuration file.
fn write(path: &Path, settings: &[(&str, String)]) -> Result<PathBuf> {
    let mut file = format!("shards = {SHARDS}\n");
    for (key, value) in settings {
        // A text in quotes is written the same in TOML, and in JSON.
        let value = match *key {
            "kafka.brokers" => serde_json::to_string(&[value])?,
            "postgres.connections" | "faults.allowed" => value.clone(),
            _ => serde_json::to_string(value)?,
        };
        file.push_str(&format!("{key} = {value}\n"));
    }
    fs::write(path, file)?;
    Ok(path.to_owned())
}

/// What the audit reads. Flags, so that variables in the environment of whoever runs chaos do not count.
fn audited(file: &Path, servers: &Servers, name: &str) -> Result<ClusterConfig> {
    let settings = settings(servers, name).into_iter();
    let set = settings.map(|(key, value)| format!("{key}={value}"));
    let args = ClusterArgs {
        config: Some(file.to_owned()),
        set: set.collect(),
    };
    config::load(Role::Audit, &args)
}

async fn migrate(home: &Path, config: &Path) -> Result<()> {
    let arguments: [OsString; 3] = ["migrate".into(), "--config".into(), config.into()];
    let mut process = Process::new(home, "migrate", arguments.into());
    process.spawn()?;
    process
        .says(MIGRATED)
        .await
        .context("the servers cannot be used")?;
    Ok(())
}

fn node(home: &Path, config: &Path, name: &str) -> Member {
    let mut arguments: Vec<OsString> = vec!["node".into(), "--config".into(), config.into()];
    arguments.extend(["--node-name", name, "--domains", ALL_DOMAINS].map(Into::into));
    arguments.extend(["--listen", "127.0.0.1:0"].map(Into::into));
    Member {
        name: name.to_owned(),
        hosts_shards: true,
        address: None,
        ready_words: NODE_IS_UP,
        process: sync::RwLock::new(Process::new(home, &format!("node-{name}"), arguments)),
    }
}

fn gateway(home: &Path, config: &Path, password: &str, address: &Address) -> Member {
    let mut arguments: Vec<OsString> = vec!["gateway".into(), "--config".into(), config.into()];
    arguments.extend(["--node-name", "gateway", "--http", "127.0.0.1:0"].map(Into::into));
    let process = Process::new(home, "gateway", arguments).with(PASSWORD_VARIABLE, password);
    Member {
        name: "gateway".to_owned(),
        hosts_shards: false,
        address: Some(address.clone()),
        ready_words: SERVES,
        process: sync::RwLock::new(process),
    }
}

impl Leftovers {
    /// Removes database, topics and activity log. No process may be running.
    pub(super) async fn remove(self) -> Result<()> {
        let name = &self.name;
        run_sql(
            &self.admin,
            format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
        )
        .await?;
        let Some((kafka, mongodb)) = self.config.kafka.as_ref().zip(self.config.mongodb.as_ref())
        else {
            bail!("it had neither Kafka nor MongoDB");
        };
        let kafka = kafka_config(kafka, "stampede-chaos");
        topics::remove(&kafka, &Topology::uniform(SHARDS)).await?;
        let client = mongodb::Client::with_uri_str(mongodb.url.expose()).await?;
        client.database(name).drop().await?;
        Ok(())
    }
}
