//! A shop that is played in fast motion.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, HashSet},
    time::{Duration, SystemTime},
};

use domain::{
    Aggregate, Currency, Domain, Event, Money, NotificationId, OrderId, ProductId, Quantity,
    ShardRef, Timestamp, UserId,
    ids::next_in_shard,
    notifications::{Channel, Notification, NotificationCommand, Template},
    orders::{CancelledBy, IdempotencyKey, Order, OrderCommand, OrderEvent, RequestedLine},
    products::{Product, ProductCommand},
    saga,
    users::{Role, User, UserCommand},
};
use storage::{Key, KeyOwner, KeyRecord};

use super::{Options, pen::Pen};

/// How long products may take to answer.
const DEADLINE: Duration = Duration::from_secs(60);
/// How long an idempotency key is taken.
const KEY_TAKEN_FOR: Duration = Duration::from_secs(24 * 3600);
/// Of so many orders one is cancelled.
const CANCELLED_OF: usize = 25;
/// Hours after which the last of them is.
const CANCELLED_WITHIN_HOURS: usize = 96;
/// Of so many products one has few pieces.
const SCARCE_OF: u64 = 50;
/// Of so many batches one is answered too late.
const LATE_OF: u64 = 200;

type Kept<A> = (Option<A>, u64);

/// The shop.
pub(super) struct Shop {
    pen: Pen,
    options: Options,
    random: u64,
    now: Timestamp,
    step: Duration,
    placed: u64,
    batches: u64,
    users: Vec<UserId>,
    products: BTreeMap<ProductId, Kept<Product>>,
    catalogue: Vec<ProductId>,
    /// Orders that something may still happen to.
    orders: BTreeMap<OrderId, Kept<Order>>,
    /// When which order will be cancelled.
    cancellations: BinaryHeap<Reverse<(Timestamp, OrderId)>>,
    to_cancel: HashSet<OrderId>,
    last_ids: BTreeMap<ShardRef, u64>,
    touched_orders: BTreeSet<OrderId>,
    touched_products: BTreeSet<ProductId>,
}

impl Shop {
    pub(super) fn new(pen: Pen, options: Options) -> Self {
        #[expect(clippy::disallowed_methods, reason = "an example has no other clock")]
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap();
        let now = Timestamp::from_millis(i64::try_from(now.as_millis()).unwrap());
        let span = Duration::from_secs(options.hours * 3600);
        Self {
            pen,
            random: options.seed,
            now: now.minus(span),
            // Some of the time passes while products answer too late.
            step: span.mul_f64(0.9) / u32::try_from(options.orders.max(1)).unwrap(),
            placed: 0,
            batches: 0,
            users: Vec::new(),
            products: BTreeMap::new(),
            catalogue: Vec::new(),
            orders: BTreeMap::new(),
            cancellations: BinaryHeap::new(),
            to_cancel: HashSet::new(),
            last_ids: BTreeMap::new(),
            touched_orders: BTreeSet::new(),
            touched_products: BTreeSet::new(),
            options,
        }
    }

    pub(super) const fn placed(&self) -> u64 {
        self.placed
    }

    pub(super) const fn records(&self) -> u64 {
        self.pen.records
    }

    /// Writes everything that has happened since the last time.
    pub(super) async fn commit(&mut self) {
        for id in std::mem::take(&mut self.touched_products) {
            let (product, version) = &self.products[&id];
            let row = product.clone().map(|product| (product, *version));
            self.pen.rows.products.extend(row);
        }
        for id in std::mem::take(&mut self.touched_orders) {
            let (order, version) = self.orders[&id].clone();
            let is_settled = order
                .as_ref()
                .is_some_and(|order| order.status.is_settled());
            if is_settled && !self.to_cancel.contains(&id) {
                self.orders.remove(&id);
            }
            self.pen
                .rows
                .orders
                .extend(order.map(|order| (order, version)));
        }
        self.pen.commit().await;
    }

    /// So many people open an account.
    pub(super) fn register_users(&mut self, count: u64) {
        for _ in 0..count {
            let shard = shard_of(Domain::Auth, self.users.len() as u64, self.options.shards);
            let id = self.issue(shard);
            let user_id = UserId::new(id).unwrap();
            let username = format!("customer-{id}");
            let command = UserCommand::RegisterUser {
                user_id,
                username: username.parse().unwrap(),
                email: Some(format!("{username}@example.com").into()),
                role: Role::Customer,
            };
            let (events, (state, version)) = decide::<User>((None, 0), &command, self.now);
            self.record(shard, (id, 1), events);
            self.pen.rows.users.push((state.unwrap(), version));
            self.take_key(shard, username, id, None);
            self.users.push(user_id);
        }
    }

