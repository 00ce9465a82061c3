//! Aggregates as the tables keep them: whole, in a state column, the last state of each.

use std::collections::BTreeMap;

use domain::{
    NotificationId, OrderId, ProductId, UserId, notifications::Notification, orders::Order,
    products::Product, users::User,
};
use serde::de::DeserializeOwned;

use crate::{StorageError, encoding};

/// An aggregate that is kept in a state column.
pub(crate) trait Kept: DeserializeOwned {
    /// What it is called in an error.
    const KIND: &'static str;
    /// Its id.
    fn number(&self) -> u64;
}

macro_rules! kept {
    ($($type:ty, $id:ty, $kind:literal;)*) => {
        $(impl Kept for $type {
            const KIND: &'static str = $kind;
            fn number(&self) -> u64 {
                <$id>::get(self.id)
            }
        })*
    };
}

kept! {
    Order, OrderId, "order";
    Product, ProductId, "product";
    User, UserId, "user";
    Notification, NotificationId, "notification";
}

/// The state in these bytes, of the aggregate with this id.
pub(crate) fn decode<T: Kept>(id: u64, bytes: &[u8]) -> Result<T, StorageError> {
    let state: T = encoding::decode(bytes).map_err(|e| damaged(T::KIND, id, e))?;
    if state.number() == id {
        Ok(state)
    } else {
        Err(damaged(T::KIND, id, "holds another one's state"))
    }
}

/// The last state of each aggregate, by id: neighbours in the batch are then neighbours in the tree.
pub(crate) fn last_states<T: Kept>(
    states: &[(T, u64)],
) -> impl ExactSizeIterator<Item = &(T, u64)> {
    let last: BTreeMap<u64, &(T, u64)> = states.iter().map(|row| (row.0.number(), row)).collect();
    last.into_values()
}

/// Something stored that cannot be read.
pub(crate) fn damaged(what: &str, number: u64, why: impl std::fmt::Display) -> StorageError {
    StorageError::Damaged(format!("{what} {number}: {why}"))
}
