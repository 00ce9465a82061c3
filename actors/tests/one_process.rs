//! The actors over a real SQLite store, without HTTP.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{sync::Arc, time::Duration};

use actors::{
    Config, Running, Shop, Stores,
    auth::{Registration, new_signing_key},
    orders::PlaceOrder,
    products::NewProduct,
    start,
    system::Phase,
};
use domain::{
    Currency, Money, ProductId, Quantity, Topology, UserId,
    orders::{OrderStatus, RequestedLine},
    users::Role,
};
use futures::{StreamExt, stream};
use storage::sqlite::{OpenMode, SqliteActivityLog, SqliteStore};

struct Node {
    shop: Shop,
    running: Running,
}

async fn node(dir: &std::path::Path) -> Node {
    let topology = Topology::uniform(4);
    let store = Arc::new(
        SqliteStore::open(dir, &topology, OpenMode::CreateIfMissing)
            .await
            .unwrap(),
    );
    let config = Config {
        node: "test".to_owned(),
        topology,
        shard_threads: 1,
        password_threads: 2,
        signing_key_pem: new_signing_key().unwrap(),
        faults_allowed: false,
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
    Node { shop, running }
}

async fn product(shop: &Shop, sku: &str, stock: u64) -> ProductId {
    shop.products
        .create(NewProduct {
            sku: sku.parse().unwrap(),
            name: sku.into(),
            description: "".into(),
            price: Money::price(500, Currency::EUR).unwrap(),
            stock,
        })
        .await
        .unwrap()
        .id
}

fn order(user: u64, products: &[ProductId]) -> PlaceOrder {
    PlaceOrder {
        user_id: UserId::new(user).unwrap(),
        lines: products
            .iter()
            .map(|&product_id| RequestedLine {
                product_id,
                quantity: Quantity::new(1).unwrap(),
            })
            .collect(),
        idempotency: None,
        wait: Duration::from_secs(10),
    }
}

#[test]
fn orders_settle_and_nothing_is_sold_twice() {
    actix_rt::System::new().block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let Node { shop, running } = node(dir.path()).await;
        let user = shop
            .auth
            .register(Registration {
                username: "ann".parse().unwrap(),
                email: None,
                password: "a password".to_owned(),
                role: Role::Customer,
            })
            .await
            .unwrap();
        let tokens = shop
            .auth
            .login("Ann", "a password".to_owned())
            .await
            .unwrap();
        assert!(
            shop.auth
                .verify(&tokens.access_token, actors::auth::Audience::Api)
                .is_ok()
        );
        let (scarce, other) = (
            product(&shop, "SCARCE", 5).await,
            product(&shop, "OTHER", 100).await,
        );
        let placed: Vec<_> = stream::iter(0..40)
            .map(|n| {
                shop.orders
                    .place(order(user.id.get() + n, &[scarce, other]))
            })
            .buffer_unordered(40)
            .collect()
            .await;
        let confirmed = placed
            .iter()
            .filter(|placed| placed.as_ref().unwrap().order.status == OrderStatus::Confirmed)
            .count();
        assert_eq!(confirmed, 5);
        let stock = |product: Option<domain::products::Product>| product.unwrap().stock;
        let scarce = stock(shop.products.get(scarce).await.unwrap());
        assert_eq!((scarce.available, scarce.allocated), (0, 5));
        loop {
            let other = stock(shop.products.get(other).await.unwrap());
            if (other.available, other.allocated) == (95, 5) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        running.stop(Duration::from_secs(10)).await;
    });
}