    /// So many products come into the catalogue.
    pub(super) fn create_products(&mut self, count: u64) {
        for _ in 0..count {
            let number = self.catalogue.len() as u64;
            let shard = shard_of(Domain::Products, number, self.options.shards);
            let id = self.issue(shard);
            let product_id = ProductId::new(id).unwrap();
            let sku = format!("SKU-{number}");
            let command = ProductCommand::CreateProduct {
                product_id,
                sku: sku.parse().unwrap(),
                name: format!("A shirt of cotton, number {number}").into(),
                description: "What customers read about it, in a sentence or two of some length, so that it is not too short.".into(),
                price: Money::price(1_999, Currency::EUR).unwrap(),
                stock: if number % SCARCE_OF == 1 { 20 } else { 1_000_000 },
            };
            self.take_key(shard, format!("sku:{sku}"), id, None);
            self.catalogue.push(product_id);
            self.product(shard, product_id, &command);
        }
    }

    /// So many orders are placed and answered, and those cancelled whose time has come.
    pub(super) fn trade(&mut self, orders: u64) {
        self.batches += 1;
        for _ in 0..orders {
            self.place();
            self.now = self.now.plus_exactly(self.step, self.placed);
        }
        let is_late = self.batches.is_multiple_of(LATE_OF);
        if is_late {
            self.now = self.now.plus(DEADLINE * 2);
            self.expire();
        }
        self.deliver();
        self.cancel_due(self.now);
        self.deliver();
    }

    /// Whatever was to be cancelled is cancelled now.
    pub(super) fn close(&mut self) {
        self.cancel_due(Timestamp::from_millis(i64::MAX));
        self.deliver();
    }

    fn place(&mut self) {
        self.placed += 1;
        let user = self.below(self.users.len());
        let user_id = self.users[user];
        let shard = ShardRef {
            domain: Domain::Orders,
            shard: self.pen.topology().order_shard(user_id),
        };
        let last = self.last_ids.get(&shard).copied().and_then(OrderId::new);
        let id = OrderId::next(last, shard.shard, self.now);
        self.last_ids.insert(shard, id.get());
        self.pen.issued(shard, id.get());
        let lines: Vec<RequestedLine> = (0..self.below(8).saturating_sub(4).max(1))
            .map(|_| {
                let product = self.below(self.catalogue.len());
                RequestedLine {
                    product_id: self.catalogue[product],
                    quantity: Quantity::new(self.below(3) as u64 + 1).unwrap(),
                }
            })
            .collect();
        let idempotency = (self.below(100) as u64) < self.options.keyed;
        let idempotency = idempotency.then(|| IdempotencyKey {
            key: format!("0f9c2d1e-1b7a-4f2e-8c55-{:012}", self.placed).into(),
            fingerprint: [7; 16],
        });
        if let Some(idempotency) = &idempotency {
            let text = format!("order:{user_id}:{}", idempotency.key);
            let expires_at = self.now.plus(KEY_TAKEN_FOR);
            self.take_key(shard, text, id.get(), Some(expires_at));
        }
        let command = OrderCommand::CreateOrder {
            order_id: id,
            user_id,
            lines,
            deadline: self.now.plus(DEADLINE),
            idempotency,
        };
        self.order(id, &command);
        if self.below(CANCELLED_OF) == 0 {
            let minutes = self.below(60 * CANCELLED_WITHIN_HOURS) as u64;
            // Half of them while their customers still look at them.
            let after = Duration::from_secs(60 * minutes * (minutes % 2) + 1);
            self.cancellations.push(Reverse((self.now.plus(after), id)));
            self.to_cancel.insert(id);
        }
    }

    fn expire(&mut self) {
        let is_open = |(id, (order, _)): (&OrderId, &Kept<Order>)| {
            let is_open = order
                .as_ref()
                .is_some_and(|order| !order.status.is_settled());
            is_open.then_some(*id)
        };
        let open: Vec<OrderId> = self.orders.iter().filter_map(is_open).collect();
        for id in open {
            self.order(id, &OrderCommand::ExpireOrder);
        }
    }

    fn cancel_due(&mut self, until: Timestamp) {
        while let Some(Reverse((due, _))) = self.cancellations.peek()
            && *due <= until
        {
            let Some(Reverse((_, id))) = self.cancellations.pop() else {
                return;
            };
            self.to_cancel.remove(&id);
            self.touched_orders.insert(id);
            let (order, _) = &self.orders[&id];
            if order
                .as_ref()
                .is_some_and(|order| order.status.holds_stock())
            {
                self.order(id, &OrderCommand::CancelOrder(CancelledBy::Customer));
            }
        }
    }

