//! The checks, put together.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{
    Head, Invariant, Place, Report,
    effects::Effects,
    histories::Histories,
    keys::Keys,
    log::Log,
    orders::{Orders, Trail},
    positions::Positions,
    record::Heads,
    replicas::Replicas,
    stock::{self, Stocks},
};
use crate::{
    Aggregate, Domain, Event, ProductId, ShardRef, Timestamp, Topology,
    notifications::Notification, orders::Order, parking::ParkedCommand, products::Product,
    users::User,
};

/// A row that keeps the state of an aggregate.
#[derive(Clone, Debug)]
pub struct Row<T> {
    /// The id under which it is kept.
    pub id: u64,
    /// The number of the aggregate's last record.
    pub version: u64,
    /// The state, or why it cannot be read.
    pub state: Result<T, String>,
}

/// Checks all invariants. See the module for what it is fed.
#[derive(Debug)]
pub struct Checker {
    pub(super) heads: Heads,
    served_at: Option<Timestamp>,
    pub(super) report: Report,
    pub(super) positions: Positions,
    pub(super) effects: Effects,
    pub(super) keys: Keys,
    log: Log,
    pub(super) trail: Option<Trail>,
    pub(super) orders: Orders,
    pub(super) stocks: Stocks,
    pub(super) products: Histories<Product>,
    pub(super) users: Histories<User>,
    pub(super) order_rows: Replicas<Order>,
    product_rows: Replicas<Product>,
    user_rows: Replicas<User>,
    pub(super) notification_rows: Replicas<Notification>,
}

impl Checker {
    /// A checker of a store with so many shards and these heads.
    #[must_use]
    pub fn new(topology: Topology, heads: BTreeMap<ShardRef, Head>) -> Self {
        Self {
            heads: Heads {
                topology,
                by_shard: heads,
            },
            served_at: None,
            report: Report::default(),
            positions: Positions::default(),
            effects: Effects::default(),
            keys: Keys::default(),
            log: Log::default(),
            trail: None,
            orders: Orders::default(),
            stocks: Stocks::default(),
            products: Histories::default(),
            users: Histories::default(),
            order_rows: Replicas::of(Order::KIND),
            product_rows: Replicas::of(Product::KIND),
            user_rows: Replicas::of(User::KIND),
            notification_rows: Replicas::of(Notification::KIND),
        }
    }

    /// Says that at this time every shard was served and had dealt with its deadlines, as a simulation knows. Without
    /// it an order counts as overdue only where its shard has been recording long after the deadline.
    pub fn served_at(&mut self, time: Timestamp) {
        self.served_at = Some(time);
    }

    /// The next record of a shard stands here.
    pub fn place(&mut self, place: &Place) {
        self.report.records += 1;
        self.positions.place(place, &self.heads, &mut self.report);
    }

    /// The next record of an order or, of another domain, of a shard says this.
    pub fn event(&mut self, place: &Place, event: &Event) {
        match (place.shard.domain, event) {
            (_, Event::Parking(event)) => {
                self.effects
                    .parking
                    .event(place, event, &self.heads, &mut self.report);
            }
            (Domain::Orders, Event::Order(event)) => self.order_event(place, event),
            (Domain::Products, Event::Product(event)) => self.product_event(place, event),
            (Domain::Auth, Event::User(event)) => self.user_event(place, event),
            (Domain::Notifications, Event::Notification(event)) => {
                self.notification_event(place, event);
            }
            _ => {
                let detail = format!("{place} holds an event of another domain");
                self.report.violated(Invariant::I9, 1, detail);
            }
        }
    }

    /// Something that only the store knows was looked at, and whether it is right.
    pub fn check(&mut self, invariant: Invariant, holds: bool, wrong: impl FnOnce() -> String) {
        self.report.check(invariant, holds, wrong);
    }

    /// So many things that only the store knows were looked at, and are right.
    pub fn count(&mut self, invariant: Invariant, checked: u64) {
        self.report.count(invariant, checked);
    }

    /// A row of the orders.
    pub fn order_row(&mut self, row: Row<Order>) {
        self.order_rows
            .stored(row.id, row.state, row.version, &mut self.report);
    }

    /// A row of the products.
    pub fn product_row(&mut self, row: Row<Product>) {
        self.product_rows
            .stored(row.id, row.state, row.version, &mut self.report);
    }

    /// A row of the users.
    pub fn user_row(&mut self, row: Row<User>) {
        self.user_rows
            .stored(row.id, row.state, row.version, &mut self.report);
    }

    /// A row of the notifications.
    pub fn notification_row(&mut self, row: Row<Notification>) {
        self.notification_rows
            .stored(row.id, row.state, row.version, &mut self.report);
    }

    /// A row of the parked commands.
    pub fn parked_row(&mut self, shard: ShardRef, parked_at: Timestamp, command: ParkedCommand) {
        self.effects
            .parking
            .row(shard, parked_at, command, &mut self.report);
    }

    /// The next entry of the activity log that tells of a record of this shard.
    pub fn log_entry(&mut self, source: ShardRef, position: u64) {
        self.log.entry(source, position, &mut self.report);
    }

    /// How far the activity log has come with a shard.
    pub fn log_watermark(&mut self, source: ShardRef, position: u64) {
        self.log.watermark(source, position);
    }

    /// Everything has been said.
    #[must_use]
    pub fn finish(mut self) -> Report {
        self.end_trail();
        let report = &mut self.report;
        self.positions.finish(&self.heads, report);
        let between = self.effects.finish(&self.heads, report);
        self.orders.finish(&self.positions, self.served_at, report);

        let held = &self.orders.held;
        let mut products: HashSet<ProductId> = held.keys().chain(between.keys()).copied().collect();
        products.extend(self.products.ids().filter_map(ProductId::new));
        let mut products: Vec<ProductId> = products.into_iter().collect();
        products.sort_unstable();
        for id in products {
            let product = self.products.state(id.get());
            let of = |pieces: &HashMap<ProductId, u64>| pieces.get(&id).copied().unwrap_or(0);
            stock::judge_allocation(id, product, (of(held), of(&between)), report);
        }

        self.products.compare_with(&mut self.product_rows, report);
        self.users.compare_with(&mut self.user_rows, report);
        self.order_rows.finish(report);
        self.product_rows.finish(report);
        self.user_rows.finish(report);
        self.notification_rows.finish(report);
        self.log.finish(&self.heads, report);
        self.report
    }
}
