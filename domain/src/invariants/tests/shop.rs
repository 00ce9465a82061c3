//! A small shop that writes its journals as the program does, step by step.

use std::{collections::BTreeMap, time::Duration};

use super::history::History;
use crate::{
    Aggregate, Currency, Domain, Event, Money, OrderId, ProductId, Quantity, ShardRef, Timestamp,
    Topology, UserId,
    invariants::{Head, Place, Row},
    notifications::Notification,
    orders::{CancelledBy, IdempotencyKey, Order, OrderCommand, RequestedLine},
    parking::ParkedCommand,
    products::{Product, ProductCommand},
    routing,
    users::{Role, User, UserCommand},
};

/// An aggregate with its version.
type Kept<A> = BTreeMap<u64, (A, u64)>;

/// The shop.
pub(super) struct Shop {
    pub(super) topology: Topology,
    pub(super) now: Timestamp,
    pub(super) heads: BTreeMap<ShardRef, Head>,
    pub(super) records: Vec<(Place, Event)>,
    pub(super) orders: Kept<Order>,
    pub(super) products: Kept<Product>,
    pub(super) users: Kept<User>,
    pub(super) notifications: Kept<Notification>,
    pub(super) parked: Vec<(ShardRef, Timestamp, ParkedCommand)>,
}

pub(super) fn shard(domain: Domain, shard: u16) -> ShardRef {
    ShardRef { domain, shard }
}

pub(super) fn product_id(number: u64) -> ProductId {
    ProductId::new(number).unwrap()
}

impl Shop {
    /// A shop with two shards of each domain.
    pub(super) fn open() -> Self {
        let topology = Topology::uniform(2);
        Self {
            topology,
            now: Timestamp::from_millis(1_800_000_000_000),
            heads: topology
                .journals()
                .map(|shard| (shard, Head::default()))
                .collect(),
            records: Vec::new(),
            orders: BTreeMap::new(),
            products: BTreeMap::new(),
            users: BTreeMap::new(),
            notifications: BTreeMap::new(),
            parked: Vec::new(),
        }
    }

    pub(super) fn wait(&mut self, secs: u64) {
        self.now = self.now.plus(Duration::from_secs(secs));
    }

    pub(super) fn record(&mut self, shard: ShardRef, aggregate_id: u64, seq: u64, event: Event) {
        self.wait(1);
        let head = self.heads.get_mut(&shard).unwrap();
        head.last_position += 1;
        let position = head.last_position;
        let links = routing::inbox_targets(&event, &self.topology)
            .into_iter()
            .map(|target| (target, head.sent.insert(target, position).unwrap_or(0)))
            .collect();
        let place = Place {
            shard,
            position,
            aggregate_id,
            seq,
            time: self.now,
            links,
        };
        self.records.push((place, event));
    }

    pub(super) fn issue(&mut self, shard: ShardRef, id: u64) -> u64 {
        let head = self.heads.get_mut(&shard).unwrap();
        head.last_id = head.last_id.max(id);
        id
    }

    /// Decides, and records what comes of it.
    pub(super) fn execute<A: Aggregate>(
        &mut self,
        kept: fn(&mut Self) -> &mut Kept<A>,
        home: ShardRef,
        id: u64,
        command: &A::Command,
    ) {
        let (mut state, mut version) = match kept(self).remove(&id) {
            Some((state, version)) => (Some(state), version),
            None => (None, 0),
        };
        for event in A::decide(state.as_ref(), command, self.now).unwrap() {
            version += 1;
            self.record(home, id, version, event.clone().into());
            state = A::evolve(state, &event, self.now);
        }
        if let Some(state) = state {
            kept(self).insert(id, (state, version));
        }
    }

    pub(super) fn user(&mut self, number: u64) -> UserId {
        let user_id = UserId::new(number).unwrap();
        let home = self.topology.owner_of_user(user_id);
        self.issue(home, number);
        let command = UserCommand::RegisterUser {
            user_id,
            username: format!("user-{number}").parse().unwrap(),
            email: None,
            role: Role::Customer,
        };
        self.execute(|shop| &mut shop.users, home, number, &command);
        user_id
    }

    pub(super) fn product(&mut self, number: u64, stock: u64) {
        let product_id = product_id(number);
        let home = self.topology.owner_of_product(product_id);
        self.issue(home, number);
        let command = ProductCommand::CreateProduct {
            product_id,
            sku: format!("SKU-{number}").parse().unwrap(),
            name: "Lantern".into(),
            description: "".into(),
            price: Money::price(500, Currency::EUR).unwrap(),
            stock,
        };
        self.execute(|shop| &mut shop.products, home, number, &command);
    }

    pub(super) fn adjust(&mut self, number: u64, delta: i64) {
        let home = self.topology.owner_of_product(product_id(number));
        let command = ProductCommand::AdjustStock {
            delta,
            reason: "counted".into(),
        };
        self.execute(|shop| &mut shop.products, home, number, &command);
    }

    /// Places an order of these pieces of these products.
    pub(super) fn place(&mut self, user_id: UserId, lines: &[(u64, u64)], key: &str) -> OrderId {
        let number = self.topology.order_shard(user_id);
        let home = shard(Domain::Orders, number);
        let last = OrderId::new(self.heads[&home].last_id);
        let order_id = OrderId::next(last, number, self.now);
        self.issue(home, order_id.get());
        let command = OrderCommand::CreateOrder {
            order_id,
            user_id,
            lines: lines
                .iter()
                .map(|(product, pieces)| RequestedLine {
                    product_id: product_id(*product),
                    quantity: Quantity::new(*pieces).unwrap(),
                })
                .collect(),
            deadline: self.now.plus(Duration::from_secs(60)),
            idempotency: Some(IdempotencyKey {
                key: key.into(),
                fingerprint: [0; 16],
            }),
        };
        self.execute(|shop| &mut shop.orders, home, order_id.get(), &command);
        order_id
    }

    pub(super) fn cancel(&mut self, order: OrderId) {
        self.order(order, &OrderCommand::CancelOrder(CancelledBy::Customer));
    }

    pub(super) fn expire(&mut self, order: OrderId) {
        self.order(order, &OrderCommand::ExpireOrder);
    }

    pub(super) fn order(&mut self, order: OrderId, command: &OrderCommand) {
        let home = self.topology.owner_of_order(order).unwrap();
        self.execute(|shop| &mut shop.orders, home, order.get(), command);
    }

    /// How many records there are.
    pub(super) fn records(&self) -> usize {
        self.records.len()
    }

    /// The store as it is now, with everything in the activity log.
    pub(super) fn history(&self) -> History {
        let log: Vec<(ShardRef, u64)> = self
            .records
            .iter()
            .map(|(place, _)| (place.shard, place.position))
            .collect();
        History {
            topology: self.topology,
            log_watermarks: log.iter().copied().collect(),
            log,
            orders: rows(&self.orders),
            products: rows(&self.products),
            users: rows(&self.users),
            notifications: rows(&self.notifications),
            parked: self.parked.clone(),
            records: self.records.clone(),
            heads: self.heads.clone(),
            served_at: None,
            service: None,
        }
    }
}

fn rows<A: Clone>(kept: &Kept<A>) -> Vec<Row<A>> {
    let row = |(id, (state, version)): (&u64, &(A, u64))| Row {
        id: *id,
        version: *version,
        state: Ok(state.clone()),
    };
    kept.iter().map(row).collect()
}
