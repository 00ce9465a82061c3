//! The store as a whole.

use std::{sync::Arc, time::Duration};

use domain::{Domain, ShardRef, Topology};
use sqlx::{
    AssertSqlSafe, PgPool,
    postgres::{PgArguments, PgRow},
};

use super::{
    connect, errors, fault::Faults, home::Home, meta, options::PostgresOptions, schema,
    statements::Statements,
};
use crate::{Incarnations, StorageError, topology::SHARDED};

/// How long after the server should have ended a statement its answer is still waited for. A server that has not
/// answered by then cannot be reached.
const GRACE: Duration = Duration::from_secs(5);

/// Journals, read models and directory in PostgreSQL. Any number of processes may have it open: the epochs in the heads
/// say who may write to which shard.
pub struct PostgresStore {
    databases: Vec<Database>,
    domains: Vec<DomainStore>,
    pub(super) topology: Topology,
    incarnations: Incarnations,
    cluster_id: String,
    signing_key_pem: String,
    pub(super) faults: Faults,
}

/// One database and the connections to it.
pub(super) struct Database {
    pool: PgPool,
    home: Home,
    /// How long an answer is waited for.
    patience: Duration,
}

/// Where a domain is, and the statements that concern it alone.
pub(super) struct DomainStore {
    pub(super) domain: Domain,
    pub(super) database: usize,
    pub(super) statements: Statements,
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresStore")
            .field("cluster_id", &self.cluster_id)
            .field("topology", &self.topology)
            .finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// Opens the store; its connections belong to the runtime of the caller. Every database is reached once, to see that its schemas are those of this program and belong to
    /// one cluster.
    ///
    /// # Errors
    /// [`StorageError::Mismatch`] if the schemas are missing or have another version (`stampede migrate` helps), the
    /// numbers of shards are not the expected ones, or a server runs without fsync; [`StorageError::Unavailable`] if a
    /// database cannot be reached.
    pub async fn open(options: PostgresOptions) -> Result<Self, StorageError> {
        let meta = meta::open(&options).await?;
        let (mut databases, mut domains, mut lives) = (Vec::new(), Vec::new(), Vec::new());
        for (index, url) in options.databases().into_iter().enumerate() {
            let mut connection = connect::connect(&options, url).await?;
            for domain in SHARDED {
                if options.url_of(domain) != url {
                    continue;
                }
                schema::check(&mut connection, schema::of(domain)).await?;
                meta::check_domain(&mut connection, domain, &meta).await?;
                lives.extend(meta::read_incarnations(&mut connection, domain).await?);
                domains.push(DomainStore {
                    domain,
                    database: index,
                    statements: Statements::of(domain),
                });
            }
            connect::close(connection).await;
            databases.push(Database {
                pool: connect::pool(&options, url)?,
                home: Home::here(),
                patience: options.statement_timeout.saturating_add(GRACE),
            });
        }
        Ok(Self {
            databases,
            domains,
            topology: meta.topology,
            incarnations: Incarnations::new(lives),
            cluster_id: meta.cluster_id,
            signing_key_pem: meta.signing_key_pem,
            faults: Faults::default(),
        })
    }

    /// How many shards each domain has.
    #[must_use]
    pub const fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The incarnations of all shards as they were when the store was opened. They change only while nothing is open.
    #[must_use]
    pub fn incarnations(&self) -> Incarnations {
        self.incarnations.clone()
    }

    /// The random name of the cluster, made at its first migration.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// The key in PEM with which the tokens of this cluster are signed.
    #[must_use]
    pub fn signing_key_pem(&self) -> &str {
        &self.signing_key_pem
    }

    /// Closes all connections once what is under way has ended.
    pub async fn close(&self) {
        for database in &self.databases {
            database.pool.close().await;
        }
    }

    /// Makes something go wrong.
    #[cfg(feature = "fault-injection")]
    pub fn inject(&self, fault: super::Fault) {
        self.faults.inject(fault);
    }

    /// The default database.
    pub(super) fn default_database(&self) -> &Database {
        // `databases()` of the options begins with it.
        &self.databases[0]
    }

    /// All databases with the domains in each.
    pub(super) fn databases(&self) -> impl Iterator<Item = (&Database, Vec<&DomainStore>)> {
        self.databases.iter().enumerate().map(|(index, database)| {
            let domains = self.domains.iter();
            (
                database,
                domains.filter(|domain| domain.database == index).collect(),
            )
        })
    }

    /// Where a domain is.
    pub(super) fn domain(&self, domain: Domain) -> Result<&DomainStore, StorageError> {
        self.domains
            .iter()
            .find(|store| store.domain == domain)
            .ok_or_else(|| {
                StorageError::Mismatch(format!("{} keeps no journal here", domain.name()))
            })
    }

    /// The database with this index.
    pub(super) fn database(&self, index: usize) -> &Database {
        &self.databases[index]
    }

    /// Carries out a statement in a domain's database.
    pub(super) async fn fetch(
        &self,
        domain: Domain,
        sql: impl Into<Arc<str>>,
        arguments: PgArguments,
    ) -> Result<Vec<PgRow>, StorageError> {
        self.database(self.domain(domain)?.database)
            .fetch(sql, arguments)
            .await
    }

    /// Makes sure that there is such a shard.
    pub(super) fn check_shard(&self, shard: ShardRef) -> Result<(), StorageError> {
        if shard.shard < self.topology.shards(shard.domain) {
            Ok(())
        } else {
            Err(StorageError::Mismatch(format!("it has no shard {shard}")))
        }
    }
}

impl Database {
    /// Carries out a statement, in a transaction of its own, and gives the rows it returns once that is committed.
    pub(super) async fn fetch(
        &self,
        sql: impl Into<Arc<str>>,
        arguments: PgArguments,
    ) -> Result<Vec<PgRow>, StorageError> {
        self.try_fetch(sql.into(), arguments)
            .await
            .map_err(errors::classify)
    }

    /// As [`Self::fetch`], with the error as sqlx tells it.
    ///
    /// All rows are read, also where one is enough: only then the server has said that the transaction is committed.
    pub(super) async fn try_fetch(
        &self,
        sql: Arc<str>,
        arguments: PgArguments,
    ) -> Result<Vec<PgRow>, sqlx::Error> {
        let connection = self.home.of(self.pool.acquire()).await?;
        let mut connection = self.home.keep(connection);
        let answer = {
            let query = sqlx::query_with(AssertSqlSafe(sql), arguments);
            let answer = query.fetch_all(&mut **connection.get());
            tokio::time::timeout(self.patience, answer).await
        };
        match answer {
            Ok(answer) => answer,
            Err(_) => {
                // Whatever it may still answer is not to be taken for the answer to something else.
                drop(connection.take().detach());
                Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))
            }
        }
    }
}
