//! The engine alone: orders through actors and journal on SQLite, without HTTP.
//!
//! `cargo bench --bench engine` places orders from this process, 512 at a time, over many products and over one, and
//! prints confirmed orders a second. Notifications and the activity log are written meanwhile, as they are in `up`.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

mod support;

use std::time::{Duration, Instant};

use support::{open, place, product};

const ORDERS: u64 = 100_000;
const AT_A_TIME: usize = 512;
const PRODUCTS: usize = 1_000;

fn main() {
    actix_rt::System::new().block_on(async {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let (shop, running) = open(dir.path()).await;
        let mut products = Vec::new();
        for number in 0..PRODUCTS {
            products.push(product(&shop, &format!("P{number}")).await);
        }
        println!("| scenario | confirmed orders/s | records per transaction |");
        println!("|---|---|---|");
        for (scenario, products) in [("uniform", &products[..]), ("hot", &products[..1])] {
            let before = shop.system.node_status().await.writer;
            let begun = Instant::now();
            let confirmed = place(&shop, products, AT_A_TIME, |number| number < ORDERS).await;
            let elapsed = begun.elapsed().as_secs_f64();
            let after = shop.system.node_status().await.writer;
            println!(
                "| {scenario} | {:.0} | {} |",
                confirmed as f64 / elapsed,
                (after.records - before.records) / (after.commits - before.commits).max(1)
            );
        }
        running.stop(Duration::from_secs(30)).await;
    });
}
