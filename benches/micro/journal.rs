//! Appending to the journal, by how many orders share a transaction.
//!
//! A batch places so many orders, reserves for them and confirms those of the batch before: per order three records, and
//! the states of the order and its product. Only the commit is timed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use domain::{Aggregate, Domain, Event, OrderId, ShardRef, Timestamp, Topology, orders::Order};
use engine::{Entry, Writer};
use storage::{
    Batch, Journal, NewRecord, RowWrites,
    postgres::{PostgresOptions, PostgresStore, migrate},
    sqlite::{OpenMode, SqliteStore},
};
use tokio::runtime::Runtime;

use crate::{
    database::Database,
    sample::{self, NOW},
    servers::Servers,
};

const SHARDS: u16 = 4;
/// Orders of a batch.
const SIZES: [u64; 4] = [1, 10, 100, 500];
const SAMPLES: usize = 20;
const MEASURED: Duration = Duration::from_secs(5);

/// On SQLite, and on PostgreSQL where there is one.
pub(crate) fn measure(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let topology = Topology::uniform(SHARDS);
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let store = runtime
        .block_on(SqliteStore::open(
            dir.path(),
            &topology,
            OpenMode::CreateIfMissing,
        ))
        .unwrap();
    append(criterion, "journal on SQLite", &runtime, &store);
    runtime.block_on(store.close()).unwrap();

    let Ok(servers) = Servers::from_environment() else {
        eprintln!("the journal on PostgreSQL is left out; see scripts/services env");
        return;
    };
    let name = format!("micro_{:016x}", rand::random::<u64>());
    let database = Database::create(&servers, &name).unwrap();
    let options = PostgresOptions::new(database.url());
    let store = runtime.block_on(async {
        migrate(&options, &topology, String::new).await.unwrap();
        PostgresStore::open(options).await.unwrap()
    });
    append(criterion, "journal on PostgreSQL", &runtime, &store);
    runtime.block_on(store.close());
}

fn append(criterion: &mut Criterion, name: &str, runtime: &Runtime, store: &impl Journal) {
    let mut orders = Orders::default();
    for shard in Topology::uniform(SHARDS).journals() {
        let head = runtime.block_on(store.claim(shard, "micro", None)).unwrap();
        orders.writer.open(shard, head);
    }
    let mut group = criterion.benchmark_group(name);
    group
        .sampling_mode(SamplingMode::Flat)
        .sample_size(SAMPLES)
        .measurement_time(MEASURED);
    for size in SIZES {
        group.throughput(Throughput::Elements(size));
        group.bench_function(BenchmarkId::new("orders", size), |bencher| {
            bencher.iter_custom(|times| {
                runtime.block_on(async {
                    let mut took = Duration::ZERO;
                    for _ in 0..times {
                        let batch = Arc::new(orders.batch(size));
                        let begun = Instant::now();
                        store.commit(&batch).await.unwrap();
                        took += begun.elapsed();
                    }
                    took
                })
            });
        });
    }
    group.finish();
}

/// Orders without end.
#[derive(Default)]
struct Orders {
    writer: Writer<ShardRef, NewRecord, ()>,
    placed: u64,
    last: [Option<OrderId>; SHARDS as usize],
    /// Placed in the batch before.
    open: Vec<Order>,
}

impl Orders {
    fn batch(&mut self, size: u64) -> Batch {
        let topology = Topology::uniform(SHARDS);
        let mut rows = RowWrites::default();
        for order in std::mem::take(&mut self.open) {
            let command = sample::record_answer();
            let events = Order::decide(Some(&order), &command, NOW).unwrap();
            let at = topology.owner_of_order(order.id).unwrap();
            self.record(at, order.id.get(), 2, &events[0].clone().into());
            rows.orders
                .push((Order::evolve_all(Some(order), &events, NOW).unwrap(), 2));
        }
        for _ in 0..size {
            self.placed += 1;
            let order = self.next_order();
            let event = Order::decide(None, &sample::create_order(), NOW).unwrap();
            let at = topology.owner_of_order(order.id).unwrap();
            self.record(at, order.id.get(), 1, &event[0].clone().into());
            let product = sample::after(Some(sample::product()), &sample::reserve());
            let reserved = domain::products::Product::decide(
                Some(&sample::product()),
                &sample::reserve(),
                NOW,
            );
            let at = topology.owner_of_product(product.id);
            let event = reserved.unwrap()[0].clone().into();
            self.record(at, product.id.get(), self.placed, &event);
            rows.orders.push((order.clone(), 1));
            rows.products.push((product, self.placed));
            self.open.push(order);
        }
        let commits = self.writer.begin(usize::MAX).unwrap().commits;
        self.writer.committed();
        Batch { commits, rows }
    }

    fn next_order(&mut self) -> Order {
        let shard = u16::try_from(self.placed % u64::from(SHARDS)).unwrap();
        let last = &mut self.last[usize::from(shard)];
        let time: Timestamp = NOW.plus(Duration::from_millis(self.placed / 20));
        let id = OrderId::next(*last, shard, time);
        *last = Some(id);
        Order {
            id,
            ..sample::order()
        }
    }

    fn record(&mut self, shard: ShardRef, aggregate_id: u64, seq: u64, event: &Event) {
        let entry = Entry {
            shard,
            generation: 1,
            records: vec![engine::NewRecord {
                payload: NewRecord {
                    aggregate_id,
                    seq,
                    time: NOW,
                    event_type: proto::event_type(event),
                    payload: proto::encode(event),
                    trace: None,
                },
                targets: domain::routing::inbox_targets(event, &Topology::uniform(SHARDS)),
            }],
            last_id: (shard.domain == Domain::Orders).then_some(aggregate_id),
            watermark: None,
            companion: (),
        };
        assert!(self.writer.submit(entry).is_ok());
    }
}
