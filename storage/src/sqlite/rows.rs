//! The statements of a batch, and how each kind of row is bound to them.

use domain::{
    ShardRef, Timestamp, notifications::Notification, orders::Order, products::Product, users::User,
};
use engine::StampedRecord;
use rusqlite::Result;

use super::{eras, transaction::Row};
use crate::{
    Credentials, KeyRecord, NewRecord, ParkedRow,
    columns::{NotificationColumns, OrderColumns, ProductColumns, UserColumns},
    encoding, links,
};

// `OR ROLLBACK`: what violates a constraint ends the whole transaction, so SQLite need not keep what it takes to take back
// that statement alone.

pub(super) const JOURNAL: &str = "INSERT OR ROLLBACK INTO journal \
    (domain, shard, position, aggregate_id, seq, time_ms, event_type, payload, links) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// The fence: the head must be as the commit expects it.
pub(super) const HEAD: &str = "UPDATE head SET last_position = ?5, revision = revision + 1, last_id = ?6 \
    WHERE domain = ?1 AND shard = ?2 AND epoch = ?3 AND revision = ?4 AND last_position = ?7";

pub(super) const LINK: &str = "INSERT OR ROLLBACK INTO link \
    (domain, shard, peer_domain, peer_shard, sent, watermark) VALUES (?, ?, ?, ?, ?, ?) \
    ON CONFLICT (domain, shard, peer_domain, peer_shard) DO UPDATE SET \
    sent = max(sent, excluded.sent), watermark = max(watermark, excluded.watermark)";

pub(super) const ORDER: &str = "INSERT OR ROLLBACK INTO orders \
    (id, shard, era, user_id, status, deadline_ms, version, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?) \
    ON CONFLICT (id) DO UPDATE SET status = excluded.status, \
    deadline_ms = excluded.deadline_ms, version = excluded.version, state = excluded.state";

/// A SKU never changes, so the index on it is left alone.
pub(super) const PRODUCT: &str = "INSERT OR ROLLBACK INTO products \
    (id, sku, name, folded, available, allocated, created_at_ms, version, state) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) \
    ON CONFLICT (id) DO UPDATE SET name = excluded.name, folded = excluded.folded, \
    available = excluded.available, allocated = excluded.allocated, \
    version = excluded.version, state = excluded.state";

pub(super) const USER: &str = "INSERT OR ROLLBACK INTO users \
    (id, username_key, role, version, state) VALUES (?, ?, ?, ?, ?) \
    ON CONFLICT (id) DO UPDATE SET username_key = excluded.username_key, \
    role = excluded.role, version = excluded.version, state = excluded.state";

pub(super) const CREDENTIALS: &str = "INSERT OR ROLLBACK INTO credentials \
    (user_id, password_hash) VALUES (?, ?) \
    ON CONFLICT (user_id) DO UPDATE SET password_hash = excluded.password_hash";

pub(super) const NOTIFICATION: &str = "INSERT OR ROLLBACK INTO notifications \
    (id, era, order_id, user_id, template, version, state) VALUES (?, ?, ?, ?, ?, ?, ?) \
    ON CONFLICT (id) DO UPDATE SET version = excluded.version, state = excluded.state";

/// Another aggregate's key is left alone unless it has expired, and then counts as not written.
pub(super) const KEY: &str = "INSERT OR ROLLBACK INTO keys \
    (domain, text, shard, aggregate_id, fingerprint, taken_at_ms, expires_at_ms) \
    VALUES (?, ?, ?, ?, ?, ?, ?) \
    ON CONFLICT (domain, text) DO UPDATE SET shard = excluded.shard, \
    aggregate_id = excluded.aggregate_id, fingerprint = excluded.fingerprint, \
    taken_at_ms = excluded.taken_at_ms, expires_at_ms = excluded.expires_at_ms \
    WHERE aggregate_id = excluded.aggregate_id OR expires_at_ms <= excluded.taken_at_ms";

pub(super) const PARKED: &str = "INSERT OR ROLLBACK INTO parked \
    (domain, shard, id, parked_at_ms, source_domain, source_shard, source_position, \
    aggregate_id, order_id, event_type, payload, error) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
    ON CONFLICT (domain, shard, id) DO UPDATE SET error = excluded.error";

