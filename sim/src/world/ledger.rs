//! What can be seen to be wrong the moment it is committed. It knows nothing of how things are decided: it keeps books
//! of what the journal says, transaction by transaction.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use domain::{
    Domain, Event, OrderId, ProductId, ShardRef,
    notifications::{NotificationEvent, Template},
    orders::{LineOutcome, OrderEvent, OrderStatus},
    parking::ParkingEvent,
    products::{ProductEvent, Stock},
    saga,
};

use super::{
    clockwork::Clockwork,
    plan::Fault,
    rules::State,
    store::{Store, Stored, Transaction},
};

/// The books.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Pieces put into each product.
    put_in: BTreeMap<ProductId, i128>,
    /// Orders, each with the status that the journal says.
    orders: BTreeMap<OrderId, OrderStatus>,
    /// Where each order was created.
    created_at: BTreeMap<OrderId, u64>,
    reserved: BTreeSet<(OrderId, ProductId)>,
    refused: BTreeSet<(OrderId, ProductId)>,
    released: BTreeSet<(OrderId, u64)>,
    told: HashSet<(OrderId, Template)>,
    /// Orders about which something was set aside.
    set_aside: BTreeSet<OrderId>,
    /// How many records there are.
    pub records: u64,
    /// How many transactions.
    pub commits: u64,
    /// How many orders came to which end.
    pub settled: BTreeMap<&'static str, u64>,
}

impl Ledger {
    /// How many orders were created.
    #[must_use]
    pub fn order_count(&self) -> u64 {
        self.orders.len() as u64
    }

    /// What can only be seen before a transaction is written.
    pub fn before(&mut self, store: &Store, transaction: &Transaction, clockwork: &mut Clockwork) {
        for commit in &transaction.commits {
            let head = &store.of(commit.shard).head;
            if head.epoch != commit.epoch || head.revision != commit.revision {
                continue;
            }
            for record in &commit.records {
                if let (Some(order_id), Event::Order(OrderEvent::OrderExpired { .. })) =
                    (OrderId::new(record.payload.about), &*record.payload.event)
                {
                    self.may_expire(order_id, commit.shard, store, clockwork);
                }
            }
        }
    }

    /// What was accepted expires only if no answer can be on its way.
    fn may_expire(
        &self,
        order_id: OrderId,
        shard: ShardRef,
        store: &Store,
        clockwork: &mut Clockwork,
    ) {
        let Some((State::Order(order), _)) = store.of(shard).states.get(&order_id.get()) else {
            return;
        };
        if self.set_aside.contains(&order_id) {
            return;
        }
        let created_at = self.created_at.get(&order_id).copied().unwrap_or(0);
        for line in order
            .lines
            .iter()
            .filter(|line| line.outcome == LineOutcome::Pending)
        {
            let target = store.topology.owner_of_product(line.product_id);
            let asked = store.of(target).head.watermark(shard);
            if asked < created_at {
                clockwork.violated(format!("I2: order {order_id} expires although {target} has not been asked: its watermark is {asked}, the order is at {created_at}"));
            }
            let pair = (order_id, line.product_id);
            if self.reserved.contains(&pair) || self.refused.contains(&pair) {
                clockwork.violated(format!(
                    "I2: order {order_id} expires although product {} has answered",
                    line.product_id
                ));
            }
        }
    }

    /// What was written.
    pub fn after(&mut self, store: &Store, transaction: &Transaction, clockwork: &mut Clockwork) {
        self.commits += 1;
        // A transaction is one moment, and in it an order may rest on what a product says.
        let mut commits: Vec<_> = transaction.commits.iter().collect();
        commits.sort_by_key(|commit| commit.shard.domain != Domain::Products);
        for commit in commits {
            let kept = store.of(commit.shard);
            for (source, watermark) in &commit.watermarks {
                let last = store.of(*source).head.last_position;
                if *watermark > last {
                    clockwork.violated(format!(
                        "I7: {} has applied {source} up to {watermark}, and that ends at {last}",
                        commit.shard
                    ));
                }
            }
            let expected = kept.journal.len() as u64;
            if kept.head.last_position != expected {
                clockwork.violated(format!(
                    "I9: the head of {} says {}, its journal ends at {expected}",
                    commit.shard, kept.head.last_position
                ));
            }
            for record in &commit.records {
                self.records += 1;
                self.record(commit.shard, record, clockwork);
                if !record.stamps.is_empty() && clockwork.strikes(Fault::Undecodable) {
                    let until = clockwork.now_ms() + clockwork.draw(500..20_000);
                    clockwork
                        .undecodable
                        .insert((commit.shard, record.position), until);
                }
            }
        }
    }

