//! Making and upgrading the schemas.

use domain::Topology;
use sqlx::{Connection, PgConnection};

use super::{connect, errors, meta, options::PostgresOptions, schema};
use crate::{StorageError, topology::SHARDED};

/// The lock that lets one process at a time migrate a database: "Stampede" in ASCII.
const LOCK: i64 = 0x5374_616d_7065_6465;

/// What a migration has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// The random name of the cluster, made at its first migration.
    pub cluster_id: String,
    /// How many shards its domains have.
    pub topology: Topology,
    /// Whether this was the first migration.
    pub is_new: bool,
    /// The steps that were applied, `schema: part version`; none if everything was up to date.
    pub applied: Vec<String>,
}

/// Makes or upgrades the schemas in all databases. It may be repeated, and run by several processes at once: one after
/// the other does it, and the later ones find it done. Each database is upgraded in one transaction.
///
/// The first migration remembers the numbers of shards, which are then fixed, and makes the cluster's id, the first
/// incarnation of every shard and, with `make_signing_key`, the key in PEM with which tokens are signed.
///
/// # Errors
/// [`StorageError::Mismatch`] if the store has other numbers of shards, was made by another version of the program or
/// belongs to another cluster; whatever keeps the databases from being reached or written.
pub async fn migrate(
    options: &PostgresOptions,
    topology: &Topology,
    make_signing_key: impl FnOnce() -> String,
) -> Result<Migrated, StorageError> {
    let mut connection = connect::connect(options, &options.url).await?;
    let mut transaction = begin(&mut connection).await?;
    let mut applied = schema::upgrade(&mut transaction, schema::CLUSTER).await?;
    let is_new = meta::establish(&mut transaction, topology, make_signing_key).await?;
    let meta = meta::read(&mut transaction, Some(topology)).await?;
    transaction.commit().await.map_err(errors::classify)?;
    connect::close(connection).await;
    for url in options.databases() {
        let mut connection = connect::connect(options, url).await?;
        let mut transaction = begin(&mut connection).await?;
        for domain in SHARDED {
            if options.url_of(domain) == url {
                applied.extend(schema::upgrade(&mut transaction, schema::of(domain)).await?);
                meta::establish_domain(&mut transaction, domain, &meta).await?;
            }
        }
        transaction.commit().await.map_err(errors::classify)?;
        connect::close(connection).await;
    }
    Ok(Migrated {
        cluster_id: meta.cluster_id,
        topology: meta.topology,
        is_new,
        applied,
    })
}

/// Begins a transaction that is the only one to migrate its database. It may take its time.
async fn begin(
    connection: &mut PgConnection,
) -> Result<sqlx::Transaction<'_, sqlx::Postgres>, StorageError> {
    let mut transaction = connection.begin().await.map_err(errors::classify)?;
    for statement in [
        "SET LOCAL statement_timeout = 0",
        "SET LOCAL idle_in_transaction_session_timeout = 0",
    ] {
        sqlx::query(statement)
            .execute(&mut *transaction)
            .await
            .map_err(errors::classify)?;
    }
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .execute(&mut *transaction)
        .await
        .map_err(errors::classify)?;
    Ok(transaction)
}
