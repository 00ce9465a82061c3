//! The engine alone: orders through actors and journal on SQLite, without HTTP.
//!
//! `cargo bench --bench engine` places orders from this process, 512 at a time, over many products and over one, and
//! prints confirmed orders a second. Notifications and the activity log are written meanwhile, as they are in `up`.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::print_stdout
)]

mod support;

use std::time::{Duration, Instant};

use actors::Shop;
use domain::{ProductId, orders::OrderStatus};
use futures::{StreamExt, stream};
use support::{open, order, product};

const ORDERS: u64 = 100_000;
const AT_A_TIME: usize = 512;
const PRODUCTS: usize = 1_000;
const BUYERS: u64 = 64;

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
            let confirmed = place(&shop, products).await;
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

/// Places the orders and counts the confirmed ones.
async fn place(shop: &Shop, products: &[ProductId]) -> usize {
    stream::iter(0..ORDERS)
        .map(|number| {
            let product = products[usize::try_from(number).unwrap() % products.len()];
            let wait = Duration::from_secs(30);
            shop.orders
                .place(order(1 + number % BUYERS, product, 1, wait))
        })
        .buffer_unordered(AT_A_TIME)
        .filter(|placed| {
            let status = placed.as_ref().map(|placed| placed.order.status);
            std::future::ready(status == Ok(OrderStatus::Confirmed))
        })
        .count()
        .await
}
