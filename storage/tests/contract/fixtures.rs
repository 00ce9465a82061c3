//! Orders, products and records to write, and a pen that writes them as the journal writer does.

use std::sync::Arc;

use domain::{
    Currency, Domain, Money, NotificationId, OrderId, ProductId, Quantity, ShardRef, Timestamp,
    Topology, UserId,
    notifications::{Channel, DeliveryStatus, Notification, Template},
    orders::{FulfilmentStatus, Line, LineOutcome, Order, OrderStatus, PaymentStatus},
    parking::ParkedCommand,
    products::{Product, Stock},
    users::{Role, User},
};
use engine::{Entry, Head, Writer};
use storage::{
    Batch, Journal, Key, KeyOwner, KeyRecord, NewRecord, ParkedRow, RowWrites, StorageError,
};

/// More than nine shards, so that 1 and 11 could be taken for each other.
pub(crate) const TOPOLOGY: Topology = Topology::uniform(16);

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

pub(crate) fn after_secs(secs: u64) -> Timestamp {
    NOW.plus(std::time::Duration::from_secs(secs))
}

pub(crate) fn orders(shard: u16) -> ShardRef {
    ShardRef {
        domain: Domain::Orders,
        shard,
    }
}

pub(crate) fn products(shard: u16) -> ShardRef {
    ShardRef {
        domain: Domain::Products,
        shard,
    }
}

/// The id of the nth order of a shard.
pub(crate) fn order_id(shard: u16, nth: u32) -> OrderId {
    let mut id = OrderId::next(None, shard, NOW);
    for _ in 0..nth {
        id = OrderId::next(Some(id), shard, NOW);
    }
    id
}

pub(crate) fn order(id: OrderId, user: u64, status: OrderStatus) -> Order {
    Order {
        id,
        user_id: UserId::new(user).unwrap(),
        status,
        payment_status: PaymentStatus::None,
        fulfilment_status: FulfilmentStatus::None,
        lines: vec![Line {
            product_id: ProductId::new(17).unwrap(),
            quantity: Quantity::new(2).unwrap(),
            outcome: LineOutcome::Reserved {
                sku: "TEE-XL".parse().unwrap(),
                name: "T-shirt".into(),
                unit_price: Money::price(1_999, Currency::EUR).unwrap(),
            },
        }],
        total: Money::price(3_998, Currency::EUR).ok(),
        reason: None,
        cancelled_by: None,
        deadline: after_secs(60),
        created_at: NOW,
        updated_at: NOW,
    }
}

pub(crate) fn product(id: u64, sku: &str, name: &str) -> Product {
    Product {
        id: ProductId::new(id).unwrap(),
        sku: sku.parse().unwrap(),
        name: name.into(),
        description: "Cotton".into(),
        price: Money::price(1_999, Currency::EUR).unwrap(),
        stock: Stock {
            available: 90,
            allocated: 10,
        },
        created_at: NOW,
        updated_at: NOW,
    }
}

pub(crate) fn user(id: u64, username: &str, role: Role) -> User {
    User {
        id: UserId::new(id).unwrap(),
        username: username.parse().unwrap(),
        email: None,
        role,
        sessions: Vec::new(),
        created_at: NOW,
        updated_at: NOW,
    }
}

pub(crate) fn notification(id: u64, order: OrderId, user: u64, template: Template) -> Notification {
    Notification {
        id: NotificationId::new(id).unwrap(),
        order_id: order,
        user_id: UserId::new(user).unwrap(),
        template,
        channel: Channel::Log,
        status: DeliveryStatus::Sent,
        subject: "Your order".into(),
        body: "It is on its way".into(),
        created_at: NOW,
    }
}

pub(crate) fn parked(shard: ShardRef, id: u64, parked_at: Timestamp) -> ParkedRow {
    ParkedRow {
        shard,
        parked_at,
        command: ParkedCommand {
            id,
            source_domain: Domain::Products,
            source_shard: 3,
            source_position: 44,
            aggregate_id: 5,
            order_id: Some(order_id(1, 0)),
            event_type: "stock.reserved.v1".to_owned(),
            payload: vec![0, 1, 255],
            error: "it panicked".to_owned(),
        },
    }
}

pub(crate) fn key(shard: ShardRef, text: &str) -> Key {
    Key {
        shard,
        text: text.to_owned(),
    }
}

pub(crate) fn taken(key: &Key, aggregate_id: u64, expires_at: Option<Timestamp>) -> KeyRecord {
    KeyRecord {
        key: key.clone(),
        owner: KeyOwner {
            aggregate_id,
            fingerprint: [7; 16],
            expires_at,
        },
    }
}

pub(crate) fn record(aggregate_id: u64, seq: u64) -> NewRecord {
    record_at(aggregate_id, seq, NOW)
}

pub(crate) fn record_at(aggregate_id: u64, seq: u64, time: Timestamp) -> NewRecord {
    NewRecord {
        aggregate_id,
        seq,
        time,
        event_type: "order.created.v1",
        payload: format!("{aggregate_id}/{seq}").into_bytes(),
        trace: None,
    }
}

/// One turn of a shard.
pub(crate) fn turn(shard: ShardRef, records: Vec<(NewRecord, Vec<ShardRef>)>) -> Turn {
    Entry {
        shard,
        generation: 1,
        records: records
            .into_iter()
            .map(|(payload, targets)| engine::NewRecord { payload, targets })
            .collect(),
        last_id: None,
        watermark: None,
        companion: (),
    }
}

pub(crate) type Turn = Entry<ShardRef, NewRecord, ()>;

/// The journal writer's state machine, which makes commits of turns.
#[derive(Default)]
pub(crate) struct Pen(Writer<ShardRef, NewRecord, ()>);

impl Pen {
    /// A pen for these shards, which are claimed.
    pub(crate) async fn claiming(journal: &impl Journal, shards: &[ShardRef]) -> Self {
        let mut pen = Self::default();
        for &shard in shards {
            pen.open(shard, journal.claim(shard, "node-1", None).await.unwrap());
        }
        pen
    }

    pub(crate) fn open(&mut self, shard: ShardRef, head: Head<ShardRef>) {
        self.0.open(shard, head);
    }

    /// A batch of these turns and rows, which counts as committed.
    pub(crate) fn batch(&mut self, turns: Vec<Turn>, rows: RowWrites) -> Arc<Batch> {
        for turn in turns {
            self.0.submit(turn).unwrap();
        }
        let commits = self
            .0
            .begin(usize::MAX)
            .map_or_else(Vec::new, |batch| batch.commits);
        self.0.committed();
        Arc::new(Batch { commits, rows })
    }

    pub(crate) async fn write(
        &mut self,
        journal: &impl Journal,
        turns: Vec<Turn>,
        rows: RowWrites,
    ) -> Result<(), StorageError> {
        let batch = self.batch(turns, rows);
        journal.commit(&batch).await
    }
}