    /// Everybody acts on what was sent, until nothing is on its way.
    fn deliver(&mut self) {
        loop {
            if let Some((shard, sent)) = self.pen.receive(Domain::Products) {
                let Event::Order(event) = &sent.event else {
                    unreachable!("only orders send to products")
                };
                for (product, command) in saga::requests(OrderId::new(sent.about).unwrap(), event) {
                    if self.pen.topology().owner_of_product(product) == shard {
                        self.product(shard, product, &command);
                    }
                }
            } else if let Some((_, sent)) = self.pen.receive(Domain::Orders) {
                let Event::Product(event) = &sent.event else {
                    unreachable!("only products send to orders")
                };
                let (order, answer) = saga::answer(event).unwrap();
                self.order(order, &OrderCommand::RecordAnswer(answer));
            } else if let Some((shard, sent)) = self.pen.receive(Domain::Notifications) {
                let Event::Order(event) = &sent.event else {
                    unreachable!("only orders send to notifications")
                };
                self.notify(shard, OrderId::new(sent.about).unwrap(), event);
            } else {
                return;
            }
        }
    }

    fn notify(&mut self, shard: ShardRef, order_id: OrderId, event: &OrderEvent) {
        let Some(template) = Template::for_event(event) else {
            return;
        };
        let (OrderEvent::OrderConfirmed { user_id, .. }
        | OrderEvent::OrderRejected { user_id, .. }
        | OrderEvent::OrderCancelled { user_id, .. }
        | OrderEvent::OrderExpired { user_id, .. }) = event
        else {
            return;
        };
        let id = self.issue(shard);
        let command = NotificationCommand::RecordNotification {
            id: NotificationId::new(id).unwrap(),
            order_id,
            user_id: *user_id,
            template,
            channel: Channel::Log,
            subject: format!("Your order {order_id}").into(),
            body: format!("Your order {order_id} has changed. Thank you for your patience.").into(),
        };
        let (events, (state, version)) = decide::<Notification>((None, 0), &command, self.now);
        self.record(shard, (id, 1), events);
        self.pen.rows.notifications.push((state.unwrap(), version));
    }

    fn order(&mut self, id: OrderId, command: &OrderCommand) {
        let kept = self.orders.remove(&id).unwrap_or_default();
        let first = kept.1 + 1;
        let (events, kept) = decide(kept, command, self.now);
        self.orders.insert(id, kept);
        self.touched_orders.insert(id);
        let shard = self.pen.topology().owner_of_order(id).unwrap();
        self.record(shard, (id.get(), first), events);
    }

    fn product(&mut self, shard: ShardRef, id: ProductId, command: &ProductCommand) {
        let kept = self.products.remove(&id).unwrap_or_default();
        let first = kept.1 + 1;
        let (events, kept) = decide(kept, command, self.now);
        self.products.insert(id, kept);
        self.touched_products.insert(id);
        self.record(shard, (id.get(), first), events);
    }

    fn record(&mut self, shard: ShardRef, (id, first): (u64, u64), events: Vec<Event>) {
        for (seq, event) in (first..).zip(events) {
            self.pen.record(shard, (id, seq), self.now, event);
        }
    }

    fn issue(&mut self, shard: ShardRef) -> u64 {
        let last = self.last_ids.get(&shard).copied();
        let id = next_in_shard(last, shard.shard, self.options.shards);
        self.last_ids.insert(shard, id);
        self.pen.issued(shard, id);
        id
    }

    fn take_key(&mut self, shard: ShardRef, text: String, id: u64, expires_at: Option<Timestamp>) {
        self.pen.rows.keys.push(KeyRecord {
            key: Key { shard, text },
            owner: KeyOwner {
                aggregate_id: id,
                fingerprint: [7; 16],
                expires_at,
            },
        });
    }

    /// A random number below a bound, by splitmix64.
    fn below(&mut self, bound: usize) -> usize {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.random;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let below = (number ^ (number >> 31)) % bound as u64;
        usize::try_from(below).unwrap_or(0)
    }
}

trait Exactly {
    /// Later by a step that may be less than a millisecond: as many whole ones as are due at the `nth` step.
    fn plus_exactly(self, step: Duration, nth: u64) -> Self;
}

impl Exactly for Timestamp {
    fn plus_exactly(self, step: Duration, nth: u64) -> Self {
        let at = |nth: u64| step.as_nanos() * u128::from(nth) / 1_000_000;
        let passed = at(nth) - at(nth.saturating_sub(1));
        self.plus(Duration::from_millis(u64::try_from(passed).unwrap()))
    }
}

fn shard_of(domain: Domain, number: u64, shards: u16) -> ShardRef {
    let shard = u16::try_from(number % u64::from(shards)).unwrap();
    ShardRef { domain, shard }
}

/// What comes of a command.
fn decide<A: Aggregate>(
    (state, version): Kept<A>,
    command: &A::Command,
    now: Timestamp,
) -> (Vec<Event>, Kept<A>) {
    let events = A::decide(state.as_ref(), command, now).unwrap();
    let state = A::evolve_all(state, &events, now);
    let version = version + events.len() as u64;
    (
        events.into_iter().map(Into::into).collect(),
        (state, version),
    )
}
