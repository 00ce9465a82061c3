//! Everybody buys at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::harness::{Answer, Api, Order, Rush, SOON, Shop, at_once, eventually};

/// Places every order at the same moment, number n by buyer n modulo their count.
async fn place_at_once(buyers: &[Api], orders: impl IntoIterator<Item = Order>) -> Vec<Answer> {
    let calls = orders.into_iter().enumerate().map(|(number, order)| {
        let buyer = buyers[number % buyers.len()].clone();
        async move { buyer.place(&order).await }
    });
    at_once(calls).await
}

/// How many answers there are of each status; fails on a refusal for another reason than missing stock.
#[track_caller]
fn tally(answers: &[Answer]) -> BTreeMap<u16, usize> {
    let mut counts = BTreeMap::new();
    for answer in answers {
        if answer.status() != 201 {
            answer.expect_problem(409, "out_of_stock");
        }
        *counts.entry(answer.status()).or_default() += 1;
    }
    counts
}

/// Waits until this is what is left; stock that a refused order held comes back a moment after its answer.
async fn expect_available(admin: &Api, product_id: u64, pieces: u64) {
    eventually(
        SOON,
        &format!("{pieces} pieces of product {product_id} are left"),
        async || (admin.available(product_id).await == pieces).then_some(()),
    )
    .await;
}

/// Buys pieces that a refused order had held until a moment ago: for half a second they may count as sold out.
async fn buy_soon(buyer: &Api, product_id: u64, pieces: u64) {
    let what = format!("{pieces} pieces of product {product_id} are for sale");
    eventually(SOON, &what, async || {
        let answer = buyer.place(&Order::of(product_id, pieces)).await;
        (answer.status() == 201).then_some(())
    })
    .await;
}

/// A thousand buyers are forty users with twenty-five requests each: what is put to the test is a thousand orders in
/// flight, not a thousand Argon2 hashes.
#[tokio::test]
async fn of_a_thousand_buyers_of_the_last_unit_one_gets_it() {
    let shop = Shop::open().await;
    let last_unit = shop.admin().product("LAST", 1).await;
    let buyers = shop.customers(40).await;

    let answers = place_at_once(&buyers, (0..1_000).map(|_| Order::of(last_unit, 1))).await;
    assert_eq!(tally(&answers), BTreeMap::from([(201, 1), (409, 999)]));
    expect_available(shop.admin(), last_unit, 0).await;
    shop.audit().await;
}

#[tokio::test]
async fn orders_for_a_b_and_for_b_a_leave_no_partial_hold() {
    const OF_A: u64 = 120;
    const OF_B: u64 = 80;
    let shop = Shop::open().await;
    let (a, b) = (
        shop.admin().product("A", OF_A).await,
        shop.admin().product("B", OF_B).await,
    );
    let buyers = shop.customers(6).await;

    let orders = (0..400).map(|n| {
        if n % 2 == 0 {
            Order::of(a, 1).and(b, 1)
        } else {
            Order::of(b, 1).and(a, 1)
        }
    });
    let answers = place_at_once(&buyers, orders).await;
    let sold = u64::try_from(tally(&answers)[&201]).unwrap();
    assert!(sold <= OF_B, "{sold} pairs sold of {OF_B}");
    expect_available(shop.admin(), a, OF_A - sold).await;
    expect_available(shop.admin(), b, OF_B - sold).await;

    // What is left is really for sale, to the last piece.
    if sold < OF_B {
        buy_soon(&buyers[0], b, OF_B - sold).await;
    }
    buy_soon(&buyers[0], a, OF_A - sold).await;
    expect_available(shop.admin(), a, 0).await;
    shop.audit().await;
}

