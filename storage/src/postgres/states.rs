//! The parts of a batch's statement that write the states of aggregates. Each kind belongs to one domain.

use std::collections::BTreeMap;

use domain::{
    Timestamp, notifications::Notification, orders::Order, products::Product, users::User,
};

use super::{batch::BatchStatement, bind::text};
use crate::{
    Credentials, RowWrites, StorageError,
    columns::{NotificationColumns, OrderColumns, ProductColumns, UserColumns},
    encoding,
    kept::last_states,
};

/// Whatever states there are.
pub(super) fn write_states(
    statement: &mut BatchStatement,
    rows: &RowWrites,
) -> Result<(), StorageError> {
    write_orders(statement, &rows.orders)?;
    write_products(statement, &rows.products)?;
    write_users(statement, &rows.users)?;
    write_credentials(statement, &rows.credentials)?;
    write_notifications(statement, &rows.notifications)
}

/// Orders as they are now.
fn write_orders(
    statement: &mut BatchStatement,
    orders: &[(Order, u64)],
) -> Result<(), StorageError> {
    if orders.is_empty() {
        return Ok(());
    }
    let last: Vec<_> = last_states(orders).collect();
    let columns: Vec<_> = last.iter().map(|row| OrderColumns::of(&row.0)).collect();
    statement
        .rows()
        .numbers(last.iter().map(|row| row.0.id.get()))?
        .shards(columns.iter().map(|columns| columns.shard))?
        .numbers(columns.iter().map(|columns| columns.user_id))?
        .column(columns.iter().map(|columns| columns.status.as_str()))?
        .column(columns.iter().map(|columns| columns.deadline.map(Timestamp::as_millis)))?
        .numbers(last.iter().map(|row| row.1))?
        .column(last.iter().map(|row| encoding::encode(&row.0)))?
        .insert(
            "orders.orders (id, shard, user_id, status, deadline_ms, version, state)",
            "ON CONFLICT (id) DO UPDATE SET status = excluded.status, deadline_ms = excluded.deadline_ms, \
             version = excluded.version, state = excluded.state",
        );
    Ok(())
}

/// Products as they are now. What their indexes hold never changes.
fn write_products(
    statement: &mut BatchStatement,
    products: &[(Product, u64)],
) -> Result<(), StorageError> {
    if products.is_empty() {
        return Ok(());
    }
    let last: Vec<_> = last_states(products).collect();
    let columns: Vec<_> = last.iter().map(|row| ProductColumns::of(&row.0)).collect();
    let of = || columns.iter();
    statement
        .rows()
        .numbers(last.iter().map(|row| row.0.id.get()))?
        .column(of().map(|columns| columns.sku.as_str()))?
        .column(of().map(|columns| text(&columns.name)))?
        .column(of().map(|columns| text(&columns.folded)))?
        .numbers(of().map(|columns| columns.available))?
        .numbers(of().map(|columns| columns.allocated))?
        .column(of().map(|columns| columns.created_at.as_millis()))?
        .numbers(last.iter().map(|row| row.1))?
        .column(last.iter().map(|row| encoding::encode(&row.0)))?
        .insert(
            "products.products (id, sku, name, folded, available, allocated, created_at_ms, version, state)",
            "ON CONFLICT (id) DO UPDATE SET name = excluded.name, folded = excluded.folded, \
             available = excluded.available, allocated = excluded.allocated, \
             version = excluded.version, state = excluded.state",
        );
    Ok(())
}

/// Users as they are now.
fn write_users(statement: &mut BatchStatement, users: &[(User, u64)]) -> Result<(), StorageError> {
    if users.is_empty() {
        return Ok(());
    }
    let last: Vec<_> = last_states(users).collect();
    let columns: Vec<_> = last.iter().map(|row| UserColumns::of(&row.0)).collect();
    statement
        .rows()
        .numbers(last.iter().map(|row| row.0.id.get()))?
        .column(columns.iter().map(|columns| columns.username_key.as_str()))?
        .column(columns.iter().map(|columns| columns.role.as_str()))?
        .numbers(last.iter().map(|row| row.1))?
        .column(last.iter().map(|row| encoding::encode(&row.0)))?
        .insert(
            "auth.users (id, username_key, role, version, state)",
            "ON CONFLICT (id) DO UPDATE SET username_key = excluded.username_key, role = excluded.role, \
             version = excluded.version, state = excluded.state",
        );
    Ok(())
}

/// How users prove who they are.
fn write_credentials(
    statement: &mut BatchStatement,
    credentials: &[Credentials],
) -> Result<(), StorageError> {
    if credentials.is_empty() {
        return Ok(());
    }
    let last: BTreeMap<_, _> = credentials
        .iter()
        .map(|row| (row.user_id.get(), row.password_hash.as_str()))
        .collect();
    statement
        .rows()
        .numbers(last.keys().copied())?
        .column(last.values().copied())?
        .insert(
            "auth.credentials (user_id, password_hash)",
            "ON CONFLICT (user_id) DO UPDATE SET password_hash = excluded.password_hash",
        );
    Ok(())
}

/// Notifications as they are now.
fn write_notifications(
    statement: &mut BatchStatement,
    notifications: &[(Notification, u64)],
) -> Result<(), StorageError> {
    if notifications.is_empty() {
        return Ok(());
    }
    let last: Vec<_> = last_states(notifications).collect();
    let columns: Vec<_> = last
        .iter()
        .map(|row| NotificationColumns::of(&row.0))
        .collect();
    statement
        .rows()
        .numbers(last.iter().map(|row| row.0.id.get()))?
        .numbers(columns.iter().map(|columns| columns.order_id))?
        .numbers(columns.iter().map(|columns| columns.user_id))?
        .column(columns.iter().map(|columns| columns.template.as_str()))?
        .numbers(last.iter().map(|row| row.1))?
        .column(last.iter().map(|row| encoding::encode(&row.0)))?
        .insert(
            "notifications.notifications (id, order_id, user_id, template, version, state)",
            "ON CONFLICT (id) DO UPDATE SET version = excluded.version, state = excluded.state",
        );
    Ok(())
}
