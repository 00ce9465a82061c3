//! What the activity log remembers of journals that may have forgotten it, for `stampede recover`.

use domain::{OrderId, ShardRef, Timestamp};
use mongodb::bson::doc;

use super::{
    AUDIT_TIME_MAX, MongoActivitySnapshot,
    documents::EntryDocument,
    errors::{classify, within},
};
use crate::{LostEvent, StorageError, incarnation::parse_source_name};

impl MongoActivitySnapshot {
    /// Gives what the log tells of a shard's records above a position to `take`, in the order of positions, records of
    /// every incarnation. Of the aggregate only the order is known, where the record is one of an order.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`], [`StorageError::Damaged`] for an entry that cannot be decoded, and what `take`
    /// says.
    pub async fn remembered_above(
        &self,
        shard: ShardRef,
        position: u64,
        mut take: impl AsyncFnMut(LostEvent) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let filter = doc! {
            "source_domain": i32::from(shard.domain.code()),
            "source_shard": i32::from(shard.shard),
            "position": { "$gt": position.cast_signed() },
        };
        let find = async {
            let entries = &self.collections().entries;
            entries
                .find(filter)
                .sort(doc! { "position": 1 })
                .await
                .map_err(classify)
        };
        let mut entries = within(AUDIT_TIME_MAX, find).await?;
        loop {
            let more = async { entries.advance().await.map_err(classify) };
            if !within(AUDIT_TIME_MAX, more).await? {
                return Ok(());
            }
            let document = entries.deserialize_current().map_err(classify)?;
            take(lost_event(shard, document)?).await?;
        }
    }
}

fn lost_event(shard: ShardRef, document: EntryDocument) -> Result<LostEvent, StorageError> {
    let wrong = || StorageError::Damaged(format!("an entry has the name {}", document.key));
    let (source, position) = document.key.rsplit_once(':').ok_or_else(wrong)?;
    let (named, incarnation) = parse_source_name(source).ok_or_else(wrong)?;
    if named != shard {
        return Err(wrong());
    }
    let (incarnation, position) = (
        incarnation.to_owned(),
        position.parse().map_err(|_| wrong())?,
    );
    let time = Timestamp::from_millis(document.time.timestamp_millis());
    let entry = document.into_entry()?;
    let is_of_an_order = shard.domain == domain::Domain::Orders;
    let order = entry.order_id.filter(|_| is_of_an_order);
    Ok(LostEvent {
        shard,
        incarnation,
        position,
        aggregate_id: order.map_or(0, OrderId::get),
        time,
        event_type: entry.event_type,
    })
}
