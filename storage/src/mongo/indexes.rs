//! The indexes of the collections, made so that it may be repeated.

use std::{collections::HashMap, time::Duration};

use mongodb::{IndexModel, bson::doc, options::IndexOptions};

use super::{
    connect::Collections,
    errors::{INDEX_NOT_FOUND, NAMESPACE_NOT_FOUND, NOT_IMPLEMENTED, classify, command_code},
};
use crate::StorageError;

/// The index by time, which is also the one by which the server removes old entries.
const BY_TIME: &str = "time";

/// Makes the indexes that are missing, and the one by time anew if the retention has changed.
///
/// The list is read first, so that nothing is asked for that is there: FerretDB 1 cuts the connection for it.
pub(super) async fn ensure(
    collections: &Collections,
    retention: Option<Duration>,
) -> Result<(), StorageError> {
    let existing = existing(collections).await?;
    let missing: Vec<_> = models()
        .into_iter()
        .filter(|(name, _)| !existing.contains_key(*name))
        .map(|(_, model)| model)
        .collect();
    if !missing.is_empty() {
        let made = collections.entries.create_indexes(missing).await;
        made.map_err(classify)?;
    }
    ensure_by_time(collections, existing.get(BY_TIME).copied(), retention).await
}

/// The indexes that are always the same, by name.
fn models() -> [(&'static str, IndexModel); 6] {
    [
        ("id", doc! { "id": 1 }),
        (
            "source",
            doc! { "source_domain": 1, "source_shard": 1, "position": 1 },
        ),
        ("order", doc! { "order_id": 1, "id": 1 }),
        ("level", doc! { "level": 1, "id": 1 }),
        ("service", doc! { "service": 1, "id": 1 }),
        ("event_type", doc! { "event_type": 1, "id": 1 }),
    ]
    .map(|(name, keys)| {
        let options = IndexOptions::builder().name(name.to_owned());
        let options = options.unique(name == "id").build();
        let model = IndexModel::builder().keys(keys).options(options).build();
        (name, model)
    })
}

/// The index by time expires entries after `retention`. One that does it otherwise is dropped and made anew: no server
/// turns expiry off in place, and an older one does not turn it on.
async fn ensure_by_time(
    collections: &Collections,
    existing: Option<Option<Duration>>,
    retention: Option<Duration>,
) -> Result<(), StorageError> {
    let retention = retention.map(|retention| Duration::from_secs(retention.as_secs()));
    match existing {
        Some(expiry) if expiry == retention => return Ok(()),
        Some(_) => drop_by_time(collections).await?,
        None => {}
    }
    match create_by_time(collections, retention).await {
        Err(error) if retention.is_some() && command_code(&error) == Some(NOT_IMPLEMENTED) => {
            tracing::warn!(
                "this server cannot expire documents: the activity log keeps all entries"
            );
            create_by_time(collections, None).await.map_err(classify)
        }
        outcome => outcome.map_err(classify),
    }
}

async fn create_by_time(
    collections: &Collections,
    retention: Option<Duration>,
) -> Result<(), mongodb::error::Error> {
    let options = IndexOptions::builder().name(BY_TIME.to_owned());
    let options = options.expire_after(retention).build();
    let model = IndexModel::builder().keys(doc! { "time": 1 });
    let model = model.options(options).build();
    collections.entries.create_index(model).await.map(drop)
}

/// The indexes that are there: name and expiry.
async fn existing(
    collections: &Collections,
) -> Result<HashMap<String, Option<Duration>>, StorageError> {
    let mut found = match collections.entries.list_indexes().await {
        Err(error) if command_code(&error) == Some(NAMESPACE_NOT_FOUND) => {
            return Ok(HashMap::new());
        }
        found => found.map_err(classify)?,
    };
    let mut indexes = HashMap::new();
    while found.advance().await.map_err(classify)? {
        let options = found.deserialize_current().map_err(classify)?.options;
        if let Some((name, expiry)) =
            options.and_then(|options| Some((options.name?, options.expire_after)))
        {
            indexes.insert(name, expiry);
        }
    }
    Ok(indexes)
}

/// Drops the index by time, unless somebody else has.
async fn drop_by_time(collections: &Collections) -> Result<(), StorageError> {
    match collections.entries.drop_index(BY_TIME).await {
        Err(error)
            if matches!(
                command_code(&error),
                Some(INDEX_NOT_FOUND | NAMESPACE_NOT_FOUND)
            ) =>
        {
            Ok(())
        }
        outcome => outcome.map_err(classify),
    }
}
