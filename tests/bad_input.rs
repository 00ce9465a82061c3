//! What is wrong is refused with the right status and by its name, and the program carries on.

mod accounts;
mod bodies;
mod fields;
mod tokens;

use crate::harness::{Api, Order, Shop};

/// A shop with something to sell and somebody to buy it.
struct Counter {
    shop: Shop,
    anna: Api,
    lantern: u64,
}

impl Counter {
    async fn open() -> Self {
        let shop = Shop::open().await;
        let lantern = shop.admin().product("LANTERN", 1_000).await;
        let anna = shop.customer("anna").await;
        Self {
            shop,
            anna,
            lantern,
        }
    }

    /// Fails unless good orders, and only they, have taken stock, and the next one is served.
    async fn expect_carries_on(&self, good_orders: u64) {
        assert_eq!(
            self.shop.admin().available(self.lantern).await,
            1_000 - good_orders
        );
        self.anna
            .place(&Order::of(self.lantern, 1))
            .await
            .expect_status(201);
        self.shop.visitor().get("/healthz").await.expect_status(200);
    }
}
