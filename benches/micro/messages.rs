//! Records as messages: their bytes, their headers, and where they go.

use std::hint::black_box;

use actors::transport::kafka::codec::Envelope;
use criterion::{Criterion, Throughput};
use domain::{
    Aggregate, Event, Topology,
    orders::Order,
    products::Product,
    routing::{inbox_targets, public_target},
};

use crate::sample::{self, NOW};

const SHARDS: u16 = 16;
const SOURCE: &str = "/orders/shards/3/5f3a9c0d1e2b4f60";
const POSITION: u64 = 1_234_567;

/// The three records of an order.
pub(crate) fn measure(criterion: &mut Criterion) {
    let topology = Topology::uniform(SHARDS);
    let order = sample::order();
    let created = Order::decide(None, &sample::create_order(), NOW).unwrap();
    let confirmed = Order::decide(Some(&order), &sample::record_answer(), NOW).unwrap();
    let product = sample::product();
    let reserved = Product::decide(Some(&product), &sample::reserve(), NOW).unwrap();
    let mut events: Vec<Event> = Vec::new();
    events.extend(created.into_iter().map(Event::from));
    events.extend(reserved.into_iter().map(Event::from));
    events.extend(confirmed.into_iter().map(Event::from));

    let mut group = criterion.benchmark_group("message");
    group.throughput(Throughput::Elements(1));
    for event in &events {
        let event_type = proto::event_type(event);
        let payload = proto::encode(event);
        group.bench_function(format!("{event_type}: encode"), |bencher| {
            bencher.iter(|| proto::encode(black_box(event)));
        });
        group.bench_function(format!("{event_type}: decode"), |bencher| {
            bencher.iter(|| proto::decode(event_type, black_box(&payload)));
        });
        group.bench_function(format!("{event_type}: route to inboxes"), |bencher| {
            bencher.iter(|| inbox_targets(black_box(event), &topology));
        });
    }
    let source = topology.owner_of_order(order.id).unwrap();
    group.bench_function("route to the public topic's reader", |bencher| {
        bencher.iter(|| public_target(black_box(source), &topology));
    });
    group.bench_function("headers and key for Kafka", |bencher| {
        let envelope = Envelope {
            source: SOURCE,
            position: POSITION,
            prev: POSITION - 1,
            event_type: "order.created.v1",
            aggregate_id: order.id.get(),
            time: NOW,
            trace: None,
        };
        bencher.iter(|| (black_box(&envelope).headers(), envelope.key()));
    });
    group.finish();
}
