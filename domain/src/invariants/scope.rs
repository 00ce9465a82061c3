//! Which part of a store is looked at: all of it, what concerns some products, or what has happened since some time.
//!
//! What cannot be said about a part is said to be not checked. What is told of the rest is ignored, so whoever feeds the
//! checks may leave it out or not.

use std::collections::{BTreeMap, BTreeSet};

use super::{Invariant, task::Task};
use crate::{Domain, OrderId, ProductId, ShardRef, Timestamp, ids::ID_BOUND, orders::Order};

/// What has happened since some time. Journals are told from some position on.
#[derive(Clone, Debug, Default)]
pub struct Since {
    /// Users, products and notifications count that were created at this time or later.
    pub time: Timestamp,
    /// The last position of each journal that is not told; 0 where there is none. An order shard's is that before the
    /// time; those of others may be somewhat earlier, because clocks differ.
    pub after: BTreeMap<ShardRef, u64>,
    /// The first order of each order shard that counts. A shard that is not named has none.
    pub orders: BTreeMap<u16, u64>,
}

impl Since {
    /// The first order that counts; one beyond all if none does.
    #[must_use]
    pub fn first_order(&self) -> u64 {
        self.orders.values().copied().min().unwrap_or(ID_BOUND)
    }
}

/// Which part of a store is looked at.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Only these products, and the orders that asked for them.
    pub products: Option<BTreeSet<ProductId>>,
    /// Only what has happened since then.
    pub since: Option<Since>,
}

impl Scope {
    /// Whether everything is looked at.
    #[must_use]
    pub const fn is_all(&self) -> bool {
        self.products.is_none() && self.since.is_none()
    }

    /// Whether this journal is looked at: where it is about products, theirs and those of all orders.
    #[must_use]
    pub fn has_journal(&self, shard: ShardRef, owner: impl Fn(ProductId) -> ShardRef) -> bool {
        let Some(products) = &self.products else {
            return true;
        };
        match shard.domain {
            Domain::Orders => true,
            Domain::Products => products.iter().any(|product| owner(*product) == shard),
            _ => false,
        }
    }

    /// The last position of a journal that is not told.
    #[must_use]
    pub fn begins_after(&self, shard: ShardRef) -> u64 {
        let since = self.since.as_ref();
        since
            .and_then(|since| since.after.get(&shard))
            .copied()
            .unwrap_or(0)
    }

    /// Whether this product is looked at, or may be.
    #[must_use]
    pub fn has_product(&self, product: ProductId) -> bool {
        let products = self.products.as_ref();
        products.is_none_or(|products| products.contains(&product))
    }

    /// Whether an order counts by its age.
    #[must_use]
    pub fn has_order_id(&self, id: u64) -> bool {
        let Some(since) = &self.since else {
            return true;
        };
        // What is no id at all is looked at, and found to be wrong.
        OrderId::new(id).is_none_or(|order| {
            let first = since.orders.get(&order.shard());
            first.is_some_and(|first| id >= *first)
        })
    }

    /// Whether an order counts.
    #[must_use]
    pub fn has_order(&self, order: &Order) -> bool {
        self.has_order_id(order.id.get())
            && (self.products.is_none()
                || order
                    .lines
                    .iter()
                    .any(|line| self.has_product(line.product_id)))
    }

    /// Whether something counts that was created at this time.
    pub(super) fn has_age(&self, created_at: Timestamp) -> bool {
        let since = self.since.as_ref();
        since.is_none_or(|since| created_at >= since.time)
    }

    /// Whether both sides of this are told.
    pub(super) fn has_task(&self, task: Task) -> bool {
        match task {
            Task::Reserve(order, product)
            | Task::Release(order, product)
            | Task::Answer(order, product) => {
                self.has_product(product) && self.has_order_id(order.get())
            }
            Task::Notify(order, _) => self.products.is_none() && self.has_order_id(order.get()),
        }
    }

    /// Whether there is nothing at all that this invariant says about what is looked at.
    #[must_use]
    pub const fn leaves_out(&self, invariant: Invariant) -> bool {
        self.products.is_some()
            && matches!(
                invariant,
                Invariant::I4 | Invariant::I5 | Invariant::I6 | Invariant::I8
            )
    }

    /// What an invariant says and was not checked.
    #[must_use]
    pub fn limits(&self, invariant: Invariant) -> Vec<&'static str> {
        let mut limits = Vec::new();
        if self.products.is_some() {
            limits.push(match invariant {
                Invariant::I1 => "other products",
                Invariant::I2 | Invariant::I3 => "orders that never asked for these products",
                Invariant::I4 => "idempotency keys",
                Invariant::I5 => "payments",
                Invariant::I6 => "notifications",
                Invariant::I7 => "what concerns other products, notifications and parked commands",
                Invariant::I8 => "the activity log",
                Invariant::I9 => "journals of users, notifications and shards of other products",
                Invariant::I10 => {
                    "other products, users, notifications, keys, parked commands, orders that never asked for these products"
                }
            });
        }
        if self.since.is_some() {
            limits.extend(match invariant {
                Invariant::I1 => Some(
                    "of products that are older, what they had before and what earlier orders hold",
                ),
                Invariant::I2 | Invariant::I3 => Some("earlier orders"),
                Invariant::I4 => Some("keys that earlier orders have used"),
                Invariant::I5 => None,
                Invariant::I6 => Some("notifications of earlier orders"),
                Invariant::I7 => Some("what earlier orders ask and are answered, parked commands"),
                Invariant::I8 => Some("earlier records"),
                Invariant::I9 => Some("earlier records"),
                Invariant::I10 => Some(
                    "earlier orders, users and notifications; of older products all but stock and version; keys, parked commands",
                ),
            });
        }
        limits
    }
}
