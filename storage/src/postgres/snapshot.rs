//! One moment of a cluster's databases, for `audit` and `replay`.

use std::time::Duration;

use domain::{Domain, Topology};
use sqlx::{
    AssertSqlSafe, Executor, PgConnection,
    postgres::{PgArguments, PgRow},
};

use super::{connect, errors, meta, options::PostgresOptions, schema};
use crate::{Incarnations, StorageError, topology::SHARDED};

/// How long a statement of a snapshot may take: some look at every row.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// How long writers may be kept waiting while the snapshots of several databases are taken.
const BARRIER_TIMEOUT: Duration = Duration::from_secs(3);

/// One moment of all databases of a cluster, read in pages. It can be taken beside live writers and keeps nobody from
/// writing while it is read.
///
/// It is one transaction for reading in each database. Where there is one database, that is one moment. Where domains
/// have databases of their own, transactions that begin one after the other would each see another moment: a shard
/// could be seen to have applied what its source is not yet seen to have written. So all heads are locked in all
/// databases, then the snapshots are taken, then the locks are released. Each transaction that writes to a journal
/// changes a head, so nothing is written in between, and what the snapshots show is one moment again. Writers wait for
/// some milliseconds; if the locks cannot be had within three seconds, taking the snapshot fails. The role that audits
/// such a cluster must be allowed to write to its heads.
#[derive(Debug)]
pub struct PostgresSnapshot {
    /// The transaction of each database, with the domains it has.
    databases: Vec<(PgConnection, Vec<Domain>)>,
    topology: Topology,
    incarnations: Incarnations,
}

impl PostgresSnapshot {
    /// Takes a snapshot.
    ///
    /// # Errors
    /// [`StorageError::Mismatch`] if the schemas are missing or have another version, or the numbers of shards are not
    /// the expected ones; [`StorageError::Unavailable`] if a database cannot be reached, or its writers do not pause.
    pub async fn open(options: PostgresOptions) -> Result<Self, StorageError> {
        Self::of(options, &SHARDED).await
    }

    /// Takes a snapshot of some domains only. Nobody waits for one of a single domain.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn of(options: PostgresOptions, wanted: &[Domain]) -> Result<Self, StorageError> {
        let meta = meta::open(&options).await?;
        let wanted_at = |url| {
            let domains = domains_at(&options, url).into_iter();
            domains
                .filter(|domain| wanted.contains(domain))
                .collect::<Vec<_>>()
        };
        let urls: Vec<(&str, Vec<Domain>)> = options
            .databases()
            .into_iter()
            .map(|url| (url, wanted_at(url)))
            .filter(|(_, domains)| !domains.is_empty())
            .collect();
        let mut locks = Vec::new();
        if urls.len() > 1 {
            for (url, domains) in &urls {
                locks.push(lock(&options, url, domains).await?);
            }
        }
        let (mut databases, mut lives) = (Vec::new(), Vec::new());
        for (url, domains) in urls {
            let mut connection = begin(&options, url).await?;
            for &domain in &domains {
                schema::check(&mut connection, schema::of(domain)).await?;
                meta::check_domain(&mut connection, domain, &meta).await?;
                lives.extend(meta::read_incarnations(&mut connection, domain).await?);
            }
            databases.push((connection, domains));
        }
        // With their connections the locks go.
        for lock in locks {
            connect::close(lock).await;
        }
        Ok(Self {
            databases,
            topology: meta.topology,
            incarnations: Incarnations::new(lives),
        })
    }

    /// The incarnations of all shards.
    #[must_use]
    pub const fn incarnations(&self) -> &Incarnations {
        &self.incarnations
    }

    /// How many shards each domain has.
    pub(super) const fn shards(&self) -> Topology {
        self.topology
    }

    /// All rows of a statement in a domain's database, whose text is made of constants.
    pub(super) async fn fetch(
        &mut self,
        domain: Domain,
        sql: String,
        arguments: PgArguments,
    ) -> Result<Vec<PgRow>, StorageError> {
        let connection = self
            .databases
            .iter_mut()
            .find(|(_, domains)| domains.contains(&domain))
            .map(|(connection, _)| connection)
            .ok_or_else(|| {
                StorageError::Mismatch(format!("{} keeps no journal here", domain.name()))
            })?;
        sqlx::query_with(AssertSqlSafe(sql), arguments)
            .fetch_all(connection)
            .await
            .map_err(errors::classify)
    }
}

/// The domains that have their schema in this database.
pub(super) fn domains_at(options: &PostgresOptions, url: &str) -> Vec<Domain> {
    SHARDED
        .into_iter()
        .filter(|domain| options.url_of(*domain) == url)
        .collect()
}

/// A statement that sets how long the connection's statements may take, and that its transaction may be idle: other
/// databases are read meanwhile.
pub(super) fn take_time() -> String {
    format!(
        "SET statement_timeout = {}; SET idle_in_transaction_session_timeout = 0",
        STATEMENT_TIMEOUT.as_millis()
    )
}

/// Begins the transaction of a snapshot. The first statement in it takes the snapshot.
async fn begin(options: &PostgresOptions, url: &str) -> Result<PgConnection, StorageError> {
    let mut connection = connect::connect(options, url).await?;
    let begin = format!(
        "{}; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        take_time()
    );
    execute(&mut connection, begin).await?;
    Ok(connection)
}

/// Keeps everybody from writing to the journals of a database for as long as the connection lives.
async fn lock(
    options: &PostgresOptions,
    url: &str,
    domains: &[Domain],
) -> Result<PgConnection, StorageError> {
    let mut connection = connect::connect(options, url).await?;
    let heads: Vec<String> = domains
        .iter()
        .map(|domain| format!("{}.head", schema::of(*domain)))
        .collect();
    let lock = format!(
        "BEGIN; SET LOCAL lock_timeout = {}; LOCK TABLE {} IN SHARE MODE",
        BARRIER_TIMEOUT.as_millis(),
        heads.join(", ")
    );
    execute(&mut connection, lock).await?;
    Ok(connection)
}

/// Carries out statements without values, whose text is made of constants.
pub(super) async fn execute(
    connection: &mut PgConnection,
    sql: String,
) -> Result<(), StorageError> {
    connection
        .execute(sqlx::raw_sql(AssertSqlSafe(sql)))
        .await
        .map(drop)
        .map_err(errors::classify)
}
