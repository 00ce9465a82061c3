//! Deciding and evolving, without anything around it.

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkGroup, Criterion, measurement::WallTime};
use domain::{Aggregate, orders::Order, products::Product};

use crate::sample::{self, NOW};

/// Orders and products.
pub(crate) fn measure(criterion: &mut Criterion) {
    let mut orders = criterion.benchmark_group("order aggregate");
    both::<Order>(&mut orders, "create", None, &sample::create_order());
    let placed = Some(sample::order());
    both(&mut orders, "confirm", placed, &sample::record_answer());
    orders.finish();
    let mut products = criterion.benchmark_group("product aggregate");
    let product: Option<Product> = Some(sample::product());
    both(&mut products, "reserve", product, &sample::reserve());
    products.finish();
}

/// `decide`, and `evolve` with what was decided.
fn both<A: Aggregate>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    state: Option<A>,
    command: &A::Command,
) {
    group.bench_function(format!("{name}: decide"), |bencher| {
        bencher.iter(|| A::decide(black_box(state.as_ref()), black_box(command), NOW));
    });
    let events = A::decide(state.as_ref(), command, NOW).unwrap();
    group.bench_function(format!("{name}: evolve"), |bencher| {
        bencher.iter_batched(
            || state.clone(),
            |state| A::evolve_all(state, black_box(&events), NOW),
            BatchSize::SmallInput,
        );
    });
}
