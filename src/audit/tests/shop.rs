//! A small shop that is played step by step.

use std::{collections::HashMap, path::Path, sync::Arc};

use domain::{
    Aggregate, Currency, Domain, Event, Money, NotificationId, OrderId, ProductId, Quantity,
    ShardRef, Timestamp, UserId,
    notifications::{Channel, Notification, NotificationCommand, Template},
    orders::{IdempotencyKey, Order, OrderCommand, RequestedLine},
    products::{Product, ProductCommand},
    saga,
    users::{Role, User, UserCommand},
};
use storage::{ActivityLog, Journal, Key, KeyOwner, KeyRecord, RowWrites};

use super::pen::{self, Beside, Pen};

const ORDERS: ShardRef = shard(Domain::Orders);
const PRODUCTS: ShardRef = shard(Domain::Products);
const NOTIFICATIONS: ShardRef = shard(Domain::Notifications);
const USERS: ShardRef = shard(Domain::Auth);

const fn shard(domain: Domain) -> ShardRef {
    ShardRef { domain, shard: 0 }
}

/// A shop with one product, and the store behind it.
pub(crate) struct Shop {
    pen: Pen,
    orders: HashMap<u64, (Order, u64)>,
    products: HashMap<u64, (Product, u64)>,
    product: ProductId,
    user: UserId,
}

/// A shop as it was.
#[derive(Clone)]
pub(crate) struct Memory {
    pen: pen::Memory,
    orders: HashMap<u64, (Order, u64)>,
    products: HashMap<u64, (Product, u64)>,
}

impl Shop {
    /// Opens a shop that has so many pieces.
    pub(crate) async fn open(dir: &Path, stock: u64) -> Self {
        Self::founded(Pen::open(dir).await, stock).await
    }

    /// Opens a shop in these empty stores.
    pub(crate) async fn over(
        journal: Arc<dyn Journal>,
        log: Option<Arc<dyn ActivityLog>>,
        stock: u64,
    ) -> Self {
        Self::founded(Pen::over(journal, log, pen::Memory::default()).await, stock).await
    }

    /// Opens a shop again in stores that are as it remembers them.
    pub(crate) async fn again(
        journal: Arc<dyn Journal>,
        log: Option<Arc<dyn ActivityLog>>,
        memory: Memory,
    ) -> Self {
        Self {
            orders: memory.orders,
            products: memory.products,
            ..Self::of(Pen::over(journal, log, memory.pen).await)
        }
    }

    /// The time of its next record.
    pub(crate) fn now(&self) -> Timestamp {
        self.pen.memory.now
    }

    /// Time passes.
    pub(crate) fn pass(&mut self, time: std::time::Duration) {
        self.pen.memory.now = self.pen.memory.now.plus(time);
    }

    /// The shop as it is.
    pub(crate) fn memory(&self) -> Memory {
        Memory {
            pen: self.pen.memory.clone(),
            orders: self.orders.clone(),
            products: self.products.clone(),
        }
    }

    fn of(pen: Pen) -> Self {
        Self {
            pen,
            orders: HashMap::new(),
            products: HashMap::new(),
            product: ProductId::new(1).unwrap(),
            user: UserId::new(1).unwrap(),
        }
    }

    async fn founded(pen: Pen, stock: u64) -> Self {
        let mut shop = Self::of(pen);
        shop.register_user().await;
        shop.create_product("LANTERN", stock).await;
        shop
    }

    /// From now on this product is sold, which comes into the catalogue.
    pub(crate) async fn sells(&mut self, id: u64, sku: &str, stock: u64) {
        self.product = ProductId::new(id).unwrap();
        self.create_product(sku, stock).await;
    }

    /// Closes the files.
    pub(crate) async fn close(self) {
        self.pen.close().await;
    }

    /// Places an order that nobody has heard of yet.
    pub(crate) async fn place(&mut self, pieces: u64) -> OrderId {
        let last = self.orders.keys().max().copied().and_then(OrderId::new);
        let order_id = OrderId::next(last, 0, self.pen.memory.now);
        let fingerprint = [7; 16];
        let key: Arc<str> = format!("key of {order_id}").into();
        let command = OrderCommand::CreateOrder {
            order_id,
            user_id: self.user,
            lines: vec![RequestedLine {
                product_id: self.product,
                quantity: Quantity::new(pieces).unwrap(),
            }],
            deadline: self.pen.memory.now.plus(std::time::Duration::from_secs(60)),
            idempotency: Some(IdempotencyKey {
                key: key.clone(),
                fingerprint,
            }),
        };
        let beside = Beside {
            last_id: Some(order_id.get()),
            watermark: None,
            key: Some(KeyRecord {
                key: Key {
                    shard: ORDERS,
                    text: key.to_string(),
                },
                owner: KeyOwner {
                    aggregate_id: order_id.get(),
                    fingerprint,
                    expires_at: Some(Timestamp::from_millis(i64::MAX)),
                },
            }),
        };
        self.order(order_id, &command, beside).await;
        order_id
    }

