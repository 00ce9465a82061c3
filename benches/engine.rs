//! The engine alone: orders through actors and journal on SQLite, without HTTP.
//!
//! `cargo bench --bench engine` places orders from this process, 512 at a time, over many products and over one, and
//! prints confirmed orders a second. Notifications and the activity log are written meanwhile, as they are in `up`.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::{path::Path, sync::Arc, time::Duration, time::Instant};

use actors::{
    Config, Shop, Stores, auth::new_signing_key, orders::PlaceOrder, products::NewProduct, start,
    system::Phase,
};
use domain::{
    Currency, Money, ProductId, Quantity, Topology, UserId,
    orders::{OrderStatus, RequestedLine},
};
use futures::{StreamExt, stream};
use storage::sqlite::{OpenMode, SqliteActivityLog, SqliteStore};

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
            let before = shop.system.status().await.unwrap().writer;
            let begun = Instant::now();
            let confirmed = place(&shop, products).await;
            let elapsed = begun.elapsed().as_secs_f64();
            let after = shop.system.status().await.unwrap().writer;
            println!(
                "| {scenario} | {:.0} | {} |",
                confirmed as f64 / elapsed,
                (after.records - before.records) / (after.commits - before.commits).max(1)
            );
        }
        running.stop(Duration::from_secs(30)).await;
    });
}

async fn open(dir: &Path) -> (Shop, actors::Running) {
    let topology = Topology::uniform(4);
    let store = SqliteStore::open(dir, &topology, OpenMode::CreateIfMissing)
        .await
        .unwrap();
    let store = Arc::new(store);
    let config = Config {
        node: "bench".to_owned(),
        topology,
        shard_threads: 1,
        password_threads: 1,
        signing_key_pem: new_signing_key().unwrap(),
        on_fatal: Arc::new(|reason| panic!("{reason}")),
    };
    let stores = Stores {
        journal: store.clone(),
        views: store,
        activity: Arc::new(SqliteActivityLog::open(dir).await.unwrap()),
        #[cfg(feature = "fault-injection")]
        faults: Arc::new(|_| Box::pin(async {})),
    };
    let (shop, running) = start(config, stores).unwrap();
    while shop.system.readiness().phase != Phase::Serving {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (shop, running)
}

async fn product(shop: &Shop, sku: &str) -> ProductId {
    let product = NewProduct {
        sku: sku.parse().unwrap(),
        name: sku.into(),
        description: "".into(),
        price: Money::price(500, Currency::EUR).unwrap(),
        stock: 1_000_000_000,
    };
    shop.products.create(product).await.unwrap().id
}

/// Places the orders and counts the confirmed ones.
async fn place(shop: &Shop, products: &[ProductId]) -> usize {
    stream::iter(0..ORDERS)
        .map(|number| {
            let product_id = products[usize::try_from(number).unwrap() % products.len()];
            shop.orders.place(PlaceOrder {
                user_id: UserId::new(1 + number % BUYERS).unwrap(),
                lines: vec![RequestedLine {
                    product_id,
                    quantity: Quantity::new(1).unwrap(),
                }],
                idempotency: None,
                wait: Duration::from_secs(30),
            })
        })
        .buffer_unordered(AT_A_TIME)
        .filter(|placed| {
            let status = placed.as_ref().map(|placed| placed.order.status);
            std::future::ready(status == Ok(OrderStatus::Confirmed))
        })
        .count()
        .await
}
