//! The ceiling of a store:
//! `cargo run --release -p stampede-storage --example throughput -- [--keys] [--batch N] [ORDERS] [URL]`.
//!
//! Without a URL the embedded store in a temporary folder; with one, PostgreSQL in that database, which is migrated and
//! should be empty. There every domain commits a transaction of its own, as its writers do.
//!
//! Every batch places N orders (500) and confirms those of the batch before: per order three journal records, two order
//! states, one product state, one notification; with `--keys` also an idempotency key, which lands at a random place of
//! its index. Then commits of a single record, one after the other, as when idle.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use domain::{
    Currency, Domain, Money, NotificationId, OrderId, ProductId, Quantity, ShardRef, Timestamp,
    Topology, UserId,
    notifications::{Channel, DeliveryStatus, Notification, Template},
    orders::{FulfilmentStatus, Line, LineOutcome, Order, OrderStatus, PaymentStatus},
    products::{Product, Stock},
};
use engine::{Entry, Writer};
use storage::{
    ActivityLog, Batch, Journal, Key, KeyOwner, KeyRecord, Level, NewActivity, NewRecord,
    RowWrites,
    postgres::{PostgresOptions, PostgresStore, migrate},
    sqlite::{OpenMode, SqliteActivityLog, SqliteStore},
};

const SHARDS: u16 = 4;
/// Orders of a batch, unless asked for another number.
const BATCH: u32 = 500;
const PRODUCTS: u64 = 1_000;
const USERS: u64 = 100_000;
const PAYLOAD: usize = 90;
/// Above all positions that are written.
const WATERMARKS: u64 = 1 << 32;
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

struct Load {
    writer: Writer<ShardRef, NewRecord, ()>,
    last: [Option<OrderId>; SHARDS as usize],
    placed: u64,
    takes_keys: bool,
    open: Vec<(OrderId, u64, u64)>,
}

impl Load {
    fn record(
        &mut self,
        domain: Domain,
        shard: u64,
        aggregate_id: u64,
        seq: u64,
        target: Option<Domain>,
    ) {
        let at = |domain| ShardRef {
            domain,
            shard: u16::try_from(shard % u64::from(SHARDS)).unwrap(),
        };
        let source = at(domain);
        let entry = Entry {
            shard: source,
            generation: 1,
            records: vec![engine::NewRecord {
                payload: NewRecord {
                    aggregate_id,
                    seq,
                    time: NOW,
                    event_type: "order.confirmed.v1",
                    payload: vec![42; PAYLOAD],
                    trace: None,
                },
                targets: target.map(at).into_iter().collect(),
            }],
            last_id: Some(aggregate_id),
            // Of records that the writer has not gathered: it would wait for them.
            watermark: target.map(|domain| (at(domain), WATERMARKS + self.placed * 3 + seq)),
            companion: (),
        };
        assert!(self.writer.submit(entry).is_ok());
    }

    fn batch(&mut self, orders: u64) -> Batch {
        let mut rows = RowWrites::default();
        for (id, nth, user) in std::mem::take(&mut self.open) {
            self.record(Domain::Orders, nth, id.get(), 2, None);
            rows.orders
                .push((order(id, user, OrderStatus::Confirmed), 2));
            rows.notifications.push((notification(id, nth, user), 1));
        }
        for _ in 0..orders {
            self.placed += 1;
            let nth = self.placed;
            let shard = usize::try_from(nth % u64::from(SHARDS)).unwrap();
            let at = u16::try_from(shard).unwrap();
            let now = NOW.plus(Duration::from_millis(nth / 20));
            let id = OrderId::next(self.last[shard], at, now);
            self.last[shard] = Some(id);
            let hash = nth.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
            self.record(Domain::Orders, nth, id.get(), 1, Some(Domain::Products));
            self.record(
                Domain::Products,
                nth,
                hash % PRODUCTS + 1,
                nth,
                Some(Domain::Orders),
            );
            let shards = u64::from(SHARDS);
            let user = (hash % USERS / shards + 1) * shards + nth % shards;
            rows.orders.push((order(id, user, OrderStatus::Created), 1));
            rows.products.push((product(hash % PRODUCTS + 1), nth));
            if self.takes_keys {
                rows.keys.push(key(id, hash, user));
            }
            self.open.push((id, nth, user));
        }
        let commits = self.writer.begin(usize::MAX).unwrap().commits;
        self.writer.committed();
        Batch { commits, rows }
    }
}

