//! One batch, one transaction, one statement.
//!
//! The statement is a transaction of its own: it is committed when the server answers, and it costs one trip. Nothing of
//! it waits for this process while it holds locks, so a process that is stopped in the middle of a commit keeps nobody
//! from claiming its shards.
//!
//! READ COMMITTED is enough. The update of a head takes its row's lock; if another owner has changed the row in the
//! meantime, PostgreSQL looks at the condition again on the row as it is now, the epoch does not fit, and the batch
//! fails. As long as the lock is held nobody else gets past the same fence, so owners follow one after the other, and
//! everything else that the batch writes belongs to the shards whose heads it holds.
//!
//! If the answer does not come, the outcome is unknown. One unknown outcome does not show: where the server waits for
//! its synchronous standby and an administrator cancels that wait (`pg_cancel_backend`), it answers as if all were well
//! and adds a warning, which sqlx writes to the log (target `sqlx::postgres::notice`) and does not hand on. Nothing of
//! ours cancels statements, and `statement_timeout` does not apply to that wait, so it takes a hand to get there. Whoever
//! promotes the standby after that has lost commits, and is to run `stampede recover`.

use std::collections::{BTreeMap, HashMap, HashSet};

use domain::{Domain, ShardRef};

use super::{
    batch::BatchStatement,
    errors,
    rows::{self, Commit, position_before},
    schema, states,
    store::PostgresStore,
};
use crate::{Batch, Journal, KeyRecord, ParkedRow, StorageError};

impl PostgresStore {
    /// Writes the batch or nothing.
    pub(super) async fn commit_batch(&self, batch: &Batch) -> Result<(), StorageError> {
        let parts = split(batch)?;
        let Some(database) = self.database_of(&parts)? else {
            return Ok(());
        };
        let (sql, arguments) = statement(batch, &parts)?.finish();
        let database = self.database(database);
        self.faults.before_write(database).await?;
        self.faults.at_commit()?;
        let Err(error) = database.try_fetch(sql, arguments).await else {
            return Ok(());
        };
        match errors::code(&error).as_deref() {
            Some(errors::HEAD_MOVED) => Err(self.find_moved(&batch.commits).await?),
            Some(errors::KEY_TAKEN) => Err(StorageError::Conflict(
                "a key belongs to another aggregate".to_owned(),
            )),
            _ => Err(errors::classify(error)),
        }
    }

    /// The one database that these parts belong to; `None` if there is nothing to write.
    fn database_of(
        &self,
        parts: &BTreeMap<Domain, Part<'_>>,
    ) -> Result<Option<usize>, StorageError> {
        let mut database = None;
        for &domain in parts.keys() {
            let this = self.domain(domain)?.database;
            if database.is_some_and(|other| other != this) {
                let names: Vec<_> = parts.keys().map(|domain| domain.name()).collect();
                return Err(StorageError::Mismatch(format!(
                    "one batch writes to {}, which are in different databases",
                    names.join(" and ")
                )));
            }
            database = Some(this);
        }
        Ok(database)
    }

    /// Names the shard whose head is not as the batch expected it.
    async fn find_moved(&self, commits: &[Commit]) -> Result<StorageError, StorageError> {
        let shards: Vec<_> = commits.iter().map(|commit| commit.shard).collect();
        let heads: HashMap<_, _> = self.heads(&shards).await?.into_iter().collect();
        let moved = commits.iter().find(|commit| {
            heads.get(&commit.shard).is_none_or(|head| {
                (head.epoch, head.revision, head.last_position)
                    != (commit.epoch, commit.revision, position_before(commit))
            })
        });
        Ok(match moved {
            Some(commit) => StorageError::HeadMoved {
                shard: commit.shard,
            },
            None => StorageError::Unavailable("a head moved for a moment".to_owned()),
        })
    }
}

/// What a batch writes to one domain, apart from the states of aggregates, each kind of which belongs to one domain.
#[derive(Default)]
struct Part<'a> {
    commits: Vec<&'a Commit>,
    keys: BTreeMap<&'a str, &'a KeyRecord>,
    parked: BTreeMap<(ShardRef, u64), &'a ParkedRow>,
    unparked: Vec<(u16, u64)>,
}

