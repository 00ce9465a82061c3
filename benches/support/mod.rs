//! A shop in this process, without HTTP.
#![allow(dead_code, reason = "no benchmark needs all of it")]
#![allow(
    clippy::unwrap_used,
    reason = "a shop that does not open ends a benchmark"
)]

pub(crate) mod crashes;

use std::{path::Path, sync::Arc, time::Duration};

use actors::{
    Config, Running, Shop, Stores, auth::new_signing_key, orders::PlaceOrder, products::NewProduct,
    start, system::Phase,
};
use domain::{
    Currency, Money, ProductId, Quantity, Topology, UserId,
    orders::{OrderStatus, RequestedLine},
};
use futures::{StreamExt, stream};
use storage::sqlite::{OpenMode, SqliteActivityLog, SqliteStore};

/// The program's allocator.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Who places the orders of [`place`].
const BUYERS: u64 = 64;

/// Opens a shop in this directory, as `up` does.
pub(crate) async fn open(dir: &Path) -> (Shop, Running) {
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
        faults_allowed: true,
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

/// A product with more pieces than are ever ordered.
pub(crate) async fn product(shop: &Shop, sku: &str) -> ProductId {
    let product = NewProduct {
        sku: sku.parse().unwrap(),
        name: sku.into(),
        description: "".into(),
        price: Money::price(500, Currency::EUR).unwrap(),
        stock: 500_000_000,
    };
    shop.products.create(product).await.unwrap().id
}

/// An order of one line.
pub(crate) fn order(user: u64, product_id: ProductId, pieces: u64, wait: Duration) -> PlaceOrder {
    PlaceOrder {
        user_id: UserId::new(user).unwrap(),
        lines: vec![RequestedLine {
            product_id,
            quantity: Quantity::new(pieces).unwrap(),
        }],
        idempotency: None,
        wait,
    }
}

/// Places orders of one piece, so many at a time and of one product after the other, as long as `goes_on` says so for
/// the number of the next. Returns how many were confirmed.
pub(crate) async fn place(
    shop: &Shop,
    products: &[ProductId],
    at_a_time: usize,
    goes_on: impl Fn(u64) -> bool,
) -> usize {
    stream::iter(0..)
        .take_while(|number| std::future::ready(goes_on(*number)))
        .map(|number| {
            let product = products[usize::try_from(number).unwrap() % products.len()];
            let order = order(1 + number % BUYERS, product, 1, Duration::from_secs(30));
            shop.orders.place(order)
        })
        .buffer_unordered(at_a_time)
        .filter(|placed| {
            let status = placed.as_ref().map(|placed| placed.order.status);
            std::future::ready(status == Ok(OrderStatus::Confirmed))
        })
        .count()
        .await
}
