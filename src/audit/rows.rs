//! Rows: each has its columns as its state says, and its state as its journal gives.

use std::fmt::Debug;

use domain::{
    Aggregate, ProductId, Timestamp,
    invariants::{Checker, Invariant, Row, Scope},
    notifications::Notification,
    orders::Order,
};
use storage::{
    Snapshot, StateRow, StorageError,
    sqlite::{NotificationColumns, OrderColumns, ProductColumns, UserColumns},
};

use super::PAGE;

/// Keys without an owner that are looked at one by one.
const KEYS_MAX: usize = 1_000;

/// Reads the tables that grow with the catalogue and the customers, the keys and the parked commands.
pub(super) async fn read(
    store: &mut dyn Snapshot,
    scope: &Scope,
    checker: &mut Checker,
) -> Result<(), StorageError> {
    let read = read_products(store, scope, checker).await;
    unless_damaged(read, "products", checker)?;
    if scope.products.is_none() {
        let read = read_users(store, scope, checker).await;
        unless_damaged(read, "users", checker)?;
    }
    if !scope.is_all() {
        return Ok(());
    }
    let read = read_keys(store, checker).await;
    unless_damaged(read, "keys", checker)?;
    let read = read_parked(store, checker).await;
    unless_damaged(read, "parked commands", checker)
}

/// Whether what was created at that time is too old to be looked at; what cannot be read is not.
fn is_older(created_at: Option<Timestamp>, scope: &Scope) -> bool {
    let since = scope.since.as_ref().map(|since| since.time);
    created_at
        .zip(since)
        .is_some_and(|(created_at, since)| created_at < since)
}

/// A row of the orders.
pub(super) fn order(row: StateRow<Order, OrderColumns>, scope: &Scope, checker: &mut Checker) {
    if row
        .state
        .as_ref()
        .is_ok_and(|order| !scope.has_order(order))
    {
        return;
    }
    let row = with_columns_checked(row, OrderColumns::of, checker);
    checker.order_row(row);
}

/// A row of the notifications.
pub(super) fn notification(
    row: StateRow<Notification, NotificationColumns>,
    scope: &Scope,
    checker: &mut Checker,
) {
    if is_older(row.state.as_ref().ok().map(|row| row.created_at), scope) {
        return;
    }
    let row = with_columns_checked(row, NotificationColumns::of, checker);
    checker.notification_row(row);
}

/// Compares the columns of a row with those that belong to its state.
fn with_columns_checked<T: Aggregate, C: PartialEq + Debug>(
    row: StateRow<T, C>,
    columns_of: impl Fn(&T) -> C,
    checker: &mut Checker,
) -> Row<T> {
    let StateRow {
        id,
        version,
        state,
        columns,
    } = row;
    if let Ok(state) = &state {
        let expected = columns_of(state);
        checker.check(Invariant::I10, columns == expected, || {
            format!(
                "the row of {} {id} has {columns:?}, and its state is that of {expected:?}",
                T::KIND
            )
        });
    }
    Row {
        id,
        version,
        state: state.map_err(|error| error.to_string()),
    }
}

/// A table that holds what cannot be read is wrong, and no reason to give up.
fn unless_damaged(
    read: Result<(), StorageError>,
    table: &str,
    checker: &mut Checker,
) -> Result<(), StorageError> {
    match read {
        Err(StorageError::Damaged(why)) => {
            checker.check(Invariant::I10, false, || {
                format!("the rows of {table} cannot be read on: {why}")
            });
            Ok(())
        }
        read => read,
    }
}

async fn read_products(
    store: &mut dyn Snapshot,
    scope: &Scope,
    checker: &mut Checker,
) -> Result<(), StorageError> {
    let mut after = 0;
    loop {
        let page = store.products(after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = last.id;
        for row in page {
            if ProductId::new(row.id).is_some_and(|id| !scope.has_product(id)) {
                continue;
            }
            let row = with_columns_checked(row, ProductColumns::of, checker);
            checker.product_row(row);
        }
    }
}

async fn read_users(
    store: &mut dyn Snapshot,
    scope: &Scope,
    checker: &mut Checker,
) -> Result<(), StorageError> {
    let mut after = 0;
    loop {
        let page = store.users(after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = last.id;
        for row in page {
            if is_older(row.state.as_ref().ok().map(|user| user.created_at), scope) {
                continue;
            }
            let row = with_columns_checked(row, UserColumns::of, checker);
            checker.user_row(row);
        }
    }
}

/// Every key belongs to an aggregate that exists.
async fn read_keys(store: &mut dyn Snapshot, checker: &mut Checker) -> Result<(), StorageError> {
    checker.count(Invariant::I10, store.key_count().await?);
    for key in store.keys_without_owner(KEYS_MAX).await? {
        checker.check(Invariant::I10, false, || {
            let (id, shard) = (key.owner.aggregate_id, key.key.shard);
            format!("a key of {shard} belongs to {id}, which does not exist")
        });
    }
    Ok(())
}

async fn read_parked(store: &mut dyn Snapshot, checker: &mut Checker) -> Result<(), StorageError> {
    for row in store.parked().await? {
        checker.parked_row(row.shard, row.parked_at, row.command);
    }
    Ok(())
}
