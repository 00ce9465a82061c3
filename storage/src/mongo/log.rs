//! [`ActivityLog`] on MongoDB.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use domain::ShardRef;
use mongodb::bson::doc;
use tokio::sync::OnceCell;

use super::{
    APPEND_TIME_MAX, MongoOptions, PREPARE_TIME_MAX, READ_TIME_MAX, SEARCH_TIME_MAX, append,
    connect::Collections,
    documents::EntryDocument,
    errors::{classify, within},
    indexes, search,
    watermarks::{self, Move},
};
use crate::{
    ActivityEntry, ActivityLog, ActivityQuery, NewActivity, Page, StorageError,
    incarnation::Incarnations,
};

/// The activity log in a database of its own.
///
/// An append that fails may have written some of its entries, but moves no watermark before all of them are written.
/// Repeated, it writes the rest. Only what nodes say of themselves, which has no source, may be there twice then.
#[derive(Debug)]
pub struct MongoActivityLog {
    collections: Collections,
    retention: Option<Duration>,
    incarnations: Arc<Incarnations>,
    /// Whether indexes and counter are known to be there.
    prepared: OnceCell<()>,
}

impl MongoActivityLog {
    /// The log at that URL (`mongodb://…`). Talks to no server: connections are made when they are needed.
    ///
    /// # Errors
    /// [`StorageError::Mismatch`] for a URL that cannot be used.
    pub async fn open(url: &str, options: MongoOptions) -> Result<Self, StorageError> {
        Ok(Self {
            collections: Collections::at(url, &options).await?,
            retention: options.retention,
            incarnations: options.incarnations,
            prepared: OnceCell::new(),
        })
    }

    /// Makes the indexes and the counter that are missing, and gives the retention to an index made with another. The
    /// first append does it as well; later ones rely on it.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`]; it may be tried again.
    pub async fn prepare(&self) -> Result<(), StorageError> {
        let prepare = || {
            within(PREPARE_TIME_MAX, async {
                indexes::ensure(&self.collections, self.retention).await?;
                append::ensure_counter(&self.collections).await
            })
        };
        self.prepared.get_or_try_init(prepare).await.map(drop)
    }

    /// Sets watermarks that are above these positions down to them, for `stampede recover`. A shard without a watermark
    /// gets none. Nothing may be appending meanwhile.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`]; some may have been set then, and it may be tried again.
    pub async fn lower_watermarks(
        &self,
        positions: &[(ShardRef, u64)],
    ) -> Result<(), StorageError> {
        self.change_watermarks(positions, Move::Down).await
    }

    async fn change_watermarks(
        &self,
        positions: &[(ShardRef, u64)],
        way: Move,
    ) -> Result<(), StorageError> {
        if positions.is_empty() {
            return Ok(());
        }
        let change = watermarks::change(&self.collections, &self.incarnations, positions, way);
        within(APPEND_TIME_MAX, change).await
    }
}

#[async_trait]
impl ActivityLog for MongoActivityLog {
    async fn watermarks(&self) -> Result<Vec<(ShardRef, u64)>, StorageError> {
        within(READ_TIME_MAX, watermarks::read(&self.collections)).await
    }

    async fn append(
        &self,
        entries: Vec<NewActivity>,
        watermarks: &[(ShardRef, u64)],
    ) -> Result<(), StorageError> {
        if entries.is_empty() && watermarks.is_empty() {
            return Ok(());
        }
        let documents = entries
            .iter()
            .map(|entry| EntryDocument::new(entry, &self.incarnations))
            .collect::<Result<Vec<_>, _>>()?;
        self.prepare().await?;
        if !documents.is_empty() {
            within(APPEND_TIME_MAX, append::write(&self.collections, documents)).await?;
        }
        // Not before: a watermark says that everything up to it is in the log.
        self.change_watermarks(watermarks, Move::Up).await
    }

    async fn search(&self, query: &ActivityQuery) -> Result<Page<ActivityEntry>, StorageError> {
        let limit = i64::try_from(query.limit.saturating_add(1)).unwrap_or(i64::MAX);
        let read = async {
            let mut found = self
                .collections
                .entries
                .find(search::filter(query))
                .sort(doc! { "id": -1 })
                .limit(limit)
                .max_time(SEARCH_TIME_MAX)
                .await
                .map_err(classify)?;
            let mut rows = Vec::new();
            while found.advance().await.map_err(classify)? {
                rows.push(found.deserialize_current().map_err(classify)?);
            }
            Ok(rows)
        };
        let rows = within(SEARCH_TIME_MAX, read).await?;
        Ok(Page {
            has_more: rows.len() > query.limit,
            rows: rows
                .into_iter()
                .take(query.limit)
                .map(EntryDocument::into_entry)
                .collect::<Result<_, _>>()?,
        })
    }
}
