//! How soon a crashed actor answers again, a poisonous message is parked, and what happened is told.
//!
//! `cargo bench --bench recovery` lets a hundred orders at a time arrive for one product, and
//! meanwhile panics its actor, panics order actors, and poisons a message, again and again. Panics are printed: they are
//! the point.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

mod support;

use std::{
    future::Future,
    time::{Duration, Instant},
};

use actors::Shop;
use domain::{ProductId, UserId};
use storage::ActivityQuery;
use support::{
    crashes::{BETWEEN_PANICS, load, order_panic, panic_at, product_panic},
    open, order, product,
};

const ROUNDS: usize = 15;

fn main() {
    actix_rt::System::new().block_on(async {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let (shop, running) = open(dir.path()).await;
        let hot = product(&shop, "HOT").await;
        let load = actix_rt::spawn(load(shop.clone(), hot));

        println!("| what | median ms | worst ms | promised ms |");
        println!("|---|---|---|---|");
        report("a product actor answers again", 50, || {
            product_panic(&shop, hot)
        })
        .await;
        report("an order actor answers again", 50, || {
            order_panic(&shop, hot)
        })
        .await;
        report("a poisonous message is parked", 1_000, || {
            poison(&shop, hot)
        })
        .await;
        report("a notification is shown", 5_000, || notified(&shop, hot)).await;
        report("a log entry is shown", 5_000, || logged(&shop, hot)).await;
        load.abort();
        running.stop(Duration::from_secs(30)).await;
    });
}

async fn report<F: Future<Output = Duration>>(
    what: &str,
    promised_ms: u64,
    mut measure: impl FnMut() -> F,
) {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        times.push(measure().await);
        tokio::time::sleep(BETWEEN_PANICS).await;
    }
    times.sort();
    println!(
        "| {what} | {:.1} | {:.1} | {promised_ms} |",
        times[ROUNDS / 2].as_secs_f64() * 1e3,
        times[ROUNDS - 1].as_secs_f64() * 1e3
    );
}

async fn poison(shop: &Shop, product: ProductId) -> Duration {
    panic_at(shop, "product", "quantity: 77", None).await;
    let begun = Instant::now();
    shop.orders
        .place(order(7, product, 77, Duration::ZERO))
        .await
        .unwrap();
    let parked = loop {
        let parked = shop.system.status().await.unwrap().parked;
        if let Some(parked) = parked.into_iter().next() {
            break parked.id;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    let taken = begun.elapsed();
    shop.system.clear_faults().await.unwrap();
    shop.system.retry_parked(&parked).await.unwrap();
    taken
}

async fn notified(shop: &Shop, product: ProductId) -> Duration {
    let user = 1_000_000 + rand::random_range(0..1_000_000_000_u64);
    shop.orders
        .place(order(user, product, 1, Duration::from_secs(5)))
        .await
        .unwrap();
    let confirmed = Instant::now();
    let user = UserId::new(user);
    while shop
        .notifications
        .list(user, None, 1)
        .await
        .unwrap()
        .rows
        .is_empty()
    {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    confirmed.elapsed()
}

async fn logged(shop: &Shop, product: ProductId) -> Duration {
    let placed = shop
        .orders
        .place(order(7, product, 1, Duration::from_secs(5)))
        .await
        .unwrap();
    let confirmed = Instant::now();
    let query = ActivityQuery {
        order_id: Some(placed.order.id),
        event_type: Some("order.confirmed.v1".to_owned()),
        limit: 1,
        ..ActivityQuery::default()
    };
    while shop.logs.search(&query).await.unwrap().rows.is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    confirmed.elapsed()
}