    /// Has the products answer the newest order.
    pub(crate) async fn answer(&mut self) {
        let (position, (id, event)) = self.pen.newest(ORDERS);
        let Event::Order(event) = event else {
            unreachable!()
        };
        for (product, command) in saga::requests(OrderId::new(id).unwrap(), &event) {
            let beside = Beside {
                watermark: Some((ORDERS, position)),
                ..Beside::default()
            };
            self.product(product, &command, beside).await;
        }
    }

    /// Has the order hear the newest answer.
    pub(crate) async fn hear(&mut self) {
        let (position, (_, event)) = self.pen.newest(PRODUCTS);
        let Event::Product(event) = event else {
            unreachable!()
        };
        let (order, answer) = saga::answer(&event).unwrap();
        let beside = Beside {
            watermark: Some((PRODUCTS, position)),
            ..Beside::default()
        };
        self.order(order, &OrderCommand::RecordAnswer(answer), beside)
            .await;
    }

    /// Has the customer told of how the newest order ended.
    pub(crate) async fn notify(&mut self) {
        let (position, (id, event)) = self.pen.newest(ORDERS);
        let Event::Order(event) = event else {
            unreachable!()
        };
        let number = self.pen.recorded(NOTIFICATIONS) + 1;
        let command = NotificationCommand::RecordNotification {
            id: NotificationId::new(number).unwrap(),
            order_id: OrderId::new(id).unwrap(),
            user_id: self.user,
            template: Template::for_event(&event).unwrap(),
            channel: Channel::Log,
            subject: "Your order".into(),
            body: "".into(),
        };
        let events = Notification::decide(None, &command, self.pen.memory.now).unwrap();
        let state = Notification::evolve_all(None, &events, self.pen.memory.now).unwrap();
        let rows = RowWrites {
            notifications: vec![(state, 1)],
            ..RowWrites::default()
        };
        let beside = Beside {
            last_id: Some(number),
            watermark: Some((ORDERS, position)),
            key: None,
        };
        let events = events.into_iter().map(Event::from).collect();
        self.pen
            .commit(NOTIFICATIONS, (number, 1), events, rows, beside)
            .await;
    }

    /// An order from its beginning to its end.
    pub(crate) async fn sell(&mut self, pieces: u64) -> OrderId {
        let order = self.place(pieces).await;
        self.answer().await;
        self.hear().await;
        self.notify().await;
        order
    }

    async fn register_user(&mut self) {
        let command = UserCommand::RegisterUser {
            user_id: self.user,
            username: "anna".parse().unwrap(),
            email: None,
            role: Role::Customer,
        };
        let events = User::decide(None, &command, self.pen.memory.now).unwrap();
        let state = User::evolve_all(None, &events, self.pen.memory.now).unwrap();
        let rows = RowWrites {
            users: vec![(state, 1)],
            ..RowWrites::default()
        };
        let beside = Beside {
            last_id: Some(1),
            ..Beside::default()
        };
        let events = events.into_iter().map(Event::from).collect();
        self.pen.commit(USERS, (1, 1), events, rows, beside).await;
    }

    async fn create_product(&mut self, sku: &str, stock: u64) {
        let command = ProductCommand::CreateProduct {
            product_id: self.product,
            sku: sku.parse().unwrap(),
            name: "Storm lantern".into(),
            description: "".into(),
            price: Money::price(4_999, Currency::EUR).unwrap(),
            stock,
        };
        let beside = Beside {
            last_id: Some(self.product.get()),
            ..Beside::default()
        };
        self.product(self.product, &command, beside).await;
    }

    async fn product(&mut self, id: ProductId, command: &ProductCommand, beside: Beside) {
        let kept = self.products.remove(&id.get());
        let (events, seq, state) = decide(kept, command, self.pen.memory.now);
        let rows = RowWrites {
            products: vec![state.clone()],
            ..RowWrites::default()
        };
        self.products.insert(id.get(), state);
        self.pen
            .commit(PRODUCTS, (id.get(), seq), events, rows, beside)
            .await;
    }

    async fn order(&mut self, id: OrderId, command: &OrderCommand, beside: Beside) {
        let kept = self.orders.remove(&id.get());
        let (events, seq, state) = decide(kept, command, self.pen.memory.now);
        let rows = RowWrites {
            orders: vec![state.clone()],
            ..RowWrites::default()
        };
        self.orders.insert(id.get(), state);
        self.pen
            .commit(ORDERS, (id.get(), seq), events, rows, beside)
            .await;
    }
}

/// What comes of a command: the events, the number of the first, the state and its version.
fn decide<A: Aggregate>(
    kept: Option<(A, u64)>,
    command: &A::Command,
    now: Timestamp,
) -> (Vec<Event>, u64, (A, u64)) {
    let (state, version) = kept.map_or((None, 0), |(state, version)| (Some(state), version));
    let events = A::decide(state.as_ref(), command, now).unwrap();
    let state = A::evolve_all(state, &events, now).unwrap();
    let last = version + events.len() as u64;
    let events = events.into_iter().map(Into::into).collect();
    (events, version + 1, (state, last))
}
