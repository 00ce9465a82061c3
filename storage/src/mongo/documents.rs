//! What the collections hold, and the way from entries to documents and back.

use domain::{Domain, OrderId, ShardRef, Timestamp};
use mongodb::bson::{DateTime, oid::ObjectId};
use serde::{Deserialize, Serialize};

use crate::{ActivityEntry, Level, NewActivity, StorageError, incarnation::Incarnations};

/// Bytes of a message at most; the rest is cut off. With its lower-cased copy, a document stays far below the 16 MiB
/// that a server accepts: one that it refuses would hold its source for ever.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// An entry.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct EntryDocument {
    /// The name of its record, or something unique.
    #[serde(rename = "_id")]
    pub(super) key: String,
    pub(super) id: i64,
    /// A date of BSON, so that the server can remove it by its age.
    pub(super) time: DateTime,
    level: String,
    service: String,
    event_type: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    order_id: Option<i64>,
    message: String,
    /// The message in lower case, to be searched.
    folded: String,
    #[serde(flatten, skip_serializing_if = "Option::is_none", default)]
    source: Option<SourceFields>,
}

/// The record of an entry, in the order in which `audit` reads.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct SourceFields {
    pub(super) source_domain: i32,
    pub(super) source_shard: i32,
    pub(super) position: i64,
}

/// As much of an entry as tells of its record.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct SourceDocument {
    #[serde(rename = "_id")]
    pub(super) key: String,
    #[serde(flatten)]
    pub(super) source: SourceFields,
}

/// How far the log has come with a source shard.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct WatermarkDocument {
    /// The shard, such as `orders/7`.
    #[serde(rename = "_id")]
    pub(super) key: String,
    source_domain: i32,
    source_shard: i32,
    position: i64,
}

impl EntryDocument {
    /// The document of an entry, with no number yet.
    ///
    /// # Errors
    /// [`StorageError::Mismatch`] if it is not known in which incarnation its record was written: under a name without
    /// one, a record of a later life would be taken for it.
    pub(super) fn new(
        entry: &NewActivity,
        incarnations: &Incarnations,
    ) -> Result<Self, StorageError> {
        let message = bounded(&entry.message);
        Ok(Self {
            key: match entry.source {
                Some((shard, position)) => entry_key(incarnations, shard, position)?,
                None => format!("{}:{}", entry.service, ObjectId::new()),
            },
            id: 0,
            time: DateTime::from_millis(entry.time.as_millis()),
            level: entry.level.as_str().to_owned(),
            service: entry.service.to_owned(),
            event_type: entry.event_type.clone(),
            order_id: entry.order_id.map(|order| order.get().cast_signed()),
            message: message.to_owned(),
            folded: message.to_lowercase(),
            source: entry.source.map(|(shard, position)| SourceFields {
                source_domain: shard.domain.code().into(),
                source_shard: shard.shard.into(),
                position: position.cast_signed(),
            }),
        })
    }

    /// The entry as it is shown.
    pub(super) fn into_entry(self) -> Result<ActivityEntry, StorageError> {
        let order_id = self.order_id.map(|order| {
            OrderId::new(order.cast_unsigned())
                .ok_or_else(|| StorageError::Damaged(format!("{order} is no order")))
        });
        Ok(ActivityEntry {
            id: number(self.id)?,
            time: Timestamp::from_millis(self.time.timestamp_millis()),
            level: Level::from_name(&self.level)
                .ok_or_else(|| StorageError::Damaged(format!("unknown level {}", self.level)))?,
            service: self.service,
            event_type: self.event_type,
            order_id: order_id.transpose()?,
            message: self.message,
        })
    }
}

impl SourceFields {
    /// The record.
    pub(super) fn record(self) -> Result<(ShardRef, u64), StorageError> {
        let shard = shard(self.source_domain, self.source_shard)?;
        Ok((shard, number(self.position)?))
    }
}

impl WatermarkDocument {
    /// The shard and how far the log has come with it.
    pub(super) fn watermark(&self) -> Result<(ShardRef, u64), StorageError> {
        let shard = shard(self.source_domain, self.source_shard)?;
        Ok((shard, number(self.position)?))
    }
}

/// The name of the entry that tells of a record.
pub(super) fn entry_key(
    incarnations: &Incarnations,
    shard: ShardRef,
    position: u64,
) -> Result<String, StorageError> {
    if incarnations.of(shard, position).is_empty() {
        return Err(StorageError::Mismatch(format!("no incarnation of {shard}")));
    }
    let source = incarnations.source(shard, position);
    Ok(format!("{source}:{position}"))
}

fn shard(domain: i32, shard: i32) -> Result<ShardRef, StorageError> {
    let wrong = || StorageError::Damaged(format!("no shard {shard} of domain {domain}"));
    Ok(ShardRef {
        domain: u8::try_from(domain)
            .ok()
            .and_then(Domain::from_code)
            .ok_or_else(wrong)?,
        shard: u16::try_from(shard).map_err(|_| wrong())?,
    })
}

fn number(value: i64) -> Result<u64, StorageError> {
    u64::try_from(value).map_err(|_| StorageError::Damaged(format!("{value} is below zero")))
}

/// The message, cut off where it grows too long.
fn bounded(message: &str) -> &str {
    &message[..message.floor_char_boundary(MESSAGE_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_cut_between_characters() {
        assert_eq!(bounded("short"), "short");
        let long = "x".repeat(MESSAGE_BYTES_MAX - 1) + "\u{fc}";
        assert_eq!(bounded(&long).len(), MESSAGE_BYTES_MAX - 1);
    }
}
