//! Rows as the types of the ports.

use domain::{Domain, OrderId, ProductId, ShardRef, Timestamp, parking::ParkedCommand};
use sqlx::{Decode, Row, Sqlite, Type, sqlite::SqliteRow};

use super::errors;
use crate::{
    Key, KeyOwner, KeyRecord, ParkedRow, StorageError, StoredRecord,
    kept::{self, Kept, damaged},
    links,
};

/// Columns of [`record`].
pub(super) const RECORD: &str =
    "domain, shard, position, aggregate_id, seq, time_ms, event_type, payload, links";
/// Columns of [`parked`].
pub(super) const PARKED: &str = "domain, shard, id, parked_at_ms, source_domain, source_shard, source_position, \
     aggregate_id, order_id, event_type, payload, error";
/// Columns of [`key`].
pub(super) const KEY: &str = "domain, shard, text, aggregate_id, fingerprint, expires_at_ms";

/// The value of a column.
pub(super) fn get<'r, T>(row: &'r SqliteRow, column: usize) -> Result<T, StorageError>
where
    T: Decode<'r, Sqlite> + Type<Sqlite>,
{
    row.try_get(column).map_err(errors::classify)
}

/// The number in a column.
pub(super) fn number(row: &SqliteRow, column: usize) -> Result<u64, StorageError> {
    get::<i64>(row, column).map(i64::cast_unsigned)
}

/// The point in time in a column.
pub(super) fn time(row: &SqliteRow, column: usize) -> Result<Timestamp, StorageError> {
    get(row, column).map(Timestamp::from_millis)
}

/// The point in time in a column that may be NULL.
pub(super) fn optional_time(
    row: &SqliteRow,
    column: usize,
) -> Result<Option<Timestamp>, StorageError> {
    Ok(get::<Option<i64>>(row, column)?.map(Timestamp::from_millis))
}

/// The shard whose domain is in this column and whose number in the next.
pub(super) fn shard(row: &SqliteRow, column: usize) -> Result<ShardRef, StorageError> {
    Ok(ShardRef {
        domain: domain(row, column)?,
        shard: get(row, column + 1)?,
    })
}

fn domain(row: &SqliteRow, column: usize) -> Result<Domain, StorageError> {
    let code: u8 = get(row, column)?;
    Domain::from_code(code).ok_or_else(|| damaged("domain", u64::from(code), "unknown"))
}

/// The id in a column.
pub(super) fn order_id(row: &SqliteRow, column: usize) -> Result<OrderId, StorageError> {
    let number = number(row, column)?;
    OrderId::new(number).ok_or_else(|| damaged("order id", number, "out of bounds"))
}

/// The id in a column that may be NULL.
pub(super) fn optional_order_id(
    row: &SqliteRow,
    column: usize,
) -> Result<Option<OrderId>, StorageError> {
    match get::<Option<i64>>(row, column)? {
        Some(_) => order_id(row, column).map(Some),
        None => Ok(None),
    }
}

/// The id in a column.
pub(super) fn product_id(row: &SqliteRow, column: usize) -> Result<ProductId, StorageError> {
    let number = number(row, column)?;
    ProductId::new(number).ok_or_else(|| damaged("product id", number, "out of bounds"))
}

/// A record of the journal, from [`RECORD`].
pub(super) fn record(row: &SqliteRow) -> Result<StoredRecord, StorageError> {
    let shard = shard(row, 0)?;
    let position = number(row, 2)?;
    let stamps = match get::<Option<&str>>(row, 8)? {
        Some(text) => links::from_text(text)
            .ok_or_else(|| damaged("links of a record", position, "malformed"))?,
        None => Vec::new(),
    };
    Ok(StoredRecord {
        shard,
        position,
        aggregate_id: number(row, 3)?,
        seq: number(row, 4)?,
        time: time(row, 5)?,
        event_type: get(row, 6)?,
        payload: get(row, 7)?,
        stamps,
        // Nothing outside of the process reads its records.
        trace: None,
    })
}

/// A parked command, from [`PARKED`].
pub(super) fn parked(row: &SqliteRow) -> Result<ParkedRow, StorageError> {
    Ok(ParkedRow {
        shard: shard(row, 0)?,
        parked_at: time(row, 3)?,
        command: ParkedCommand {
            id: number(row, 2)?,
            source_domain: domain(row, 4)?,
            source_shard: get(row, 5)?,
            source_position: number(row, 6)?,
            aggregate_id: number(row, 7)?,
            order_id: optional_order_id(row, 8)?,
            event_type: get(row, 9)?,
            payload: get(row, 10)?,
            error: get(row, 11)?,
        },
    })
}

/// A key and its owner, from [`KEY`].
pub(super) fn key(row: &SqliteRow) -> Result<KeyRecord, StorageError> {
    Ok(KeyRecord {
        key: Key {
            shard: shard(row, 0)?,
            text: get(row, 2)?,
        },
        owner: key_owner(row, 3)?,
    })
}

/// The owner of a key: aggregate, fingerprint and expiry from this column on.
pub(super) fn key_owner(row: &SqliteRow, column: usize) -> Result<KeyOwner, StorageError> {
    let aggregate_id = number(row, column)?;
    let fingerprint: &[u8] = get(row, column + 1)?;
    Ok(KeyOwner {
        aggregate_id,
        fingerprint: fingerprint
            .try_into()
            .map_err(|_| damaged("fingerprint of a key of", aggregate_id, "not 16 bytes"))?,
        expires_at: optional_time(row, column + 2)?,
    })
}

/// The state in a column, of the aggregate whose id is in another.
pub(super) fn state<T: Kept>(
    row: &SqliteRow,
    id_column: usize,
    state_column: usize,
) -> Result<T, StorageError> {
    kept::decode(number(row, id_column)?, get(row, state_column)?)
}