fn order(id: OrderId, user: u64, status: OrderStatus) -> Order {
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
        deadline: NOW,
        created_at: NOW,
        updated_at: NOW,
    }
}

fn key(order: OrderId, hash: u64, user: u64) -> KeyRecord {
    KeyRecord {
        key: Key {
            shard: ShardRef {
                domain: Domain::Orders,
                shard: order.shard(),
            },
            text: format!("{user}:{hash:032x}"),
        },
        owner: KeyOwner {
            aggregate_id: order.get(),
            fingerprint: [7; 16],
            expires_at: Some(NOW.plus(Duration::from_secs(86_400))),
        },
    }
}

fn product(id: u64) -> Product {
    Product {
        id: ProductId::new(id).unwrap(),
        sku: format!("SKU-{id}").parse().unwrap(),
        name: "A shirt of cotton".into(),
        description: "What customers read about it, in a sentence or two of some length.".into(),
        price: Money::price(1_999, Currency::EUR).unwrap(),
        stock: Stock::default(),
        created_at: NOW,
        updated_at: NOW,
    }
}

fn notification(order: OrderId, nth: u64, user: u64) -> Notification {
    Notification {
        id: NotificationId::new(nth).unwrap(),
        order_id: order,
        user_id: UserId::new(user).unwrap(),
        template: Template::OrderConfirmed,
        channel: Channel::Log,
        status: DeliveryStatus::Sent,
        subject: "Your order is confirmed".into(),
        body: Arc::from("Thank you. Your order is confirmed and will be on its way soon."),
        created_at: NOW,
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut args = std::env::args().skip(1).peekable();
    let takes_keys = args.next_if_eq("--keys").is_some();
    let size: u32 = match args.next_if_eq("--batch") {
        Some(_) => args.next().unwrap().parse().unwrap(),
        None => BATCH,
    };
    let orders: u64 = args.next().map_or(200_000, |arg| arg.parse().unwrap());
    let load = Load {
        writer: Writer::default(),
        last: [None; SHARDS as usize],
        placed: 0,
        takes_keys,
        open: Vec::new(),
    };
    if let Some(url) = args.next() {
        let options = PostgresOptions::new(url);
        migrate(&options, &Topology::uniform(SHARDS), String::new)
            .await
            .unwrap();
        let store = PostgresStore::open(options).await.unwrap();
        journal(&store, load, orders, size, true).await;
        store.close().await;
    } else {
        let dir = tempfile::tempdir_in("target").unwrap();
        let topology = Topology::uniform(SHARDS);
        let store = SqliteStore::open(dir.path(), &topology, OpenMode::CreateIfMissing)
            .await
            .unwrap();
        journal(&store, load, orders, size, false).await;
        store.close().await.unwrap();
        activity(dir.path(), size).await;
    }
}

/// Commits the batch, or the parts of its domains side by side.
async fn commit(store: &impl Journal, batch: Batch, by_domain: bool) {
    if !by_domain {
        return store.commit(&Arc::new(batch)).await.unwrap();
    }
    let part = |domain| {
        let commits = batch.commits.iter();
        let mut part = Batch {
            commits: commits
                .filter(|commit| commit.shard.domain == domain)
                .cloned()
                .collect(),
            rows: RowWrites::default(),
        };
        match domain {
            Domain::Orders => {
                part.rows.orders.clone_from(&batch.rows.orders);
                part.rows.keys.clone_from(&batch.rows.keys);
            }
            Domain::Products => part.rows.products.clone_from(&batch.rows.products),
            _ => {
                part.rows
                    .notifications
                    .clone_from(&batch.rows.notifications);
            }
        }
        part
    };
    let parts = [Domain::Orders, Domain::Products, Domain::Notifications].map(part);
    let [a, b, c] = parts.map(Arc::new);
    let done = tokio::join!(store.commit(&a), store.commit(&b), store.commit(&c));
    assert!(done.0.is_ok() && done.1.is_ok() && done.2.is_ok());
}

async fn journal(store: &impl Journal, mut load: Load, orders: u64, size: u32, by_domain: bool) {
    for shard in Topology::uniform(SHARDS).journals() {
        load.writer
            .open(shard, store.claim(shard, "throughput", None).await.unwrap());
    }
    let mut busy = Duration::ZERO;
    let mut times = Vec::new();
    while load.placed < orders {
        let batch = load.batch(size.into());
        let begun = Instant::now();
        commit(store, batch, by_domain).await;
        let took = begun.elapsed();
        busy += took;
        times.push(took);
        let batches = u32::try_from(times.len()).unwrap();
        if batches.is_multiple_of(100) || load.placed >= orders {
            println!(
                "{:>9} orders: {:>6.0} orders/s, {:>7.0} rows/s",
                load.placed,
                f64::from(batches) * f64::from(size) / busy.as_secs_f64(),
                7.0 * f64::from(batches) * f64::from(size) / busy.as_secs_f64(),
            );
            show(&format!("batch of {size}"), &mut times);
            times.clear();
            busy = Duration::ZERO;
        }
    }
    let mut times = Vec::new();
    for _ in 0..2_000 {
        let batch = load.batch(1);
        let begun = Instant::now();
        commit(store, batch, by_domain).await;
        times.push(begun.elapsed());
    }
    show("one order placed, one confirmed", &mut times);
    let mut times = Vec::new();
    for _ in 0..2_000 {
        load.record(Domain::Products, 1, 5, 1, Some(Domain::Orders));
        let commits = load.writer.begin(1).unwrap().commits;
        load.writer.committed();
        let rows = RowWrites {
            products: vec![(product(5), 1)],
            ..RowWrites::default()
        };
        let batch = Arc::new(Batch { commits, rows });
        let begun = Instant::now();
        store.commit(&batch).await.unwrap();
        times.push(begun.elapsed());
    }
    show("one reservation", &mut times);
}

/// Three entries for each order, in batches.
async fn activity(dir: &std::path::Path, orders: u32) {
    let log = SqliteActivityLog::open(dir).await.unwrap();
    let source = ShardRef {
        domain: Domain::Orders,
        shard: 0,
    };
    let mut times = Vec::new();
    let mut position = 0;
    for _ in 0..200 {
        let mut entries = Vec::new();
        for _ in 0..3 * orders {
            position += 1;
            entries.push(NewActivity {
                source: Some((source, position)),
                time: NOW,
                level: Level::Info,
                service: "orders",
                event_type: "order.confirmed.v1".to_owned(),
                order_id: OrderId::new(position / 3 + 1),
                message: "order 4503599627370496 confirmed for 39.98 EUR".to_owned(),
            });
        }
        let begun = Instant::now();
        log.append(entries, &[(source, position)]).await.unwrap();
        times.push(begun.elapsed());
    }
    let busy: Duration = times.iter().sum();
    println!(
        "activity: {:.0} entries/s",
        position as f64 / busy.as_secs_f64()
    );
    show(&format!("{} entries", 3 * orders), &mut times);
    log.close().await.unwrap();
}

fn show(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!(
        "{what}: p50 {:?}, p99 {:?}, max {:?}",
        at(50),
        at(99),
        at(100)
    );
}