#[tokio::test]
async fn two_lines_of_one_sku_stay_two_lines_and_are_summed_for_stock() {
    let shop = Shop::open().await;
    let lantern = shop.admin().product("LANTERN", 5).await;
    let anna = shop.customer("anna").await;

    let too_many = anna.place(&Order::of(lantern, 3).and(lantern, 3)).await;
    too_many.expect_problem(409, "out_of_stock");
    assert_eq!(shop.admin().available(lantern).await, 5);

    let order = anna
        .place(&Order::of(lantern, 3).and(lantern, 2))
        .await
        .expect_status(201)
        .json();
    let quantities: Vec<&Value> = order["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| &line["quantity"])
        .collect();
    assert_eq!(quantities, [3, 2]);
    assert_eq!(order["total"]["amount"], 5 * 1250);
    assert_eq!(shop.admin().available(lantern).await, 0);

    let order_id = order["id"].as_u64().unwrap();
    anna.cancel(order_id).await.expect_status(200);
    expect_available(shop.admin(), lantern, 5).await;
    shop.audit().await;
}

#[tokio::test]
async fn two_lines_whose_skus_live_in_one_product_shard_are_both_answered() {
    // `up` has four shards, and a product's is its id modulo their count.
    const SHARDS: u64 = 4;
    let shop = Shop::open().await;
    let products = shop.admin().products(5, 30).await;
    let (first, second) = (products[0], products[4]);
    assert_eq!(
        first % SHARDS,
        second % SHARDS,
        "five products in a row use every shard and the first one again"
    );
    let buyers = shop.customers(4).await;

    let answers = place_at_once(&buyers, (0..30).map(|_| Order::of(first, 1).and(second, 1))).await;
    assert_eq!(tally(&answers), BTreeMap::from([(201, 30)]));
    shop.admin()
        .adjust_stock(first, 7, None)
        .await
        .expect_status(200);
    let one_short =
        place_at_once(&buyers, (0..20).map(|_| Order::of(first, 1).and(second, 1))).await;
    assert_eq!(tally(&one_short), BTreeMap::from([(409, 20)]));
    expect_available(shop.admin(), first, 7).await;
    expect_available(shop.admin(), second, 0).await;
    shop.audit().await;
}

#[tokio::test]
async fn a_hot_sku_sells_exactly_its_stock_while_it_is_audited() {
    const STOCK: u64 = 900;
    let shop = Shop::open().await;
    let hot = shop.admin().product("HOT", STOCK).await;
    let buyers = shop.customers(8).await;
    let quantity = |number: usize| 1 + u64::try_from(number % 3).unwrap();

    let rush = Rush::start(&buyers, 32, 1_000, move |number| {
        Order::of(hot, quantity(number)).prefer("wait=30")
    });
    rush.answered(100).await;
    shop.audit().await;
    let ledger = rush.finish().await;
    assert!(
        ledger.refused.values().all(|code| code == "out_of_stock"),
        "{:?}",
        ledger.refused
    );

    let orders = ledger.expect_kept(&buyers).await;
    let confirmed = orders.iter().filter(|order| order["status"] == "confirmed");
    let sold: u64 = confirmed
        .map(|order| order["lines"][0]["quantity"].as_u64().unwrap())
        .sum();
    expect_available(shop.admin(), hot, STOCK - sold).await;
    if sold < STOCK {
        buyers[0]
            .place(&Order::of(hot, STOCK - sold))
            .await
            .expect_status(201);
    }
    buyers[0]
        .place(&Order::of(hot, 1))
        .await
        .expect_problem(409, "out_of_stock");
    shop.audit().await;
}

#[tokio::test]
async fn orders_of_many_lines_over_all_shards_hold_all_or_nothing() {
    const STOCK: u64 = 60;
    let shop = Shop::open().await;
    let products = Arc::new(shop.admin().products(12, STOCK).await);
    let buyers = shop.customers(4).await;

    let of_four_lines = {
        let products = Arc::clone(&products);
        move |number: usize| {
            let product = |step: usize| products[(number * 5 + step * 7) % products.len()];
            (1..4).fold(Order::of(product(0), 1), |order, step| {
                order.and(product(step), 1)
            })
        }
    };
    let ledger = Rush::start(&buyers, 24, 300, of_four_lines).finish().await;
    let orders = ledger.expect_kept(&buyers).await;
    let mut left: BTreeMap<u64, u64> = products.iter().map(|id| (*id, STOCK)).collect();
    for order in orders.iter().filter(|order| order["status"] == "confirmed") {
        for line in order["lines"].as_array().unwrap() {
            *left.get_mut(&line["product_id"].as_u64().unwrap()).unwrap() -=
                line["quantity"].as_u64().unwrap();
        }
    }
    for (product_id, pieces) in left {
        expect_available(shop.admin(), product_id, pieces).await;
    }
    shop.audit().await;
}