    fn record(&mut self, shard: ShardRef, record: &Stored, clockwork: &mut Clockwork) {
        let about = record.payload.about;
        let wrong = match &*record.payload.event {
            Event::Order(event) => match OrderId::new(about) {
                Some(order_id) => self.order(order_id, record.position, event),
                None => Some("no order has such an id".to_owned()),
            },
            Event::Product(event) => match ProductId::new(about) {
                Some(product_id) => self.product(product_id, event),
                None => Some("no product has such an id".to_owned()),
            },
            Event::Notification(NotificationEvent::NotificationRecorded {
                order_id,
                template,
                ..
            }) => (!self.told.insert((*order_id, *template)))
                .then(|| format!("I6: order {order_id} is told {template:?} twice")),
            Event::Parking(event) => {
                if let ParkingEvent::CommandParked(command) = event {
                    self.set_aside.extend(command.order_id);
                }
                None
            }
            Event::User(_) => None,
        };
        if let Some(wrong) = wrong {
            clockwork.violated(format!("{wrong} ({shard} position {})", record.position));
        }
    }

    fn order(&mut self, order_id: OrderId, position: u64, event: &OrderEvent) -> Option<String> {
        let before = self.orders.get(&order_id).copied();
        let after = match event {
            OrderEvent::OrderCreated { .. } => {
                self.created_at.insert(order_id, position);
                if before.is_some() {
                    return Some(format!("I9: order {order_id} is created twice"));
                }
                OrderStatus::Created
            }
            OrderEvent::AnswerRecorded { .. } | OrderEvent::LateReservationReleased { .. } => {
                return before
                    .is_none()
                    .then(|| format!("order {order_id} was never created"));
            }
            OrderEvent::OrderConfirmed { .. } => OrderStatus::Confirmed,
            OrderEvent::OrderRejected { .. } => OrderStatus::Rejected,
            OrderEvent::OrderCancelled { .. } => OrderStatus::Cancelled,
            OrderEvent::OrderExpired { .. } => OrderStatus::Expired,
        };
        self.orders.insert(order_id, after);
        if after == OrderStatus::Created {
            return None;
        }
        let may_follow = match before {
            Some(OrderStatus::Created) => true,
            Some(OrderStatus::Confirmed) => after == OrderStatus::Cancelled,
            _ => false,
        };
        if before == Some(OrderStatus::Created) {
            *self.settled.entry(after.as_str()).or_default() += 1;
        }
        if !may_follow {
            return Some(format!(
                "I2: order {order_id} becomes {after} after {before:?}"
            ));
        }
        if let OrderEvent::OrderConfirmed { answer, .. } = event
            && !self.reserved.contains(&(order_id, answer.product_id()))
        {
            return Some(format!(
                "I3: order {order_id} is confirmed without a reservation"
            ));
        }
        None
    }

    fn product(&mut self, product_id: ProductId, event: &ProductEvent) -> Option<String> {
        let stock = match event {
            ProductEvent::ProductCreated { stock, .. } => {
                self.put_in.insert(product_id, i128::from(stock.available));
                *stock
            }
            ProductEvent::ProductChanged { .. } => return None,
            ProductEvent::StockAdjusted { delta, stock, .. } => {
                *self.put_in.entry(product_id).or_default() += i128::from(*delta);
                *stock
            }
            ProductEvent::StockReserved {
                order_id, stock, ..
            } => {
                if !self.reserved.insert((*order_id, product_id)) {
                    return Some(format!(
                        "I7: product {product_id} is reserved twice for order {order_id}"
                    ));
                }
                *stock
            }
            ProductEvent::StockRefused { order_id, .. } => {
                let is_first = self.refused.insert((*order_id, product_id));
                return (!is_first).then(|| {
                    format!("I7: product {product_id} is refused twice to order {order_id}")
                });
            }
            ProductEvent::StockReleased {
                order_id, stock, ..
            } => {
                if !self.released.insert((*order_id, product_id.get())) {
                    return Some(format!(
                        "I7: product {product_id} is given back twice by order {order_id}"
                    ));
                }
                *stock
            }
        };
        self.adds_up(product_id, stock)
    }

    fn adds_up(&self, product_id: ProductId, stock: Stock) -> Option<String> {
        let put_in = self.put_in.get(&product_id).copied().unwrap_or(0);
        let found = i128::from(stock.available) + i128::from(stock.allocated);
        (put_in != found).then(|| {
            format!("I1: product {product_id} was given {put_in} pieces and has {found}: {stock:?}")
        })
    }

    /// What is wrong when everything has come to rest: a product that never answered.
    pub fn at_rest(&self, store: &Store, clockwork: &mut Clockwork) {
        for (shard, kept) in &store.shards {
            if shard.domain != Domain::Orders {
                continue;
            }
            for record in &kept.journal {
                let (Some(order_id), Event::Order(event @ OrderEvent::OrderCreated { .. })) =
                    (OrderId::new(record.payload.about), &*record.payload.event)
                else {
                    continue;
                };
                if self.set_aside.contains(&order_id) {
                    continue;
                }
                for (product, _) in saga::requests(order_id, event) {
                    let pair = (order_id, product);
                    if !self.reserved.contains(&pair) && !self.refused.contains(&pair) {
                        clockwork.violated(format!(
                            "I7: product {product} never answered order {order_id}"
                        ));
                    }
                }
            }
        }
    }
}
