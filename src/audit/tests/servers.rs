//! The servers of a cluster, with a database, a topic prefix and an activity log that nobody else has.

use std::{
    env,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actors::transport::kafka::{KafkaConfig, Pace, codec::Envelope, topics};
use domain::Domain;
use rdkafka::producer::{FutureProducer, FutureRecord};
use sqlx::{AssertSqlSafe, Connection, PgConnection, postgres::PgConnectOptions};
use storage::{
    ActivityLog, Journal,
    mongo::MongoActivityLog,
    postgres::{PostgresStore, migrate},
};

use super::{
    pen::TOPOLOGY,
    shop::{Memory, Shop},
};
use crate::{
    cluster::{
        kafka_config,
        stores::{mongo_options, postgres_options},
    },
    config::{self, ClusterArgs, ClusterConfig, Role},
};

/// Domains with a database of their own, where they have one.
const OWN: [Domain; 2] = [Domain::Orders, Domain::Products];

/// A cluster that nobody else has. What it has in the servers stays if its test fails.
pub(crate) struct Servers {
    server: String,
    /// The databases, the default one first.
    names: Vec<String>,
    pub(crate) config: ClusterConfig,
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run scripts/services up"))
}

impl Servers {
    /// With everything in one database, and an activity log.
    pub(crate) async fn new() -> Self {
        Self::with(false, true).await
    }

    pub(crate) async fn with(own_databases: bool, activity_log: bool) -> Self {
        static NTH: AtomicUsize = AtomicUsize::new(0);
        let nth = NTH.fetch_add(1, Ordering::Relaxed);
        let base = format!(
            "audit_test_{}_{nth}_{:x}",
            std::process::id(),
            rand::random::<u32>()
        );
        let server = variable("STAMPEDE_TEST_POSTGRES_URL");
        let mut set = vec![
            format!("postgres.url={}", url(&server, &base)),
            format!("kafka.brokers={}", variable("STAMPEDE_TEST_KAFKA")),
            format!("kafka.topic_prefix={base}."),
            "kafka.replication_factor=1".to_owned(),
        ];
        let mut names = vec![base.clone()];
        if own_databases {
            for domain in OWN {
                let name = format!("{base}_{}", domain.name());
                set.push(format!(
                    "postgres.urls.{}={}",
                    domain.name(),
                    url(&server, &name)
                ));
                names.push(name);
            }
        }
        if activity_log {
            set.push(format!("mongodb.url={}", variable("STAMPEDE_TEST_MONGODB")));
            set.push(format!("mongodb.database={base}"));
        }
        let args = ClusterArgs { config: None, set };
        let servers = Self {
            server,
            names,
            config: config::load(Role::Recover, &args).unwrap(),
        };
        for name in &servers.names {
            servers
                .run_on_server(format!("CREATE DATABASE {name}"))
                .await;
        }
        let options = postgres_options(&servers.config);
        migrate(&options, &TOPOLOGY, || "a key".to_owned())
            .await
            .unwrap();
        servers
    }

    pub(crate) fn kafka(&self) -> KafkaConfig {
        kafka_config(self.config.kafka.as_ref().unwrap(), "test")
    }

    pub(crate) async fn postgres(&self) -> Arc<PostgresStore> {
        let options = postgres_options(&self.config);
        Arc::new(PostgresStore::open(options).await.unwrap())
    }

    pub(crate) async fn log(&self, store: &PostgresStore) -> Arc<MongoActivityLog> {
        let mongodb = self.config.mongodb.as_ref().unwrap();
        let options = mongo_options(mongodb, Arc::new(store.incarnations()));
        let log = MongoActivityLog::open(mongodb.url.expose(), options).await;
        Arc::new(log.unwrap())
    }

    /// A new shop.
    pub(crate) async fn shop(&self, stock: u64) -> Shop {
        let store = self.postgres().await;
        Shop::over(store.clone(), self.log_if_any(&store).await, stock).await
    }

    /// The shop in stores that are as it remembers them.
    pub(crate) async fn shop_again(&self, memory: Memory) -> Shop {
        let store = self.postgres().await;
        let log = self.log_if_any(&store).await;
        Shop::again(store, log, memory).await
    }

    async fn log_if_any(&self, store: &PostgresStore) -> Option<Arc<dyn ActivityLog>> {
        self.config.mongodb.as_ref()?;
        Some(self.log(store).await)
    }

    /// Does something with the default database behind the store's back. Returns how many rows it changed.
    pub(crate) async fn run(&self, sql: impl Into<String>) -> u64 {
        let url = url(&self.server, &self.names[0]);
        let mut connection = PgConnection::connect(&url).await.unwrap();
        let done = sqlx::query(AssertSqlSafe(sql.into()))
            .execute(&mut connection)
            .await;
        connection.close().await.unwrap();
        done.unwrap().rows_affected()
    }

    async fn run_on_server(&self, sql: String) {
        let mut connection = PgConnection::connect(&self.server).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
    }

    /// Copies the default database.
    pub(crate) async fn back_up(&self, name: &str) {
        self.copy(&self.names[0], &format!("{}_{name}", self.names[0]))
            .await;
    }

    /// Puts the default database back to a copy.
    pub(crate) async fn restore(&self, name: &str) {
        self.copy(&format!("{}_{name}", self.names[0]), &self.names[0])
            .await;
    }

    async fn copy(&self, from: &str, to: &str) {
        let end = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{from}'"
        );
        self.run_on_server(end).await;
        self.run_on_server(format!("DROP DATABASE IF EXISTS {to} WITH (FORCE)"))
            .await;
        self.run_on_server(format!("CREATE DATABASE {to} TEMPLATE {from}"))
            .await;
    }

    pub(crate) async fn make_topics(&self) {
        topics::ensure(&self.kafka(), &TOPOLOGY).await.unwrap();
    }

    /// Publishes all that is in the journals, as nodes do.
    pub(crate) async fn publish(&self) {
        let kafka = self.kafka();
        let producer: FutureProducer = kafka.for_producer(Pace::AtOnce).create().unwrap();
        let store = self.postgres().await;
        let incarnations = store.incarnations();
        for shard in TOPOLOGY.journals() {
            let topic = topics::public(&kafka.topic_prefix, shard.domain);
            for record in store.read(shard, 0, 10_000).await.unwrap() {
                let source = incarnations.source(shard, record.position);
                let envelope = Envelope {
                    source: &source,
                    position: record.position,
                    prev: record.position - 1,
                    event_type: &record.event_type,
                    aggregate_id: record.aggregate_id,
                    time: record.time,
                    trace: None,
                };
                let key = envelope.key();
                let message = FutureRecord::to(&topic)
                    .partition(shard.shard.into())
                    .key(&key)
                    .headers(envelope.headers())
                    .payload(&record.payload);
                producer
                    .send(message, Duration::from_secs(20))
                    .await
                    .unwrap();
            }
        }
    }

    /// Removes what it has in the servers, but for topics.
    pub(crate) async fn clean(self) {
        for name in &self.names {
            for name in [name.clone(), format!("{name}_backup")] {
                let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                self.run_on_server(sql).await;
            }
        }
    }
}

fn url(server: &str, database: &str) -> String {
    let options = PgConnectOptions::from_str(server)
        .unwrap()
        .database(database);
    sqlx::ConnectOptions::to_url_lossy(&options).to_string()
}