/// What a batch writes to each domain that it writes to. Rows of one key that one statement could not write both are
/// put together as if they were written one after the other.
fn split(batch: &Batch) -> Result<BTreeMap<Domain, Part<'_>>, StorageError> {
    let (rows, now) = (&batch.rows, time_of(batch));
    let mut parts: BTreeMap<Domain, Part<'_>> = BTreeMap::new();
    for commit in &batch.commits {
        let part = parts.entry(commit.shard.domain).or_default();
        part.commits.push(commit);
    }
    for record in &rows.keys {
        let keys = &mut parts.entry(record.key.shard.domain).or_default().keys;
        if let Some(before) = keys.insert(&record.key.text, record)
            && before.owner.aggregate_id != record.owner.aggregate_id
            && before
                .owner
                .expires_at
                .is_none_or(|time| time.as_millis() > now)
        {
            return Err(StorageError::Conflict(
                "a key belongs to another aggregate of the same batch".to_owned(),
            ));
        }
    }
    let unparked: HashSet<_> = rows.unparked.iter().copied().collect();
    for row in &rows.parked {
        let at = (row.shard, row.command.id);
        if !unparked.contains(&at) {
            let part = parts.entry(row.shard.domain).or_default();
            part.parked.insert(at, row);
        }
    }
    for (shard, id) in unparked {
        let part = parts.entry(shard.domain).or_default();
        part.unparked.push((shard.shard, id));
    }
    for (domain, is_empty) in [
        (Domain::Orders, rows.orders.is_empty()),
        (Domain::Products, rows.products.is_empty()),
        (
            Domain::Auth,
            rows.users.is_empty() && rows.credentials.is_empty(),
        ),
        (Domain::Notifications, rows.notifications.is_empty()),
    ] {
        if !is_empty {
            parts.entry(domain).or_default();
        }
    }
    Ok(parts)
}

/// The time of the batch: that of its newest record. Without records there is none, and no key has expired by then.
fn time_of(batch: &Batch) -> i64 {
    batch
        .commits
        .iter()
        .flat_map(|commit| &commit.records)
        .map(|record| record.payload.time.as_millis())
        .max()
        .unwrap_or(i64::MIN)
}

/// The statement for the batch: the heads of all domains, the fence, and then everything else.
fn statement(
    batch: &Batch,
    parts: &BTreeMap<Domain, Part<'_>>,
) -> Result<BatchStatement, StorageError> {
    let functions = parts.keys().next().copied().map_or("", schema::of);
    let mut statement = BatchStatement::new(functions);
    let mut heads = Vec::new();
    for (&domain, part) in parts {
        if !part.commits.is_empty() {
            let schema = schema::of(domain);
            heads.push(rows::move_heads(&mut statement, schema, &part.commits)?);
        }
    }
    if !heads.is_empty() {
        statement.fence(&heads, batch.commits.len())?;
    }
    for (&domain, part) in parts {
        write_part(&mut statement, schema::of(domain), part, time_of(batch))?;
    }
    states::write_states(&mut statement, &batch.rows)?;
    Ok(statement)
}

fn write_part(
    statement: &mut BatchStatement,
    schema: &'static str,
    part: &Part<'_>,
    now: i64,
) -> Result<(), StorageError> {
    rows::write_links(statement, schema, &part.commits)?;
    rows::write_records(statement, schema, &part.commits)?;
    if !part.keys.is_empty() {
        let keys: Vec<_> = part.keys.values().copied().collect();
        let taken = rows::write_keys(statement, schema, &keys, now)?;
        statement.expect(&[taken], keys.len(), errors::KEY_TAKEN)?;
    }
    let parked: Vec<_> = part.parked.values().copied().collect();
    rows::write_parked(statement, schema, &parked)?;
    rows::remove_parked(statement, schema, &part.unparked)
}
