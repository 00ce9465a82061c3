//! [`Archive`] on PostgreSQL.

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::{Domain, ShardRef};
use sqlx::postgres::PgRow;

use super::{bind::Values, decode, schema, store::PostgresStore};
use crate::{
    Archive, Archived, StorageError, StoredRecord,
    archive::{above_the_mark, beyond},
    links,
    topology::SHARDED,
};

#[async_trait]
impl Archive for PostgresStore {
    fn store_id(&self) -> String {
        self.cluster_id().to_owned()
    }

    async fn archived(&mut self) -> Result<Vec<Archived>, StorageError> {
        let mut archived = Vec::new();
        for domain in SHARDED {
            let arguments = Values::default().into_arguments();
            let rows = self.fetch(domain, all_marks(domain), arguments).await?;
            archived.extend(marks_of(domain, &rows)?);
        }
        Ok(archived)
    }

    async fn set_archived(&mut self, archived: &[Archived]) -> Result<(), StorageError> {
        let mut by_domain: BTreeMap<Domain, Vec<&Archived>> = BTreeMap::new();
        for mark in archived {
            by_domain.entry(mark.shard.domain).or_default().push(mark);
        }
        for (domain, marks) in by_domain {
            self.set_marks(domain, &marks).await?;
        }
        Ok(())
    }

    async fn forget(
        &mut self,
        shard: ShardRef,
        after: u64,
        up_to: u64,
    ) -> Result<u64, StorageError> {
        let schema = schema::of(shard.domain);
        let sql = format!(
            "WITH gone AS (DELETE FROM {schema}.journal WHERE shard = $1 AND position > $2 \
             AND position <= least($3, (SELECT position FROM {schema}.archived WHERE shard = $1)) \
             AND EXISTS (SELECT 1 FROM {schema}.archived WHERE shard = $1) RETURNING 1) \
             SELECT count(*) FROM gone"
        );
        let mut values = Values::default();
        values.shard(shard.shard)?.number(after)?.number(up_to)?;
        let arguments = values.into_arguments();
        let rows = self.fetch(shard.domain, sql, arguments).await?;
        count(&rows)
    }

    async fn put_back(&mut self, records: &[StoredRecord]) -> Result<u64, StorageError> {
        let Some(first) = records.first() else {
            return Ok(0);
        };
        let marks = self.archived().await?;
        let mark = marks.iter().find(|mark| mark.shard == first.shard);
        let position = mark.map_or(0, |mark| mark.position);
        let is_archived =
            |record: &StoredRecord| record.shard == first.shard && record.position <= position;
        if !records.iter().all(is_archived) {
            return Err(above_the_mark(first.shard));
        }
        let sql = format!(
            "WITH new AS (INSERT INTO {}.journal \
             (shard, position, aggregate_id, seq, time_ms, event_type, payload, links, trace) \
             SELECT $1, * FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], \
             $7::bytea[], $8::text[], $9::bytea[]) ON CONFLICT DO NOTHING RETURNING 1) \
             SELECT count(*) FROM new",
            schema::of(first.shard.domain)
        );
        let arguments = columns(first.shard, records)?.into_arguments();
        let rows = self.fetch(first.shard.domain, sql, arguments).await?;
        count(&rows)
    }
}

impl PostgresStore {
    async fn set_marks(&self, domain: Domain, marks: &[&Archived]) -> Result<(), StorageError> {
        let schema = schema::of(domain);
        // Either all of them are set or, because a journal is too short, none is.
        let sql = format!(
            "WITH wanted AS (SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bigint[]) \
               AS wanted (shard, position, before_ms)), \
             fits AS (SELECT NOT EXISTS (SELECT 1 FROM wanted LEFT JOIN {schema}.head AS head USING (shard) \
               WHERE wanted.position > coalesce(head.last_position, 0)) AS fits), \
             gone AS (DELETE FROM {schema}.archived USING wanted, fits \
               WHERE fits AND wanted.position = 0 AND archived.shard = wanted.shard), \
             set AS (INSERT INTO {schema}.archived (shard, position, before_ms) \
               SELECT shard, position, before_ms FROM wanted, fits WHERE fits AND position > 0 \
               ON CONFLICT (shard) DO UPDATE SET \
               position = excluded.position, before_ms = excluded.before_ms) \
             SELECT count(*) FROM fits WHERE fits"
        );
        let mut values = Values::default();
        let shards: Vec<i16> = marks.iter().map(|m| m.shard.shard.cast_signed()).collect();
        let positions: Vec<i64> = marks.iter().map(|m| m.position.cast_signed()).collect();
        let times: Vec<i64> = marks.iter().map(|m| m.before.as_millis()).collect();
        values.add(shards)?.add(positions)?.add(times)?;
        let rows = self.fetch(domain, sql, values.into_arguments()).await?;
        match (count(&rows)?, marks.first()) {
            (0, Some(mark)) => Err(beyond(mark)),
            _ => Ok(()),
        }
    }
}

/// The statement that reads all marks of a domain.
pub(super) fn all_marks(domain: Domain) -> String {
    format!(
        "SELECT shard, position, before_ms FROM {}.archived ORDER BY shard",
        schema::of(domain)
    )
}

/// The marks in the rows of [`all_marks`].
pub(super) fn marks_of(domain: Domain, rows: &[PgRow]) -> Result<Vec<Archived>, StorageError> {
    rows.iter()
        .map(|row| {
            Ok(Archived {
                shard: decode::shard(row, 0, domain)?,
                position: decode::number(row, 1)?,
                before: decode::time(row, 2)?,
            })
        })
        .collect()
}

/// The records of a shard, column by column.
fn columns(shard: ShardRef, records: &[StoredRecord]) -> Result<Values, StorageError> {
    let numbers = |number: fn(&StoredRecord) -> u64| -> Vec<i64> {
        let numbers = records.iter().map(number);
        numbers.map(u64::cast_signed).collect()
    };
    let times: Vec<i64> = records.iter().map(|r| r.time.as_millis()).collect();
    let types: Vec<&str> = records.iter().map(|r| r.event_type.as_str()).collect();
    let payloads: Vec<&[u8]> = records.iter().map(|r| r.payload.as_slice()).collect();
    let links: Vec<Option<String>> = records.iter().map(|r| links::to_text(&r.stamps)).collect();
    let traces: Vec<Option<Vec<u8>>> = records
        .iter()
        .map(|record| record.trace.as_ref().map(decode::trace_to_bytes))
        .collect();
    let mut values = Values::default();
    values
        .shard(shard.shard)?
        .add(numbers(|record| record.position))?
        .add(numbers(|record| record.aggregate_id))?
        .add(numbers(|record| record.seq))?
        .add(times)?
        .add(types)?
        .add(payloads)?
        .add(links)?
        .add(traces)?;
    Ok(values)
}

fn count(rows: &[PgRow]) -> Result<u64, StorageError> {
    rows.first().map_or(Ok(0), |row| decode::number(row, 0))
}
