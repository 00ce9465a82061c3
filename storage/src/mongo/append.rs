//! Writes entries: each record once, each entry under a number of its own.

use mongodb::{
    bson::{Document, doc},
    error::{Error, ErrorKind, InsertManyError},
    options::ReturnDocument,
};

use super::{
    connect::Collections,
    documents::EntryDocument,
    errors::{DUPLICATE_KEY, classify},
};
use crate::StorageError;

/// The document of the counter.
const COUNTER_KEY: &str = "activity";
/// How often entries are given other numbers because theirs were taken.
///
/// On MongoDB a number is never given twice. FerretDB 1 reads and writes the counter in two steps, so two writers may
/// get the same block; the unique index then refuses one of them.
const NUMBERING_TRIES_MAX: usize = 20;
/// What MongoDB says where it was the name of an entry that was taken.
const NAME_IS_TAKEN: &str = "index: _id_ dup key";

/// Makes the counter, where it is missing, so that it goes on after the entries that are there.
pub(super) async fn ensure_counter(collections: &Collections) -> Result<(), StorageError> {
    let key = doc! { "_id": COUNTER_KEY };
    let found = collections.counter.find_one(key).await.map_err(classify)?;
    if found.is_some() {
        return Ok(());
    }
    let newest = collections
        .entries
        .find_one(doc! {})
        .sort(doc! { "id": -1 })
        .await
        .map_err(classify)?;
    let last = newest.map_or(0, |entry| entry.id);
    let counter = doc! { "_id": COUNTER_KEY, "last": last };
    match collections.counter.insert_one(counter).await {
        Err(error) if is_duplicate(&error) => Ok(()),
        outcome => outcome.map(drop).map_err(classify),
    }
}

/// Writes what is not there yet.
///
/// An entry is refused because its record is in the log already, which is as good as written, or because its number is
/// taken; then it gets another and tries again. MongoDB says which of the two it was. FerretDB 1 does not, and is asked
/// for each entry by its name: it finds nothing else without reading the whole collection.
pub(super) async fn write(
    collections: &Collections,
    mut entries: Vec<EntryDocument>,
) -> Result<(), StorageError> {
    for _ in 0..NUMBERING_TRIES_MAX {
        let count = i64::try_from(entries.len()).expect("a batch is far smaller");
        let last = take_numbers(collections, count).await?;
        for (entry, id) in entries.iter_mut().zip(last - count + 1..) {
            entry.id = id;
        }
        let mut missing = Vec::new();
        for index in insert(collections, &entries).await? {
            let entry = &entries[index];
            if !is_there(collections, &entry.key).await? {
                missing.push(entry.clone());
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        entries = missing;
    }
    Err(StorageError::Unavailable(
        "mongodb: other writers keep taking the numbers of these entries".to_owned(),
    ))
}

/// Takes the next `count` numbers; gives the last of them.
async fn take_numbers(collections: &Collections, count: i64) -> Result<i64, StorageError> {
    let counter = collections
        .counter
        .find_one_and_update(
            doc! { "_id": COUNTER_KEY },
            doc! { "$inc": { "last": count } },
        )
        .upsert(true)
        .return_document(ReturnDocument::After)
        .await
        .map_err(classify)?;
    counter
        .and_then(|counter| counter.get_i64("last").ok())
        .ok_or_else(|| StorageError::Damaged("the counter of the activity log".to_owned()))
}

/// Inserts all that can be; gives the indexes of those that were refused and may not be there.
async fn insert(
    collections: &Collections,
    entries: &[EntryDocument],
) -> Result<Vec<usize>, StorageError> {
    let error = match collections
        .entries
        .insert_many(entries)
        .ordered(false)
        .await
    {
        Ok(_) => return Ok(Vec::new()),
        Err(error) => error,
    };
    match error.kind.as_ref() {
        ErrorKind::InsertMany(failure) => in_doubt(failure),
        _ => Err(classify(error)),
    }
}

/// The indexes of the entries for which something unique was taken, and not surely their name; an error if anything
/// else went wrong.
fn in_doubt(failure: &InsertManyError) -> Result<Vec<usize>, StorageError> {
    if let Some(unsure) = &failure.write_concern_error {
        return Err(StorageError::Unavailable(format!(
            "mongodb: entries may not last: {}",
            unsure.message
        )));
    }
    let errors = failure.write_errors.as_deref().unwrap_or_default();
    if let Some(wrong) = errors.iter().find(|error| error.code != DUPLICATE_KEY) {
        return Err(StorageError::Unavailable(format!(
            "mongodb: an entry was refused with code {}: {}",
            wrong.code, wrong.message
        )));
    }
    Ok(errors
        .iter()
        .filter(|error| !error.message.contains(NAME_IS_TAKEN))
        .map(|error| error.index)
        .collect())
}

/// Whether there is an entry of that name.
async fn is_there(collections: &Collections, key: &str) -> Result<bool, StorageError> {
    let found = collections
        .entries
        .clone_with_type::<Document>()
        .find_one(doc! { "_id": key })
        .projection(doc! { "_id": 1 })
        .await
        .map_err(classify)?;
    Ok(found.is_some())
}

/// Whether something unique was taken.
fn is_duplicate(error: &Error) -> bool {
    use mongodb::error::WriteFailure;
    matches!(error.kind.as_ref(), ErrorKind::Write(WriteFailure::WriteError(write)) if write.code == DUPLICATE_KEY)
}
