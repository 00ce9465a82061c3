//! The statements of a batch, and how each kind of row is bound to them.

use std::sync::Arc;

use domain::{
    ShardRef, Timestamp, notifications::Notification, orders::Order, products::Product, users::User,
};
use engine::StampedRecord;

use super::{bind::Values, eras, insert::ManyRows};
use crate::{
    Credentials, KeyRecord, NewRecord, ParkedRow, StorageError,
    columns::{NotificationColumns, OrderColumns, ProductColumns, UserColumns},
    encoding, links,
};

/// The texts of all statements that write many rows.
pub(super) struct Statements {
    pub(super) journal: ManyRows,
    pub(super) heads: ManyRows,
    pub(super) links: ManyRows,
    pub(super) orders: ManyRows,
    pub(super) products: ManyRows,
    pub(super) users: ManyRows,
    pub(super) credentials: ManyRows,
    pub(super) notifications: ManyRows,
    pub(super) keys: ManyRows,
    pub(super) parked: ManyRows,
    pub(super) unpark: Arc<str>,
}

impl Statements {
    pub(super) fn new() -> Self {
        Self {
            journal: ManyRows::insert(
                "journal (domain, shard, position, aggregate_id, seq, time_ms, event_type, payload, links)",
                9,
                "",
            ),
            heads: ManyRows::around(
                7,
                "UPDATE head SET last_position = new.column5, revision = head.revision + 1, \
                 last_id = new.column6 FROM (",
                ") AS new WHERE head.domain = new.column1 AND head.shard = new.column2 \
                 AND head.epoch = new.column3 AND head.revision = new.column4 \
                 AND head.last_position = new.column7",
            ),
            links: ManyRows::insert(
                "link (domain, shard, peer_domain, peer_shard, sent, watermark)",
                6,
                "ON CONFLICT (domain, shard, peer_domain, peer_shard) DO UPDATE SET \
                 sent = max(sent, excluded.sent), watermark = max(watermark, excluded.watermark)",
            ),
            orders: ManyRows::insert(
                "orders (id, shard, era, user_id, status, deadline_ms, version, state)",
                8,
                "ON CONFLICT (id) DO UPDATE SET status = excluded.status, \
                 deadline_ms = excluded.deadline_ms, version = excluded.version, state = excluded.state",
            ),
            // A SKU never changes, so the index on it is left alone.
            products: ManyRows::insert(
                "products (id, sku, name, folded, available, allocated, created_at_ms, version, state)",
                9,
                "ON CONFLICT (id) DO UPDATE SET name = excluded.name, folded = excluded.folded, \
                 available = excluded.available, allocated = excluded.allocated, \
                 version = excluded.version, state = excluded.state",
            ),
            users: ManyRows::insert(
                "users (id, username_key, role, version, state)",
                5,
                "ON CONFLICT (id) DO UPDATE SET username_key = excluded.username_key, \
                 role = excluded.role, version = excluded.version, state = excluded.state",
            ),
            credentials: ManyRows::insert(
                "credentials (user_id, password_hash)",
                2,
                "ON CONFLICT (user_id) DO UPDATE SET password_hash = excluded.password_hash",
            ),
            notifications: ManyRows::insert(
                "notifications (id, era, order_id, user_id, template, version, state)",
                7,
                "ON CONFLICT (id) DO UPDATE SET version = excluded.version, state = excluded.state",
            ),
            // Another aggregate's key is left alone unless it has expired, and then counts as not written.
            keys: ManyRows::insert(
                "keys (domain, text, shard, aggregate_id, fingerprint, taken_at_ms, expires_at_ms)",
                7,
                "ON CONFLICT (domain, text) DO UPDATE SET shard = excluded.shard, \
                 aggregate_id = excluded.aggregate_id, fingerprint = excluded.fingerprint, \
                 taken_at_ms = excluded.taken_at_ms, expires_at_ms = excluded.expires_at_ms \
                 WHERE aggregate_id = excluded.aggregate_id OR expires_at_ms <= excluded.taken_at_ms",
            ),
            parked: ManyRows::insert(
                "parked (domain, shard, id, parked_at_ms, source_domain, source_shard, source_position, \
                 aggregate_id, order_id, event_type, payload, error)",
                12,
                "ON CONFLICT (domain, shard, id) DO UPDATE SET error = excluded.error",
            ),
            unpark: "DELETE FROM parked WHERE domain = ? AND shard = ? AND id = ?".into(),
        }
    }
}

/// Binds a record.
pub(super) fn record(
    values: &mut Values,
    shard: ShardRef,
    record: &StampedRecord<ShardRef, NewRecord>,
) -> Result<(), StorageError> {
    let payload = &record.payload;
    at(values, shard)?
        .number(record.position)?
        .number(payload.aggregate_id)?
        .number(payload.seq)?
        .add(payload.time.as_millis())?
        .add(payload.event_type)?
        .add(payload.payload.clone())?
        .add(links::to_text(&record.stamps))?;
    Ok(())
}

/// Binds domain and shard.
pub(super) fn at(values: &mut Values, shard: ShardRef) -> Result<&mut Values, StorageError> {
    values.add(shard.domain.code())?.add(shard.shard)
}

/// Binds an order. Its era counts only when it is new.
pub(super) fn order(
    values: &mut Values,
    (order, version): &(Order, u64),
    era: u64,
) -> Result<(), StorageError> {
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
pub(super) fn product(
    values: &mut Values,
    (product, version): &(Product, u64),
) -> Result<(), StorageError> {
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
pub(super) fn user(values: &mut Values, (user, version): &(User, u64)) -> Result<(), StorageError> {
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
    values: &mut Values,
    (notification, version): &(Notification, u64),
) -> Result<(), StorageError> {
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
pub(super) fn credentials(
    values: &mut Values,
    credentials: &Credentials,
) -> Result<(), StorageError> {
    values
        .number(credentials.user_id.get())?
        .add(credentials.password_hash.as_str())?;
    Ok(())
}

/// Binds a key that is taken at that time.
pub(super) fn key(
    values: &mut Values,
    record: &KeyRecord,
    taken_at_ms: i64,
) -> Result<(), StorageError> {
    let KeyRecord { key, owner } = record;
    values
        .add(key.shard.domain.code())?
        .add(key.text.as_str())?
        .add(key.shard.shard)?
        .number(owner.aggregate_id)?
        .add(owner.fingerprint.to_vec())?
        .add(taken_at_ms)?
        .add(owner.expires_at.map(Timestamp::as_millis))?;
    Ok(())
}

/// Binds a parked command.
pub(super) fn parked(values: &mut Values, row: &ParkedRow) -> Result<(), StorageError> {
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
        .add(command.payload.clone())?
        .add(command.error.as_str())?;
    Ok(())
}
