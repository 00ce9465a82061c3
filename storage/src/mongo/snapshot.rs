//! What `audit` reads of an activity log.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use domain::ShardRef;
use mongodb::{
    Cursor,
    bson::{Document, doc},
};

use super::{
    AUDIT_TIME_MAX, MongoOptions, READ_TIME_MAX,
    connect::Collections,
    documents::{SourceDocument, entry_key},
    errors::{classify, within},
    watermarks,
};
use crate::{LogSnapshot, StorageError, incarnation::Incarnations};

/// Entries that are fetched at once.
const FETCH_ENTRIES: u32 = 10_000;

/// An activity log as far as its watermarks were when it was opened.
///
/// There is no snapshot of the server behind it. None is needed: what is at or below a watermark was written before the
/// watermark, and is changed by nobody; what is above is left out. It is to be opened before the stores of the journals
/// are read, so that whatever it tells of is in a journal then.
///
/// Entries of records that a restore of the database has taken back (those of an incarnation that no longer covers
/// their position) are left out too. With a retention, old entries are missing, and that is no fault.
#[derive(Debug)]
pub struct MongoActivitySnapshot {
    collections: Collections,
    incarnations: Arc<Incarnations>,
    watermarks: BTreeMap<ShardRef, u64>,
    reading: Option<Reading>,
}

/// A list of entries that is being read.
#[derive(Debug)]
struct Reading {
    entries: Cursor<SourceDocument>,
    /// The last one told of.
    last: Option<(ShardRef, u64)>,
}

impl MongoActivitySnapshot {
    /// Opens the log at that URL and reads its watermarks. Changes nothing; the retention does not matter.
    ///
    /// # Errors
    /// [`StorageError::Mismatch`] for a URL that cannot be used, and whatever keeps the log from being read.
    pub async fn open(url: &str, options: MongoOptions) -> Result<Self, StorageError> {
        let collections = Collections::at(url, &options).await?;
        let watermarks = within(READ_TIME_MAX, watermarks::read(&collections)).await?;
        Ok(Self {
            collections,
            incarnations: options.incarnations,
            watermarks: watermarks.into_iter().collect(),
            reading: None,
        })
    }

    /// The watermark of each source shard, by shard.
    #[must_use]
    pub fn watermarks(&self) -> Vec<(ShardRef, u64)> {
        self.watermarks
            .iter()
            .map(|(&shard, &position)| (shard, position))
            .collect()
    }

    /// The sources of entries after this one, by shard and position, at most `limit`. Pages that follow each other are
    /// read with one query; memory is bounded by the page.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`], and [`StorageError::Damaged`] for an entry that cannot be decoded.
    pub async fn sources(
        &mut self,
        after: Option<(ShardRef, u64)>,
        limit: usize,
    ) -> Result<Vec<(ShardRef, u64)>, StorageError> {
        let mut reading = match self.reading.take() {
            Some(reading) if reading.last == after => reading,
            _ => within(AUDIT_TIME_MAX, self.read_after(after)).await?,
        };
        let mut page = Vec::new();
        while page.len() < limit {
            let more = async { reading.entries.advance().await.map_err(classify) };
            if !within(AUDIT_TIME_MAX, more).await? {
                break;
            }
            let document = reading.entries.deserialize_current().map_err(classify)?;
            let (shard, position) = document.source.record()?;
            if self.is_expected(shard, position, &document.key) {
                page.push((shard, position));
            }
        }
        reading.last = page.last().copied().or(after);
        self.reading = Some(reading);
        Ok(page)
    }

    /// The log itself.
    pub(super) const fn collections(&self) -> &Collections {
        &self.collections
    }

    /// Whether that is the entry of a record at or below the watermark, in the incarnation of its position.
    fn is_expected(&self, shard: ShardRef, position: u64, key: &str) -> bool {
        let watermark = self.watermarks.get(&shard).copied().unwrap_or(0);
        position <= watermark
            && entry_key(&self.incarnations, shard, position).is_ok_and(|name| name == key)
    }

    async fn read_after(
        &mut self,
        after: Option<(ShardRef, u64)>,
    ) -> Result<Reading, StorageError> {
        let entries = self
            .collections
            .entries
            .clone_with_type::<SourceDocument>()
            .find(filter_after(after))
            .projection(doc! { "_id": 1, "source_domain": 1, "source_shard": 1, "position": 1 })
            .sort(doc! { "source_domain": 1, "source_shard": 1, "position": 1 })
            .batch_size(FETCH_ENTRIES)
            .await
            .map_err(classify)?;
        Ok(Reading {
            entries,
            last: after,
        })
    }
}

// Methods of the type's own come before those of the trait.
#[async_trait]
impl LogSnapshot for MongoActivitySnapshot {
    async fn watermarks(&mut self) -> Result<Vec<(ShardRef, u64)>, StorageError> {
        Ok(Self::watermarks(self))
    }

    async fn sources(
        &mut self,
        after: Option<(ShardRef, u64)>,
        limit: usize,
    ) -> Result<Vec<(ShardRef, u64)>, StorageError> {
        Self::sources(self, after, limit).await
    }
}

/// Entries of records after this one; what nodes say of themselves is of none.
fn filter_after(after: Option<(ShardRef, u64)>) -> Document {
    let Some((shard, position)) = after else {
        return doc! { "source_domain": { "$gt": 0 } };
    };
    let domain = i32::from(shard.domain.code());
    let number = i32::from(shard.shard);
    doc! { "$or": [
        { "source_domain": { "$gt": domain } },
        { "source_domain": domain, "source_shard": { "$gt": number } },
        { "source_domain": domain, "source_shard": number, "position": { "$gt": position.cast_signed() } },
    ] }
}
