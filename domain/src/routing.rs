//! Which shard a fact concerns.
//!
//! Two kinds of links leave a journal. An *inbox* link carries the records that a shard of another domain must act on
//! ([`inbox_targets`]). A *public* link carries every record of a shard, so its positions are contiguous; the activity
//! log reads them all, and notifications read those of the orders ([`public_target`]).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    Event, OrderId, ProductId, UserId,
    orders::{LineOutcome, Order, OrderEvent},
    products::ProductEvent,
    saga,
};

/// A part of the business with journals (and, for the logs, a store) of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Domain {
    /// Users and their sessions.
    Auth,
    /// Orders.
    Orders,
    /// Products and their stock.
    Products,
    /// Payments.
    Payments,
    /// Notifications.
    Notifications,
    /// The activity log. It keeps no journal.
    Logs,
}

impl Domain {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Auth,
        Self::Orders,
        Self::Products,
        Self::Payments,
        Self::Notifications,
        Self::Logs,
    ];

    /// The number under which stores keep it.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Auth => 1,
            Self::Orders => 2,
            Self::Products => 3,
            Self::Payments => 4,
            Self::Notifications => 5,
            Self::Logs => 6,
        }
    }

    /// The domain with this number.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|domain| domain.code() == code)
    }

    /// The domain of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|domain| domain.name() == name)
    }

    /// Its name in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Orders => "orders",
            Self::Products => "products",
            Self::Payments => "payments",
            Self::Notifications => "notifications",
            Self::Logs => "logs",
        }
    }
}

/// One shard of one domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ShardRef {
    /// The domain.
    pub domain: Domain,
    /// Which of the domain's shards, counted from zero.
    pub shard: u16,
}

impl std::fmt::Display for ShardRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.domain.name(), self.shard)
    }
}

/// How many shards each domain has; fixed when the store is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topology {
    /// Shards of users.
    pub auth: u16,
    /// Shards of orders.
    pub orders: u16,
    /// Shards of products.
    pub products: u16,
    /// Shards of notifications.
    pub notifications: u16,
}

impl Topology {
    /// The same number of shards for every domain.
    #[must_use]
    pub const fn uniform(shards: u16) -> Self {
        Self {
            auth: shards,
            orders: shards,
            products: shards,
            notifications: shards,
        }
    }

    /// Number of shards of a domain; 0 for one that keeps no journal.
    #[must_use]
    pub const fn shards(&self, domain: Domain) -> u16 {
        match domain {
            Domain::Auth => self.auth,
            Domain::Orders => self.orders,
            Domain::Products => self.products,
            Domain::Notifications => self.notifications,
            Domain::Payments | Domain::Logs => 0,
        }
    }

    /// Every shard that keeps a journal.
    pub fn journals(&self) -> impl Iterator<Item = ShardRef> + use<> {
        let topology = *self;
        Domain::ALL.into_iter().flat_map(move |domain| {
            (0..topology.shards(domain)).map(move |shard| ShardRef { domain, shard })
        })
    }

    /// The shard that places this user's orders.
    #[must_use]
    pub fn order_shard(&self, user: UserId) -> u16 {
        remainder(user.get(), self.orders)
    }

    /// The shard that owns an order.
    #[must_use]
    pub fn owner_of_order(&self, order: OrderId) -> Option<ShardRef> {
        (order.shard() < self.orders).then(|| ShardRef {
            domain: Domain::Orders,
            shard: order.shard(),
        })
    }

    /// The shard that owns a product.
    #[must_use]
    pub fn owner_of_product(&self, product: ProductId) -> ShardRef {
        ShardRef {
            domain: Domain::Products,
            shard: remainder(product.get(), self.products),
        }
    }

    /// The shard that owns a user.
    #[must_use]
    pub fn owner_of_user(&self, user: UserId) -> ShardRef {
        ShardRef {
            domain: Domain::Auth,
            shard: remainder(user.get(), self.auth),
        }
    }
}

fn remainder(number: u64, shards: u16) -> u16 {
    u16::try_from(number % u64::from(shards.max(1))).unwrap_or(0)
}

/// The shards that must act on an event, each once. A pure function of the event, and yet stored with it at commit:
/// what was promised to whom does not change when this function does.
#[must_use]
pub fn inbox_targets(event: &Event, topology: &Topology) -> Vec<ShardRef> {
    match event {
        Event::Order(event) => {
            let lines = match event {
                OrderEvent::OrderCreated { lines, .. } => lines.as_slice(),
                _ => &[],
            };
            let shards: BTreeSet<ShardRef> = lines
                .iter()
                .map(|line| line.product_id)
                .chain(
                    saga::releases(event)
                        .iter()
                        .map(|release| release.product_id),
                )
                .map(|product| topology.owner_of_product(product))
                .collect();
            shards.into_iter().collect()
        }
        Event::Product(
            ProductEvent::StockReserved { order_id, .. }
            | ProductEvent::StockRefused { order_id, .. },
        ) => topology.owner_of_order(*order_id).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// The shards whose answers an order still waits for, each once.
#[must_use]
pub fn awaited_by(order: &Order, topology: &Topology) -> Vec<ShardRef> {
    let open = order.lines.iter();
    let open = open.filter(|line| line.outcome == LineOutcome::Pending);
    let shards: BTreeSet<ShardRef> = open
        .map(|line| topology.owner_of_product(line.product_id))
        .collect();
    shards.into_iter().collect()
}

/// The notification shard that reads the public records of an order shard; other domains have none.
#[must_use]
pub fn public_target(source: ShardRef, topology: &Topology) -> Option<ShardRef> {
    (source.domain == Domain::Orders && topology.notifications > 0).then(|| ShardRef {
        domain: Domain::Notifications,
        shard: source.shard % topology.notifications,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{Quantity, Timestamp, orders::RequestedLine};

    #[test]
    fn an_order_goes_once_to_each_product_shard() {
        let topology = Topology::uniform(4);
        let line = |product| RequestedLine {
            product_id: ProductId::new(product).unwrap(),
            quantity: Quantity::new(1).unwrap(),
        };
        let created = OrderEvent::OrderCreated {
            order_id: OrderId::next(None, 1, Timestamp::default()),
            user_id: UserId::new(5).unwrap(),
            lines: vec![line(4), line(8), line(5), line(4)],
            deadline: Timestamp::default(),
            idempotency: None,
        };
        let shards: Vec<_> = inbox_targets(&created.into(), &topology)
            .into_iter()
            .map(|target| target.shard)
            .collect();
        assert_eq!(shards, [0, 1]);
    }

    #[test]
    fn every_domain_has_its_own_code() {
        for domain in Domain::ALL {
            assert_eq!(Domain::from_code(domain.code()), Some(domain));
        }
    }
}
