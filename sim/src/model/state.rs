//! A state of the model: what is stored, who runs, what is on its way, and what customers were told.

use std::collections::BTreeMap;

use domain::{
    OrderId, ShardRef,
    orders::{Order, OrderStatus},
};

use super::{
    config::{Budget, Config},
    node::{Node, Told, Transaction},
    parts::Message,
    store::{ORDERS, PRODUCTS, Stored},
    verdict::Verdict,
};

/// Which message: of which shard's journal, at which position, and which line of it where a broken rule parts them.
pub type Key = (ShardRef, u64, Option<u8>);

/// The side of the orders, or that of the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// The orders' shard.
    Orders,
    /// The product's shard.
    Products,
}

impl Side {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Orders, Self::Products];

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Orders => Self::Products,
            Self::Products => Self::Orders,
        }
    }

    /// Its shard.
    #[must_use]
    pub const fn shard(self) -> ShardRef {
        match self {
            Self::Orders => ORDERS,
            Self::Products => PRODUCTS,
        }
    }

    /// The side of a shard.
    #[must_use]
    pub fn of(shard: ShardRef) -> Self {
        if shard == ORDERS {
            Self::Orders
        } else {
            Self::Products
        }
    }
}

/// A shard: what is stored of it, and who serves it or believes so.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shard {
    /// What is stored.
    pub stored: Stored,
    /// The nodes that serve it, or served it and have not noticed that they do no more.
    pub nodes: Vec<Node>,
    /// Transactions whose nodes are dead or have given them up, and which may land yet.
    pub orphans: Vec<Transaction>,
}

/// A state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The orders' shard and the product's.
    pub shards: [Shard; 2],
    /// Messages on their way, in no order.
    pub network: BTreeMap<Key, Message>,
    /// What customers were told, sorted.
    pub told: Vec<Told>,
    /// How many of the orders were placed.
    pub placed: usize,
    /// How many cancellations there may yet be.
    pub cancels: u8,
    /// Whether the deadlines have passed.
    pub is_late: bool,
    /// What may yet go wrong.
    pub faults: Budget,
    /// What was found wrong.
    pub verdict: Verdict,
}

impl State {
    /// The state in which all begins: a product with its pieces, and a node for each shard.
    #[must_use]
    pub fn first(config: &Config) -> Self {
        let shard = |side: Side, stored: Stored| {
            let mut node = Node::new(side.shard(), side.other().shard());
            node.open(&stored);
            Shard {
                stored,
                nodes: vec![node],
                orphans: Vec::new(),
            }
        };
        Self {
            shards: [
                shard(Side::Orders, Stored::empty(ORDERS)),
                shard(Side::Products, Stored::with_product(config.stock)),
            ],
            network: BTreeMap::new(),
            told: Vec::new(),
            placed: 0,
            cancels: config.cancels,
            is_late: false,
            faults: config.faults,
            verdict: Verdict::default(),
        }
    }

    /// One of the shards.
    #[must_use]
    pub const fn shard(&self, side: Side) -> &Shard {
        &self.shards[side as usize]
    }

    /// What is stored of a shard.
    #[must_use]
    pub const fn stored(&self, side: Side) -> &Stored {
        &self.shard(side).stored
    }

    /// The orders as they are stored.
    pub fn orders(&self) -> impl Iterator<Item = &Order> {
        let rows = self.stored(Side::Orders).orders.values();
        rows.map(|(order, _)| order)
    }

    /// Whether some order has this status.
    #[must_use]
    pub fn has_order(&self, status: OrderStatus) -> bool {
        self.orders().any(|order| order.status == status)
    }

    /// Orders that a customer knows of.
    pub fn known_orders(&self) -> impl Iterator<Item = (OrderId, domain::UserId)> {
        let told = self.told.iter();
        told.filter(|told| told.status == OrderStatus::Created)
            .map(|told| (told.order, told.user))
    }

    /// Whether everything has come to its end: every order is settled, every link drained, nothing is set aside, and
    /// what the product has allocated is what confirmed orders have bought.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let is_drained = |side: Side| {
            let sent = self.stored(side.other()).head.sent.get(&side.shard());
            let watermark = self.stored(side).head.watermark(side.other().shard());
            self.stored(side).parked.is_empty() && watermark == sent.copied().unwrap_or(0)
        };
        let bought: u64 = self
            .orders()
            .filter(|order| order.status == OrderStatus::Confirmed)
            .flat_map(|order| &order.lines)
            .map(|line| u64::from(line.quantity.get()))
            .sum();
        let products = self.stored(Side::Products).products.values();
        let allocated: u64 = products.map(|(product, _)| product.stock.allocated).sum();
        Side::BOTH.into_iter().all(is_drained)
            && self.orders().all(|order| order.status.is_settled())
            && bought == allocated
    }
}
