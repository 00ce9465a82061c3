//! Actors of a shop that are made to panic, and how soon they answer again.

use std::time::{Duration, Instant};

use actors::{
    Shop,
    products::StockAdjustment,
    system::{Decisions, Fault},
};
use domain::{ProductId, UserId, orders::CancelledBy};
use futures::{StreamExt, stream};

use super::order;

/// A budget of ten restarts in ten seconds allows one a second.
pub(crate) const BETWEEN_PANICS: Duration = Duration::from_millis(1_100);
/// Orders that arrive meanwhile at the same time.
const AT_A_TIME: usize = 100;

/// Orders for one product without end.
pub(crate) async fn load(shop: Shop, product: ProductId) {
    stream::iter(1..)
        .for_each_concurrent(AT_A_TIME, |number: u64| {
            let placed =
                shop.orders
                    .place(order(1 + number % 64, product, 1, Duration::from_secs(5)));
            async move {
                let _ = placed.await;
            }
        })
        .await;
}

/// Has decisions of an actor panic that match these words.
pub(crate) async fn panic_at(shop: &Shop, actor: &str, matching: &str, times: Option<u32>) {
    let decisions = Decisions {
        actor: actor.to_owned(),
        id: None,
        matching: Some(matching.to_owned()),
        times,
    };
    let fault = Fault::Panic { decisions };
    shop.system.inject(fault, None).await.unwrap();
}

/// How long a product whose actor has panicked takes to answer.
pub(crate) async fn product_panic(shop: &Shop, product: ProductId) -> Duration {
    panic_at(shop, "product", "AdjustStock", Some(1)).await;
    let adjust = || {
        shop.products.adjust(
            product,
            StockAdjustment {
                delta: 1,
                reason: "counted".into(),
                by: UserId::new(1).unwrap(),
                idempotency: None,
            },
        )
    };
    adjust().await.unwrap_err();
    let crashed = Instant::now();
    adjust().await.unwrap();
    crashed.elapsed()
}

/// How long an order whose actor has panicked takes to answer.
pub(crate) async fn order_panic(shop: &Shop, product: ProductId) -> Duration {
    let placed = shop
        .orders
        .place(order(7, product, 1, Duration::from_secs(5)))
        .await
        .unwrap();
    panic_at(shop, "order", "CancelOrder", Some(1)).await;
    let cancel = || shop.orders.cancel(placed.order.id, CancelledBy::Customer);
    cancel().await.unwrap_err();
    let crashed = Instant::now();
    cancel().await.unwrap();
    crashed.elapsed()
}
