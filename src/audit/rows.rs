//! Rows: each has its columns as its state says, and its state as its journal gives.

use std::fmt::Debug;

use domain::{
    Aggregate,
    invariants::{Checker, Invariant, Row},
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
    checker: &mut Checker,
) -> Result<(), StorageError> {
    let read = read_products(store, checker).await;
    unless_damaged(read, "products", checker)?;
    let read = read_users(store, checker).await;
    unless_damaged(read, "users", checker)?;
    let read = read_keys(store, checker).await;
    unless_damaged(read, "keys", checker)?;
    let read = read_parked(store, checker).await;
    unless_damaged(read, "parked commands", checker)
}

/// A row of the orders.
pub(super) fn order(row: StateRow<Order, OrderColumns>, checker: &mut Checker) {
    let row = with_columns_checked(row, OrderColumns::of, checker);
    checker.order_row(row);
}

/// A row of the notifications.
pub(super) fn notification(
    row: StateRow<Notification, NotificationColumns>,
    checker: &mut Checker,
) {
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
            let row = with_columns_checked(row, ProductColumns::of, checker);
            checker.product_row(row);
        }
    }
}

async fn read_users(store: &mut dyn Snapshot, checker: &mut Checker) -> Result<(), StorageError> {
    let mut after = 0;
    loop {
        let page = store.users(after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = last.id;
        for row in page {
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
