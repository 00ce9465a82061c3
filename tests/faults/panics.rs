//! An actor panics; its aggregate comes back from the store.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Api, Fault, Order, Rush, SOON, Shop, at_once, eventually, is_settled};

/// Ten times the 50 ms within which a crashed actor answers again.
const RECOVERY_TIME_MAX: Duration = Duration::from_millis(500);

/// Cancels, again after every "not now", until it is done; returns the time that took.
async fn time_to_cancel(buyer: &Api, order_id: u64) -> Duration {
    let started = Instant::now();
    loop {
        let answer = buyer.cancel(order_id).await;
        if answer.status() == 200 {
            return started.elapsed();
        }
        answer.expect_unavailable();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn an_order_actor_that_panics_answers_again_from_stored_state_while_the_others_go_on() {
    const PANICS: usize = 5;
    let shop = Shop::open().await;
    shop.expect_panics();
    let products = shop.admin().products(4, 100_000).await;
    let lantern = products[0];
    let anna = shop.customer("anna").await;
    let others = [shop.customer("ben").await];
    let rush = Rush::start(&others, 2, usize::MAX, move |number| {
        Order::of(products[1 + number % 3], 1)
    });

    let mut times = Vec::new();
    for _ in 0..PANICS {
        let order_id = anna
            .place(&Order::of(lantern, 2))
            .await
            .expect_status(201)
            .id();
        shop.admin()
            .inject(
                &Fault::panic_in("order")
                    .of(order_id)
                    .matching("CancelOrder")
                    .times(1),
            )
            .await;
        times.push(time_to_cancel(&anna, order_id).await);
        assert_eq!(anna.order(order_id).await["status"], "cancelled");
    }
    times.sort();
    assert!(times[PANICS / 2] < RECOVERY_TIME_MAX, "{times:?}");
    assert!(
        shop.stderr().contains("panicked at"),
        "the hook does nothing"
    );

    rush.stop();
    let ledger = rush.finish().await;
    assert_eq!(
        (ledger.put_off, ledger.cut_off, ledger.refused.len()),
        (0, 0, 0),
        "others were hit: {ledger:?}"
    );
    ledger.expect_kept(&others).await;
    let returned = async || (shop.admin().available(lantern).await == 100_000).then_some(());
    eventually(SOON, "the stock is back", returned).await;
    shop.audit().await;
}

/// An answer that comes back from the products finds an order actor that panics on it; it is delivered again.
#[tokio::test]
async fn an_order_actor_that_panics_on_its_reservation_still_settles() {
    let shop = Shop::open().await;
    shop.expect_panics();
    let lantern = shop.admin().product("LANTERN", 30).await;
    let buyers = shop.customers(3).await;
    // Two panics: a third on the same message would park it.
    shop.admin()
        .inject(&Fault::panic_in("order").matching("RecordAnswer").times(2))
        .await;

    let ledger = Rush::start(&buyers, 8, 30, move |_| Order::of(lantern, 1))
        .finish()
        .await;
    shop.admin().clear_faults().await;
    assert_eq!(
        (ledger.accepted.len(), ledger.refused.len()),
        (30, 0),
        "{ledger:?}"
    );
    let orders = ledger.expect_kept(&buyers).await;
    assert!(
        orders.iter().all(|order| order["status"] == "confirmed"),
        "{orders:#?}"
    );
    assert_eq!(shop.admin().available(lantern).await, 0);
    shop.audit().await;
}

/// The order of 77 pieces panics once in the middle of a hundred others, whose reservations are not committed yet.
#[tokio::test]
async fn a_product_actor_that_panics_with_a_hundred_uncommitted_reservations_oversells_nothing() {
    const STOCK: u64 = 150;
    let shop = Shop::open().await;
    shop.expect_panics();
    let hot = shop.admin().product("HOT", STOCK).await;
    let other = shop.admin().product("OTHER", 100).await;
    let buyers = shop.customers(8).await;
    shop.admin()
        .inject(
            &Fault::panic_in("product")
                .of(hot)
                .matching("quantity: 77")
                .times(1),
        )
        .await;

    let orders = (0..120).map(|number| match number {
        60 => Order::of(hot, 77),
        number if number % 10 == 0 => Order::of(other, 1),
        _ => Order::of(hot, 1),
    });
    let answers = at_once(orders.enumerate().map(|(number, order)| {
        let buyer = buyers[number % buyers.len()].clone();
        async move { buyer.place(&order.key(format!("order-{number}"))).await }
    }));
    for answer in answers.await {
        match answer.status() {
            201 | 202 => {}
            503 => answer.expect_unavailable(),
            _ => drop(answer.expect_problem(409, "out_of_stock")),
        }
    }
    assert!(
        shop.stderr().contains("panicked at"),
        "the hook does nothing"
    );

    let mut confirmed = 0;
    for buyer in &buyers {
        for order in eventually(SOON, "every order settles", async || {
            settled_orders(buyer).await
        })
        .await
        {
            let line = &order["lines"][0];
            if order["status"] == "confirmed" && line["product_id"] == hot {
                confirmed += line["quantity"].as_u64().unwrap();
            }
        }
    }
    eventually(SOON, "the stock is what was not sold", async || {
        (shop.admin().available(hot).await + confirmed == STOCK).then_some(())
    })
    .await;
    buyers[0]
        .place(&Order::of(hot, 1))
        .await
        .expect_status(if confirmed < STOCK { 201 } else { 409 });
    shop.audit().await;
}

async fn settled_orders(buyer: &Api) -> Option<Vec<Value>> {
    let orders = buyer.orders().await;
    orders.iter().all(is_settled).then_some(orders)
}
