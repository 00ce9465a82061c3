//! The port to what an archive does to a store: the beginnings of its journals are taken out, and put back.
//!
//! Each journal has a mark, the last position that was archived. Records at or below it belong to the archive, whether
//! they are still there or not: the mark is moved first, then records are forgotten, in as many steps as one likes. So
//! a removal that was cut short does no harm, and is simply taken up again. Heads, links and read models are not
//! touched; a store goes on being written to meanwhile.
//!
//! The mark never passes what somebody still has to read. To find that out is up to the caller.

use async_trait::async_trait;
use domain::{ShardRef, Timestamp};

use crate::{StorageError, StoredRecord};

/// Up to where a journal was archived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Archived {
    /// Whose journal.
    pub shard: ShardRef,
    /// The last position that was archived; 0 if none was.
    pub position: u64,
    /// What happened in the store before this time was archived.
    pub before: Timestamp,
}

/// The journals of a store, their beginnings to be taken out or put back.
#[async_trait]
pub trait Archive: Send {
    /// A name that tells this store from every other.
    fn store_id(&self) -> String;

    /// The mark of every journal that has one.
    async fn archived(&mut self) -> Result<Vec<Archived>, StorageError>;

    /// Sets marks; a position of 0 takes the mark away. Each database does so in one transaction.
    ///
    /// # Errors
    /// [`StorageError::Mismatch`] if a journal does not reach as far as its mark; then nothing is changed in that database.
    async fn set_archived(&mut self, archived: &[Archived]) -> Result<(), StorageError>;

    /// Forgets the records of a journal after position `after` and up to `up_to`, those above the mark excepted, in a
    /// transaction of its own; a store that keeps its activity log beside the journals forgets those entries too.
    /// Returns how many records were there.
    async fn forget(
        &mut self,
        shard: ShardRef,
        after: u64,
        up_to: u64,
    ) -> Result<u64, StorageError>;

    /// Puts records of one journal back, in a transaction of its own. Those that are there are left as they are. Returns
    /// how many were not there. The mark is not moved.
    ///
    /// # Errors
    /// [`StorageError::Mismatch`] if one of them is above the mark; then none is put back.
    async fn put_back(&mut self, records: &[StoredRecord]) -> Result<u64, StorageError>;
}

/// The error for a mark beyond the end of a journal.
pub(crate) fn beyond(mark: &Archived) -> StorageError {
    StorageError::Mismatch(format!(
        "the journal of {} does not reach position {}, up to which it is said to be archived",
        mark.shard, mark.position
    ))
}

/// The error for a record that does not belong to what was archived.
pub(crate) fn above_the_mark(shard: ShardRef) -> StorageError {
    StorageError::Mismatch(format!(
        "records of {shard} are to be put back that were never taken out"
    ))
}
