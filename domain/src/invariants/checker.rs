//! The checks, put together.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Head, Invariant, Place, Report, Scope,
    compact::Compact,
    effects::Effects,
    histories::Histories,
    keys::Keys,
    log::Log,
    orders::{self, Orders, Service, Trail, is_looked_at},
    positions::Positions,
    record::Heads,
    replicas::{Keep, Replicas},
    stock::{self, Stocks},
};
use crate::{
    Aggregate, Domain, Event, OrderId, ProductId, ShardRef, Timestamp, Topology,
    notifications::Notification,
    orders::Order,
    parking::{ParkedCommand, ParkingEvent},
    products::Product,
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

/// How many things a [`Checker`] keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// Tasks of which one side has been told.
    pub tasks: usize,
    /// Orders and notifications of which the history or the row has been told.
    pub rows: usize,
    /// Products and users.
    pub aggregates: usize,
    /// Rows of products and users that wait for the ends of the journals.
    pub aggregate_rows: usize,
    /// Products whose pieces are counted.
    pub stocks: usize,
    /// Idempotency keys of two days.
    pub keys: usize,
    /// Orders that have not settled.
    pub waiting_orders: usize,
    /// Commands that were ever set aside.
    pub parked: usize,
}

impl Retained {
    /// The larger number of each.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            tasks: self.tasks.max(other.tasks),
            rows: self.rows.max(other.rows),
            aggregates: self.aggregates.max(other.aggregates),
            aggregate_rows: self.aggregate_rows.max(other.aggregate_rows),
            stocks: self.stocks.max(other.stocks),
            keys: self.keys.max(other.keys),
            waiting_orders: self.waiting_orders.max(other.waiting_orders),
            parked: self.parked.max(other.parked),
        }
    }
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
    /// Whether the order at hand is not looked at.
    pub(super) is_passed_by: bool,
    pub(super) is_by_position: bool,
    has_all_journals: bool,
    service: Option<Service>,
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
            is_passed_by: false,
            is_by_position: false,
            has_all_journals: false,
            service: None,
            orders: Orders::default(),
            stocks: Stocks::default(),
            products: Histories::default(),
            users: Histories::default(),
            order_rows: Replicas::of(Order::KIND, Keep::Whole),
            product_rows: Replicas::of(Product::KIND, Keep::Sum),
            user_rows: Replicas::of(User::KIND, Keep::Sum),
            notification_rows: Replicas::of(Notification::KIND, Keep::Sum),
        }
    }

    /// Only this part of the store is looked at. To be said before anything is told.
    #[must_use]
    pub fn limited_to(mut self, scope: &Scope) -> Self {
        self.positions.scope.clone_from(scope);
        self.log.scope.clone_from(scope);
        self.effects.scope.clone_from(scope);
        self
    }

    /// What orders ask of others and are answered will be told with [`Self::order_record`], and not with
    /// [`Self::event`]. To be said before anything is told. Who does so needs no memory for what happens to an order
    /// long after it was placed.
    #[must_use]
    pub fn orders_by_position(mut self) -> Self {
        self.is_by_position = true;
        self
    }

    /// By whom shards are served at the moment that is looked at. An order that is overdue in a served shard is stuck.
    pub fn served_by(&mut self, service: Service) {
        self.service = Some(service);
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

    /// The next record of an order shard, in the order of positions, says this; see [`Self::orders_by_position`].
    pub fn order_record(&mut self, place: &Place, event: &Event) {
        match event {
            Event::Order(event) => {
                if let Some(id) = OrderId::new(place.aggregate_id) {
                    let report = &mut self.report;
                    orders::tell(id, place, event, &mut self.effects, &self.heads, report);
                }
            }
            Event::Parking(event) => self.parking_event(place, event),
            _ => {}
        }
    }

    fn parking_event(&mut self, place: &Place, event: &ParkingEvent) {
        let Effects { parking, scope, .. } = &mut self.effects;
        parking.event(place, event, scope.is_all(), &self.heads, &mut self.report);
    }

    /// The next record of an order or, of another domain, of a shard says this.
    pub fn event(&mut self, place: &Place, event: &Event) {
        match (place.shard.domain, event) {
            (Domain::Orders, Event::Parking(_)) if self.is_by_position => {}
            (_, Event::Parking(event)) => self.parking_event(place, event),
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
        let scope = &self.effects.scope;
        let is_looked_at = match &row.state {
            Ok(order) => scope.has_order(order) && scope.has_order_id(row.id),
            Err(_) => scope.has_order_id(row.id),
        };
        if !is_looked_at {
            return;
        }
        self.order_rows
            .stored(row.id, row.state, row.version, &mut self.report);
    }

    /// A row of the products.
    pub fn product_row(&mut self, row: Row<Product>) {
        let (id, version, report) = (row.id, row.version, &mut self.report);
        let scope = &self.effects.scope;
        if ProductId::new(id).is_some_and(|id| !scope.has_product(id)) {
            return;
        }
        if let Ok(product) = &row.state {
            if !scope.has_age(product.created_at) && self.products.state(id).is_none() {
                // That nothing has happened to it since, or that its row is right, cannot be told apart.
                self.stocks.later_row(id, product, version, report);
                return;
            }
            let row = (id, product, version);
            if self.has_all_journals && self.products.compare_row(row, &self.product_rows, report) {
                return;
            }
        }
        let state = row.state.map(|product| Product::recall(&product.keep()));
        self.product_rows.stored(id, state, version, report);
    }

    /// A row of the users.
    pub fn user_row(&mut self, row: Row<User>) {
        let (id, version, report) = (row.id, row.version, &mut self.report);
        if let Ok(user) = &row.state {
            if !self.effects.scope.has_age(user.created_at) {
                return;
            }
            let row = (id, user, version);
            if self.has_all_journals && self.users.compare_row(row, &self.user_rows, report) {
                return;
            }
        }
        let state = row.state.map(|user| User::recall(&user.keep()));
        self.user_rows.stored(id, state, version, report);
    }

    /// A row of the notifications.
    pub fn notification_row(&mut self, row: Row<Notification>) {
        let state = row.state.as_ref();
        if state.is_ok_and(|row| !self.effects.scope.has_age(row.created_at)) {
            return;
        }
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

    /// Rows and histories of all orders up to this id have been told: what has one of them only is told at once.
    pub fn orders_come_to(&mut self, id: u64) {
        if self.trail.as_ref().is_some_and(|trail| trail.id() <= id) {
            self.end_trail();
        }
        self.order_rows.come_to(id, &mut self.report);
    }

    /// All journals have been told to their ends: rows of products and users that come after this are compared at once,
    /// and need not be kept.
    pub fn journals_end(&mut self) {
        self.has_all_journals = true;
    }

    /// Whether there were too many idempotency keys at once. Then all orders' creations are to be told once more, with
    /// [`Self::order_key`], and this asked again.
    pub fn begin_keys_again(&mut self) -> bool {
        self.keys.begin_again()
    }

    /// Told once more, the creations of one shard's orders are at their end: another shard has other users.
    pub fn keys_of_shard_end(&mut self) {
        self.keys.forget_all();
    }

    /// Something that happened to an order, told once more.
    pub fn order_key(&mut self, place: &Place, event: &Event) {
        if let Event::Order(event) = event
            && is_looked_at(event, place.aggregate_id, &self.effects.scope)
        {
            self.keys.event(event, place.time, &mut self.report);
        }
    }

    /// How many things are kept at this moment, by what they are. Memory is in proportion to these.
    #[must_use]
    pub fn retained(&self) -> Retained {
        Retained {
            tasks: self.effects.len(),
            rows: self.order_rows.len() + self.notification_rows.len(),
            aggregates: self.products.len() + self.users.len(),
            aggregate_rows: self.product_rows.len() + self.user_rows.len(),
            stocks: self.stocks.len() + self.orders.held.len(),
            keys: self.keys.len(),
            waiting_orders: self.orders.waiting(),
            parked: self.effects.parking.len(),
        }
    }

    /// Everything has been said.
    #[must_use]
    pub fn finish(mut self) -> Report {
        self.end_trail();
        let report = &mut self.report;
        self.positions.finish(&self.heads, report);
        let scope = self.effects.scope.clone();
        let between = self.effects.finish(&self.heads, report);
        let service = self.service.as_ref();
        self.orders
            .finish(&self.positions, self.served_at, service, report);

        let held = &self.orders.held;
        let mut products: BTreeSet<u64> = held.ids().chain(self.products.ids()).collect();
        products.extend(between.keys().map(|product| product.get()));
        let is_limited = scope.since.is_some();
        for id in products {
            let product = self.products.state(id);
            // What older orders hold of an older product is not known.
            if let Some(id) = ProductId::new(id)
                && (product.is_some() || !is_limited)
            {
                let held = held.get(id.get()).copied().unwrap_or(0);
                let between = between.get(&id).copied().unwrap_or(0);
                stock::judge_allocation(id, product.as_ref(), (held, between), report);
            }
        }

        self.products.compare_with(&mut self.product_rows, report);
        self.users.compare_with(&mut self.user_rows, report);
        self.order_rows.finish(report);
        self.product_rows.finish(report);
        self.user_rows.finish(report);
        self.notification_rows.finish(report);
        if !scope.leaves_out(Invariant::I8) {
            self.log.finish(&self.heads, report);
        }
        report.has_keys_left = self.keys.has_left();
        self.report
    }
}
