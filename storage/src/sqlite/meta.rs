//! The table `meta`: what a store was made for.

use domain::Topology;
use sqlx::{Row, SqliteConnection};

use super::errors;
use crate::{
    StorageError,
    topology::{topology_from_text, topology_text},
};

/// The store's own version in `meta`, for what migrations cannot tell.
const FORMAT: &str = "1";

/// What `meta` says about a store.
#[derive(Debug)]
pub(super) struct Meta {
    pub(super) topology: Topology,
    pub(super) incarnation: u64,
}

/// Writes `meta` of a new store, or checks that an old one has this topology.
pub(super) async fn establish(
    connection: &mut SqliteConnection,
    topology: &Topology,
) -> Result<Meta, StorageError> {
    // One statement: either all of it is there or nothing.
    sqlx::query(
        "INSERT INTO meta (key, value) SELECT * FROM (VALUES \
         ('format', ?), ('topology', ?), ('incarnation', CAST(random() AS TEXT))) \
         WHERE NOT EXISTS (SELECT 1 FROM meta)",
    )
    .bind(FORMAT)
    .bind(topology_text(topology))
    .execute(&mut *connection)
    .await
    .map_err(errors::classify)?;
    let meta = read(connection).await?;
    if meta.topology == *topology {
        Ok(meta)
    } else {
        Err(StorageError::Mismatch(format!(
            "it was made with other numbers of shards ({}) than are asked for ({}); they are fixed when a store is made",
            topology_text(&meta.topology),
            topology_text(topology)
        )))
    }
}

/// Reads `meta`.
pub(super) async fn read(connection: &mut SqliteConnection) -> Result<Meta, StorageError> {
    let rows = sqlx::query("SELECT key, value FROM meta")
        .fetch_all(connection)
        .await
        .map_err(errors::classify)?;
    let mut values = std::collections::HashMap::new();
    for row in rows {
        let (key, value): (String, String) = (
            row.try_get(0).map_err(errors::classify)?,
            row.try_get(1).map_err(errors::classify)?,
        );
        values.insert(key, value);
    }
    let value = |key: &str| {
        values
            .get(key)
            .ok_or_else(|| StorageError::Damaged(format!("its meta table lacks {key}")))
    };
    let format = value("format")?;
    if format != FORMAT {
        return Err(StorageError::Mismatch(format!(
            "it has format {format} and this program knows format {FORMAT}"
        )));
    }
    let topology = topology_from_text(value("topology")?)
        .ok_or_else(|| StorageError::Damaged("its topology cannot be read".to_owned()))?;
    let incarnation: i64 = value("incarnation")?
        .parse()
        .map_err(|_| StorageError::Damaged("its incarnation cannot be read".to_owned()))?;
    Ok(Meta {
        topology,
        incarnation: incarnation.cast_unsigned(),
    })
}
