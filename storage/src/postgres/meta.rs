//! The tables `meta`: what a cluster was made for, and to which cluster a domain's schema belongs.

use std::collections::HashMap;

use domain::{Domain, ShardRef, Topology};
use sqlx::{AssertSqlSafe, PgConnection};

use super::{connect, errors, options::PostgresOptions, schema};
use crate::{
    StorageError,
    topology::{topology_from_text, topology_text},
};

const TOPOLOGY: &str = "topology";
const CLUSTER_ID: &str = "cluster_id";
const SIGNING_KEY: &str = "signing_key_pem";

/// A random text of 16 hexadecimal digits. The digest spreads the bits of the UUID, some of which are fixed.
pub(super) const RANDOM: &str = "left(encode(sha256(uuid_send(gen_random_uuid())), 'hex'), 16)";

/// What `cluster.meta` says.
#[derive(Clone)]
pub(super) struct Meta {
    pub(super) topology: Topology,
    pub(super) cluster_id: String,
    pub(super) signing_key_pem: String,
}

/// Writes `cluster.meta` of a new cluster; leaves that of an old one as it is. Returns whether it was new.
pub(super) async fn establish(
    connection: &mut PgConnection,
    topology: &Topology,
    make_signing_key: impl FnOnce() -> String,
) -> Result<bool, StorageError> {
    let is_new: bool = sqlx::query_scalar("SELECT NOT EXISTS (SELECT FROM cluster.meta)")
        .fetch_one(&mut *connection)
        .await
        .map_err(errors::classify)?;
    if is_new {
        let sql = format!(
            "INSERT INTO cluster.meta (key, value) VALUES ('{CLUSTER_ID}', {RANDOM}), \
             ('{TOPOLOGY}', $1), ('{SIGNING_KEY}', $2)"
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(topology_text(topology))
            .bind(make_signing_key())
            .execute(connection)
            .await
            .map_err(errors::classify)?;
    }
    Ok(is_new)
}

/// Reads `cluster.meta`, whose topology must be the expected one, if one is.
pub(super) async fn read(
    connection: &mut PgConnection,
    expected: Option<&Topology>,
) -> Result<Meta, StorageError> {
    let mut values = read_table(connection, schema::CLUSTER).await?;
    let mut value = |key: &str| {
        values
            .remove(key)
            .ok_or_else(|| StorageError::Damaged(format!("cluster.meta lacks {key}")))
    };
    let topology = topology_from_text(&value(TOPOLOGY)?)
        .ok_or_else(|| StorageError::Damaged("its topology cannot be read".to_owned()))?;
    if let Some(expected) = expected.filter(|expected| **expected != topology) {
        return Err(StorageError::Mismatch(format!(
            "it was made with other numbers of shards ({}) than are asked for ({}); the number of shards is fixed \
             at the first migration",
            topology_text(&topology),
            topology_text(expected)
        )));
    }
    Ok(Meta {
        topology,
        cluster_id: value(CLUSTER_ID)?,
        signing_key_pem: value(SIGNING_KEY)?,
    })
}

/// Writes to which cluster a domain's schema belongs, and the first incarnation of each of its shards; leaves what is
/// there as it is.
pub(super) async fn establish_domain(
    connection: &mut PgConnection,
    domain: Domain,
    meta: &Meta,
) -> Result<(), StorageError> {
    let schema = schema::of(domain);
    let sql = format!(
        "INSERT INTO {schema}.meta (key, value) VALUES ('{CLUSTER_ID}', $1) ON CONFLICT (key) DO NOTHING"
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(&meta.cluster_id)
        .execute(&mut *connection)
        .await
        .map_err(errors::classify)?;
    let sql = format!(
        "INSERT INTO {schema}.incarnation (shard, first_position, incarnation) \
         SELECT shard, 1, {RANDOM} FROM generate_series(0, $1::int - 1) AS shard \
         ON CONFLICT (shard, first_position) DO NOTHING"
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(i32::from(meta.topology.shards(domain)))
        .execute(&mut *connection)
        .await
        .map_err(errors::classify)?;
    check_domain(connection, domain, meta).await
}

/// Makes sure that a domain's schema belongs to this cluster.
pub(super) async fn check_domain(
    connection: &mut PgConnection,
    domain: Domain,
    meta: &Meta,
) -> Result<(), StorageError> {
    let schema = schema::of(domain);
    let values = read_table(connection, schema).await?;
    match values.get(CLUSTER_ID) {
        Some(id) if *id == meta.cluster_id => Ok(()),
        Some(id) => Err(StorageError::Mismatch(format!(
            "schema {schema} belongs to cluster {id} and not to {}",
            meta.cluster_id
        ))),
        None => Err(StorageError::Mismatch(format!(
            "schema {schema} belongs to no cluster yet; run `stampede migrate`"
        ))),
    }
}

/// The incarnations of a domain's shards.
pub(super) async fn read_incarnations(
    connection: &mut PgConnection,
    domain: Domain,
) -> Result<Vec<(ShardRef, u64, String)>, StorageError> {
    let sql = format!(
        "SELECT shard, first_position, incarnation FROM {}.incarnation",
        schema::of(domain)
    );
    let rows: Vec<(i16, i64, String)> = sqlx::query_as(AssertSqlSafe(sql))
        .fetch_all(connection)
        .await
        .map_err(errors::classify)?;
    Ok(rows
        .into_iter()
        .map(|(shard, first_position, incarnation)| {
            let shard = ShardRef {
                domain,
                shard: shard.cast_unsigned(),
            };
            (shard, first_position.cast_unsigned(), incarnation)
        })
        .collect())
}

async fn read_table(
    connection: &mut PgConnection,
    schema: &str,
) -> Result<HashMap<String, String>, StorageError> {
    let sql = format!("SELECT key, value FROM {schema}.meta");
    let rows: Vec<(String, String)> = sqlx::query_as(AssertSqlSafe(sql))
        .fetch_all(connection)
        .await
        .map_err(errors::classify)?;
    Ok(rows.into_iter().collect())
}

/// Opens the default database and reads its `cluster.meta` after its schema was checked.
pub(super) async fn open(options: &PostgresOptions) -> Result<Meta, StorageError> {
    let mut connection = connect::connect(options, &options.url).await?;
    schema::check(&mut connection, schema::CLUSTER).await?;
    let meta = read(&mut connection, options.topology.as_ref()).await?;
    connect::close(connection).await;
    Ok(meta)
}
