//! How far the log has come with each source shard: one document each.

use domain::ShardRef;
use mongodb::bson::{Bson, Document, doc};

use super::{
    connect::{Collections, WATERMARK},
    errors::{DUPLICATE_KEY, classify},
};
use crate::{StorageError, incarnation::Incarnations};

/// Which way a watermark may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// Up to the position, and never down.
    Up,
    /// Down to the position, and never up. A shard without a watermark gets none.
    Down,
}

/// The watermark of every source shard that has one, by shard.
pub(super) async fn read(collections: &Collections) -> Result<Vec<(ShardRef, u64)>, StorageError> {
    let mut found = collections
        .watermarks
        .find(doc! {})
        .await
        .map_err(classify)?;
    let mut watermarks = Vec::new();
    while found.advance().await.map_err(classify)? {
        let document = found.deserialize_current().map_err(classify)?;
        watermarks.push(document.watermark()?);
    }
    watermarks.sort_unstable();
    Ok(watermarks)
}

/// Moves watermarks, all in one command. The incarnation that goes with the position is for people to read.
pub(super) async fn change(
    collections: &Collections,
    incarnations: &Incarnations,
    watermarks: &[(ShardRef, u64)],
    way: Move,
) -> Result<(), StorageError> {
    let updates: Vec<Document> = watermarks
        .iter()
        .map(|&(shard, position)| update(incarnations, shard, position, way))
        .collect();
    // The driver's own bulk write needs a server that is newer than many in use.
    let command = doc! {
        "update": WATERMARK,
        "updates": updates,
        "ordered": false,
        "writeConcern": { "w": "majority" },
    };
    let reply = collections
        .database
        .run_command(command)
        .await
        .map_err(classify)?;
    outcome(&reply)
}

fn update(incarnations: &Incarnations, shard: ShardRef, position: u64, way: Move) -> Document {
    let at = position.cast_signed();
    let mut update = doc! {
        "$set": {
            "source_domain": i32::from(shard.domain.code()),
            "source_shard": i32::from(shard.shard),
            "incarnation": incarnations.of(shard, position),
        },
    };
    match way {
        Move::Up => update.insert("$max", doc! { "position": at }),
        Move::Down => update.insert("$min", doc! { "position": at }),
    };
    doc! { "q": { "_id": shard.to_string() }, "u": update, "upsert": way == Move::Up }
}

/// Whether the reply says that all was done: a refused update does not make the command fail.
fn outcome(reply: &Document) -> Result<(), StorageError> {
    let refused = reply
        .get_array("writeErrors")
        .ok()
        .and_then(|all| all.first());
    let unsure = reply.get("writeConcernError");
    match refused.or(unsure).and_then(Bson::as_document) {
        None => Ok(()),
        Some(error) => {
            let text = error.get_str("errmsg").unwrap_or("no reason given");
            // Two writers made the same document at once; whoever was refused comes again.
            let hint = match error.get_i32("code") {
                Ok(DUPLICATE_KEY) => "another writer was faster: ",
                _ => "",
            };
            Err(StorageError::Unavailable(format!(
                "mongodb: a watermark was not moved: {hint}{text}"
            )))
        }
    }
}
