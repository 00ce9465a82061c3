//! Orders through actors and journal, without HTTP, with everything that follows from them.

use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, Throughput};

use crate::support::{open, place, product};

/// Orders in flight.
const MANY: usize = 512;
const PRODUCTS: usize = 64;
const SAMPLES: usize = 20;
const MEASURED: Duration = Duration::from_secs(8);
const STOP_TIME_MAX: Duration = Duration::from_secs(30);

/// One at a time, and many at a time.
pub(crate) fn measure(criterion: &mut Criterion) {
    let system = actix_rt::System::new();
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (shop, running) = system.block_on(open(dir.path()));
    let products = system.block_on(async {
        let mut products = Vec::new();
        for number in 0..PRODUCTS {
            products.push(product(&shop, &format!("P{number}")).await);
        }
        products
    });
    let mut group = criterion.benchmark_group("order through actors");
    group
        .sampling_mode(SamplingMode::Flat)
        .sample_size(SAMPLES)
        .measurement_time(MEASURED);
    for at_a_time in [1, MANY] {
        group.throughput(Throughput::Elements(at_a_time as u64));
        group.bench_function(format!("{at_a_time} at a time"), |bencher| {
            bencher.iter_custom(|times| {
                let orders = times * at_a_time as u64;
                system.block_on(async {
                    let begun = Instant::now();
                    let confirmed =
                        place(&shop, &products, at_a_time, |number| number < orders).await;
                    assert_eq!(confirmed as u64, orders);
                    begun.elapsed()
                })
            });
        });
    }
    group.finish();
    system.block_on(running.stop(STOP_TIME_MAX));
}
