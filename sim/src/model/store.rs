//! What is durable: each shard's head, journal and rows, and the transaction that moves them on.
//!
//! This stands for SQL, and is the one part of the mechanism that is written for the model: a transaction finds the head
//! under its epoch and revision, or changes nothing.

use std::{collections::BTreeMap, sync::Arc};

use domain::{
    Aggregate, Currency, Domain, Event, Money, OrderId, ShardRef, Timestamp, Topology,
    orders::{Order, OrderStatus},
    parking::ParkedCommand,
    products::{Product, ProductCommand, ProductDraft},
};
use engine::{Head, ShardCommit, StampedRecord};

use super::mutation::Mutation;

/// The shop has one shard of each domain.
pub const TOPOLOGY: Topology = Topology::uniform(1);
/// The shard of the orders.
pub const ORDERS: ShardRef = ShardRef {
    domain: Domain::Orders,
    shard: 0,
};
/// The shard of the product.
pub const PRODUCTS: ShardRef = ShardRef {
    domain: Domain::Products,
    shard: 0,
};
/// When everything happens. What the clock shows matters to deadlines only, see [`super::state::State::is_late`].
pub const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
/// The id of the product.
pub const PRODUCT: u64 = 1;

/// What a record holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Payload {
    /// The aggregate it is about.
    pub about: u64,
    /// Its number among the records of that aggregate; 0 for what became of a command that was set aside.
    pub seq: u64,
    /// What it says.
    pub event: Event,
}

/// A record in its journal.
pub type Record = StampedRecord<ShardRef, Payload>;

/// A row that goes with a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Row {
    /// An order, with its version.
    Order(Order, u64),
    /// A product, with its version.
    Product(Product, u64),
    /// A command that is set aside.
    Parked(ParkedCommand),
    /// The one of this id is not any more.
    Unparked(u64),
}

/// One shard, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stored {
    /// Which.
    pub shard: ShardRef,
    /// Its head.
    pub head: Head<ShardRef>,
    /// Its journal.
    pub records: Vec<Arc<Record>>,
    /// The state column of each order, with its version.
    pub orders: BTreeMap<u64, (Order, u64)>,
    /// The state column of each product, with its version.
    pub products: BTreeMap<u64, (Product, u64)>,
    /// What is set aside.
    pub parked: Vec<ParkedCommand>,
}

impl Stored {
    /// A shard in which nothing has happened, claimed once.
    #[must_use]
    pub fn empty(shard: ShardRef) -> Self {
        Self {
            shard,
            head: Head::empty(1),
            records: Vec::new(),
            orders: BTreeMap::new(),
            products: BTreeMap::new(),
            parked: Vec::new(),
        }
    }

    /// The product shard, with one product of so many pieces.
    #[must_use]
    pub fn with_product(stock: u64) -> Self {
        let draft = ProductDraft {
            sku: "S".parse().expect("a letter is a SKU"),
            name: "n".into(),
            description: "".into(),
            price: Money {
                amount: 1,
                currency: Currency::EUR,
            },
            stock,
        };
        let command: ProductCommand = Product::create(draft, PRODUCT);
        let events = Product::decide(None, &command, NOW).expect("a new product can be created");
        let product = Product::evolve_all(None, &events, NOW).expect("it has been created");
        let mut stored = Self::empty(PRODUCTS);
        for event in events {
            let (position, stamps) = stored.head.append(&[]);
            stored.records.push(Arc::new(Record {
                position,
                stamps,
                payload: Payload {
                    about: PRODUCT,
                    seq: position,
                    event: event.into(),
                },
            }));
        }
        stored.head.last_id = PRODUCT;
        stored.products.insert(PRODUCT, (product, 1));
        stored
    }

    /// Carries a transaction out, all of it or nothing. Returns whether it found the head that it expects.
    pub fn commit(
        &mut self,
        commit: &ShardCommit<ShardRef, Payload>,
        rows: &[Row],
        mutation: Option<Mutation>,
    ) -> bool {
        let head = &mut self.head;
        let last_before = commit.last_position - commit.records.len() as u64;
        let is_found = match mutation {
            Some(Mutation::NoFence) => true,
            Some(Mutation::WatermarkUnfenced) if commit.records.is_empty() => {
                head.last_position == last_before
            }
            _ => head.epoch == commit.epoch && head.revision == commit.revision,
        };
        if !is_found {
            return false;
        }
        head.revision += 1;
        head.last_position = commit.last_position;
        head.last_id = commit.last_id;
        head.sent.extend(&commit.sent);
        if mutation != Some(Mutation::WatermarkOutside) {
            head.watermarks.extend(&commit.watermarks);
        }
        self.records
            .extend(commit.records.iter().cloned().map(Arc::new));
        for row in rows {
            match row.clone() {
                Row::Order(order, version) => {
                    self.orders.insert(order.id.get(), (order, version));
                }
                Row::Product(product, version) => {
                    self.products.insert(product.id.get(), (product, version));
                }
                Row::Parked(command) => self.parked.push(command),
                Row::Unparked(id) => self.parked.retain(|parked| parked.id != id),
            }
        }
        true
    }

    /// The records of the link to `target` after a position, each with the position before it on that link.
    pub fn link_to(
        &self,
        target: ShardRef,
        after: u64,
    ) -> impl Iterator<Item = (u64, &Arc<Record>)> {
        self.records
            .iter()
            .filter(move |record| record.position > after)
            .filter_map(move |record| {
                let stamp = record.stamps.iter().find(|stamp| stamp.target == target)?;
                Some((stamp.prev, record))
            })
    }

    /// The records about an aggregate.
    pub fn about(&self, id: u64) -> impl Iterator<Item = &Payload> {
        let payloads = self.records.iter().map(|record| &record.payload);
        payloads.filter(move |payload| payload.about == id && payload.seq > 0)
    }

    /// Whether the journal says that this order, of this user, has had this status.
    #[must_use]
    pub fn says(&self, order: OrderId, user: u64, status: OrderStatus) -> bool {
        let mut state = None;
        self.about(order.get()).any(|payload| {
            if let Event::Order(event) = &payload.event {
                state = Order::evolve(state.take(), event, NOW);
            }
            state
                .as_ref()
                .is_some_and(|order: &Order| order.status == status && order.user_id.get() == user)
        })
    }
}