pub(super) const UNPARK: &str = "DELETE FROM parked WHERE domain = ? AND shard = ? AND id = ?";

/// Binds a record.
pub(super) fn record(
    values: &mut Row<'_, '_>,
    (shard, record): (ShardRef, &StampedRecord<ShardRef, NewRecord>),
) -> Result<()> {
    let payload = &record.payload;
    at(values, shard)?
        .number(record.position)?
        .number(payload.aggregate_id)?
        .number(payload.seq)?
        .add(payload.time.as_millis())?
        .add(payload.event_type)?
        .add(payload.payload.as_slice())?
        .add(links::to_text(&record.stamps))?;
    Ok(())
}

/// Binds domain and shard.
pub(super) fn at<'v, 'r, 'c>(
    values: &'v mut Row<'r, 'c>,
    shard: ShardRef,
) -> Result<&'v mut Row<'r, 'c>> {
    values.add(shard.domain.code())?.add(shard.shard)
}

/// Binds an order. Its era counts only when it is new.
pub(super) fn order(
    values: &mut Row<'_, '_>,
    (order, version): &(Order, u64),
    era: u64,
) -> Result<()> {
    let columns = OrderColumns::of(order);
    values
        .number(order.id.get())?
        .add(columns.shard)?
        .number(era)?
        .number(columns.user_id)?
        .add(columns.status)?
        .add(columns.deadline.map(Timestamp::as_millis))?
        .number(*version)?
        .add(encoding::encode(order))?;
    Ok(())
}

/// Binds a product.
pub(super) fn product(values: &mut Row<'_, '_>, (product, version): &(Product, u64)) -> Result<()> {
    let columns = ProductColumns::of(product);
    values
        .number(product.id.get())?
        .add(columns.sku)?
        .add(columns.name)?
        .add(columns.folded)?
        .number(columns.available)?
        .number(columns.allocated)?
        .add(columns.created_at.as_millis())?
        .number(*version)?
        .add(encoding::encode(product))?;
    Ok(())
}

/// Binds a user.
pub(super) fn user(values: &mut Row<'_, '_>, (user, version): &(User, u64)) -> Result<()> {
    let columns = UserColumns::of(user);
    values
        .number(user.id.get())?
        .add(columns.username_key)?
        .add(columns.role)?
        .number(*version)?
        .add(encoding::encode(user))?;
    Ok(())
}

/// Binds a notification.
pub(super) fn notification(
    values: &mut Row<'_, '_>,
    (notification, version): &(Notification, u64),
) -> Result<()> {
    let columns = NotificationColumns::of(notification);
    values
        .number(notification.id.get())?
        .number(eras::of_notification(notification.id))?
        .number(columns.order_id)?
        .number(columns.user_id)?
        .add(columns.template)?
        .number(*version)?
        .add(encoding::encode(notification))?;
    Ok(())
}

/// Binds credentials.
pub(super) fn credentials(values: &mut Row<'_, '_>, credentials: &Credentials) -> Result<()> {
    values
        .number(credentials.user_id.get())?
        .add(credentials.password_hash.as_str())?;
    Ok(())
}

/// Binds a key that is taken at that time.
pub(super) fn key(values: &mut Row<'_, '_>, record: &KeyRecord, taken_at_ms: i64) -> Result<()> {
    let KeyRecord { key, owner } = record;
    values
        .add(key.shard.domain.code())?
        .add(key.text.as_str())?
        .add(key.shard.shard)?
        .number(owner.aggregate_id)?
        .add(owner.fingerprint.as_slice())?
        .add(taken_at_ms)?
        .add(owner.expires_at.map(Timestamp::as_millis))?;
    Ok(())
}

/// Binds a parked command.
pub(super) fn parked(values: &mut Row<'_, '_>, row: &ParkedRow) -> Result<()> {
    let command = &row.command;
    at(values, row.shard)?
        .number(command.id)?
        .add(row.parked_at.as_millis())?
        .add(command.source_domain.code())?
        .add(command.source_shard)?
        .number(command.source_position)?
        .number(command.aggregate_id)?
        .add(command.order_id.map(|order| order.get().cast_signed()))?
        .add(command.event_type.as_str())?
        .add(command.payload.as_slice())?
        .add(command.error.as_str())?;
    Ok(())
}
