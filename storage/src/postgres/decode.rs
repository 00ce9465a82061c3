//! Rows as the types of the ports.

use domain::{Domain, OrderId, ProductId, ShardRef, Timestamp, parking::ParkedCommand};
use sqlx::{Decode, Postgres, Row, Type, postgres::PgRow};

use super::errors;
use crate::{
    KeyOwner, ParkedRow, StorageError, StoredRecord, TraceContext,
    kept::{self, Kept, damaged},
    links,
};

/// Columns of [`record`].
pub(super) const RECORD: &str =
    "shard, position, aggregate_id, seq, time_ms, event_type, payload, links, trace";
/// Columns of [`parked`].
pub(super) const PARKED: &str = "shard, id, parked_at_ms, source_domain, source_shard, source_position, aggregate_id, \
     order_id, event_type, payload, error";

/// Bytes of a trace's id, which its span's id follows.
const TRACE_ID_BYTES: usize = 16;
/// Bytes of a span's id.
const SPAN_ID_BYTES: usize = 8;

/// The value of a column.
pub(super) fn get<'r, T>(row: &'r PgRow, column: usize) -> Result<T, StorageError>
where
    T: Decode<'r, Postgres> + Type<Postgres>,
{
    row.try_get(column).map_err(errors::classify)
}

/// The number in a column.
pub(super) fn number(row: &PgRow, column: usize) -> Result<u64, StorageError> {
    get::<i64>(row, column).map(i64::cast_unsigned)
}

/// The point in time in a column.
pub(super) fn time(row: &PgRow, column: usize) -> Result<Timestamp, StorageError> {
    get(row, column).map(Timestamp::from_millis)
}

/// The point in time in a column that may be NULL.
pub(super) fn optional_time(row: &PgRow, column: usize) -> Result<Option<Timestamp>, StorageError> {
    Ok(get::<Option<i64>>(row, column)?.map(Timestamp::from_millis))
}

/// The shard of this domain whose number is in a column.
pub(super) fn shard(row: &PgRow, column: usize, domain: Domain) -> Result<ShardRef, StorageError> {
    Ok(ShardRef {
        domain,
        shard: get::<i16>(row, column)?.cast_unsigned(),
    })
}

/// The shard whose domain is in this column and whose number in the next.
pub(super) fn peer(row: &PgRow, column: usize) -> Result<ShardRef, StorageError> {
    let code: i16 = get(row, column)?;
    let domain = u8::try_from(code).ok().and_then(Domain::from_code);
    let domain =
        domain.ok_or_else(|| damaged("domain", u64::from(code.cast_unsigned()), "unknown"))?;
    shard(row, column + 1, domain)
}

/// The id in a column.
pub(super) fn order_id(row: &PgRow, column: usize) -> Result<OrderId, StorageError> {
    let number = number(row, column)?;
    OrderId::new(number).ok_or_else(|| damaged("order id", number, "out of bounds"))
}

/// The id in a column.
pub(super) fn product_id(row: &PgRow, column: usize) -> Result<ProductId, StorageError> {
    let number = number(row, column)?;
    ProductId::new(number).ok_or_else(|| damaged("product id", number, "out of bounds"))
}

/// A record of the domain's journal, from [`RECORD`].
pub(super) fn record(row: &PgRow, domain: Domain) -> Result<StoredRecord, StorageError> {
    let position = number(row, 1)?;
    let stamps = match get::<Option<&str>>(row, 7)? {
        Some(text) => links::from_text(text)
            .ok_or_else(|| damaged("links of a record", position, "malformed"))?,
        None => Vec::new(),
    };
    let trace = match get::<Option<&[u8]>>(row, 8)? {
        Some(bytes) => Some(
            trace_from_bytes(bytes)
                .ok_or_else(|| damaged("trace of a record", position, "not 24 bytes"))?,
        ),
        None => None,
    };
    Ok(StoredRecord {
        shard: shard(row, 0, domain)?,
        position,
        aggregate_id: number(row, 2)?,
        seq: number(row, 3)?,
        time: time(row, 4)?,
        event_type: get(row, 5)?,
        payload: get(row, 6)?,
        stamps,
        trace,
    })
}

/// The column `trace` of a journal row.
pub(super) fn trace_to_bytes(trace: &TraceContext) -> Vec<u8> {
    [trace.trace_id.as_slice(), &trace.span_id].concat()
}

fn trace_from_bytes(bytes: &[u8]) -> Option<TraceContext> {
    let (trace_id, rest) = bytes.split_first_chunk::<TRACE_ID_BYTES>()?;
    let span_id: [u8; SPAN_ID_BYTES] = rest.try_into().ok()?;
    Some(TraceContext {
        trace_id: *trace_id,
        span_id,
    })
}

/// A parked command of the domain, from [`PARKED`].
pub(super) fn parked(row: &PgRow, domain: Domain) -> Result<ParkedRow, StorageError> {
    let source = peer(row, 3)?;
    let order = match get::<Option<i64>>(row, 7)? {
        Some(_) => Some(order_id(row, 7)?),
        None => None,
    };
    Ok(ParkedRow {
        shard: shard(row, 0, domain)?,
        parked_at: time(row, 2)?,
        command: ParkedCommand {
            id: number(row, 1)?,
            source_domain: source.domain,
            source_shard: source.shard,
            source_position: number(row, 5)?,
            aggregate_id: number(row, 6)?,
            order_id: order,
            event_type: get(row, 8)?,
            payload: get(row, 9)?,
            error: get(row, 10)?,
        },
    })
}

/// The owner of a key: aggregate, fingerprint and expiry from this column on.
pub(super) fn key_owner(row: &PgRow, column: usize) -> Result<KeyOwner, StorageError> {
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
    row: &PgRow,
    id_column: usize,
    state_column: usize,
) -> Result<T, StorageError> {
    kept::decode(number(row, id_column)?, get(row, state_column)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_comes_back() {
        let trace = TraceContext {
            trace_id: [7; TRACE_ID_BYTES],
            span_id: [9; SPAN_ID_BYTES],
        };
        let bytes = trace_to_bytes(&trace);
        assert_eq!(trace_from_bytes(&bytes), Some(trace));
        assert_eq!(trace_from_bytes(&bytes[1..]), None);
        assert_eq!(trace_from_bytes(&[bytes.as_slice(), &[0]].concat()), None);
    }
}
