//! The program dies, is stopped or cannot start; what it answered stays true.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::harness::{Api, Ledger, Order, PASSWORD, Rush, Shop, only_with, refused_start};

const STOCK: u64 = 1_000_000;

/// Number of repeats with which a restart is asked whether it remembers its keys.
const KEYS_SAMPLED: usize = 20;

/// One piece of some product for order number n.
fn spread_over(products: Vec<u64>) -> impl Fn(usize) -> Order + Send + Sync + 'static {
    move |number| Order::of(products[number % products.len()], 1)
}

/// Two thousand orders per round, and a kill at another point of each. The crowd does not notice: it repeats what was
/// cut off with the same key until the next start answers it.
#[tokio::test]
async fn five_kills_in_a_burst_of_ten_thousand_orders_lose_nothing_and_double_nothing() {
    const ORDERS: usize = 10_000;
    const ROUNDS: usize = 5;
    let mut shop = Shop::open().await;
    let products = shop.admin().products(20, STOCK).await;
    let buyers = shop.customers(8).await;
    let rush = Rush::start(&buyers, 32, ORDERS, spread_over(products.clone()));

    for round in 0..ROUNDS {
        rush.answered(round * ORDERS / ROUNDS + 400 + 300 * round)
            .await;
        shop.kill_nine();
        let promised = rush.ledger();
        shop.restart().await;
        promised.expect_kept(&buyers).await;
        expect_keys_remembered(&rush, &promised).await;
        if round % 2 == 0 {
            // Beside the crowd that has gone on since the restart.
            shop.audit().await;
        }
    }
    let ledger = rush.finish().await;
    assert!(ledger.cut_off > 0, "no kill met an order in flight");
    expect_one_order_per_number(&shop, &buyers, &products, &ledger, ORDERS).await;
    shop.terminate().await;
    shop.audit().await;
}

async fn expect_keys_remembered(rush: &Rush, promised: &Ledger) {
    let step = (promised.accepted.len() / KEYS_SAMPLED).max(1);
    for (number, order_id) in promised.accepted.iter().step_by(step) {
        let (buyer, order) = rush.order(*number);
        let repeated = buyer.place(&order).await;
        assert_eq!(
            (repeated.id(), repeated.is_replay()),
            (*order_id, true),
            "{}",
            repeated.told()
        );
    }
}

/// Every number was accepted once, nobody has an order that was not asked for, and the stock went down by just that.
async fn expect_one_order_per_number(
    shop: &Shop,
    buyers: &[Api],
    products: &[u64],
    ledger: &Ledger,
    orders: usize,
) {
    assert_eq!(ledger.refused, BTreeMap::new());
    assert_eq!(ledger.accepted.len(), orders);
    ledger.expect_distinct_ids();
    let kept = ledger.expect_kept(buyers).await;
    assert_eq!(kept.len(), orders, "an order exists that nobody asked for");
    assert!(
        kept.iter().all(|order| order["status"] == "confirmed"),
        "there was enough for everybody"
    );
    let mut sold = 0;
    for product_id in products {
        sold += STOCK - shop.admin().available(*product_id).await;
    }
    assert_eq!(sold, u64::try_from(orders).unwrap());
}

#[tokio::test]
async fn a_sigterm_in_a_burst_drains_and_keeps_every_answer() {
    const ORDERS: usize = 1_500;
    let mut shop = Shop::open().await;
    let products = shop.admin().products(10, STOCK).await;
    let buyers = shop.customers(4).await;
    let rush = Rush::start(&buyers, 32, ORDERS, spread_over(products.clone()));

    rush.answered(500).await;
    shop.terminate().await;
    let promised = rush.ledger();
    shop.audit().await;
    shop.restart().await;
    promised.expect_kept(&buyers).await;
    let ledger = rush.finish().await;
    expect_one_order_per_number(&shop, &buyers, &products, &ledger, ORDERS).await;
    shop.audit().await;
}

#[tokio::test]
async fn twenty_restarts_within_seconds_give_no_id_twice_to_a_user_who_orders_all_the_time() {
    const RESTARTS: usize = 20;
    let mut shop = Shop::open().await;
    let products = shop.admin().products(4, STOCK).await;
    let buyers = [shop.customer("anna").await];
    let rush = Rush::start(&buyers, 4, usize::MAX, spread_over(products.clone()));

    for restart in 0..RESTARTS {
        rush.answered_more(20).await;
        if restart % 5 == 4 {
            shop.terminate().await;
        } else {
            shop.kill_nine();
        }
        shop.restart().await;
    }
    rush.stop();
    let ledger = rush.finish().await;
    let orders = ledger.accepted.len();
    assert!(orders >= RESTARTS * 20);
    expect_one_order_per_number(&shop, &buyers, &products, &ledger, orders).await;
    shop.audit().await;
}

#[tokio::test]
async fn a_kill_right_after_the_answer_loses_neither_order_nor_account_nor_cancellation() {
    let mut shop = Shop::open().await;
    let lantern = shop.admin().product("LANTERN", 10).await;
    let anna = shop.customer("anna").await;
    let confirmed = anna
        .place(&Order::of(lantern, 1))
        .await
        .expect_status(201)
        .id();
    let cancelled = anna
        .place(&Order::of(lantern, 2))
        .await
        .expect_status(201)
        .id();
    anna.cancel(cancelled).await.expect_status(200);
    let accepted = anna
        .place(&Order::of(lantern, 3).respond_async())
        .await
        .expect_status(202)
        .id();
    shop.kill_nine();
    shop.restart().await;

    let ledger = Ledger {
        accepted: (0..).zip([confirmed, cancelled, accepted]).collect(),
        ..Ledger::default()
    };
    let orders = ledger.expect_kept(std::slice::from_ref(&anna)).await;
    let statuses: Vec<&Value> = orders.iter().map(|order| &order["status"]).collect();
    assert_eq!(
        statuses,
        ["confirmed", "cancelled", "confirmed"],
        "newest first"
    );
    shop.visitor()
        .login("anna", PASSWORD)
        .await
        .expect_status(200);
    shop.audit().await;
}

#[tokio::test]
async fn a_second_program_on_the_same_directory_refuses_and_leaves_the_first_alone() {
    only_with!(Embedded, "it is about the data directory");
    let shop = Shop::open().await;
    let lantern = shop.admin().product("LANTERN", 10).await;
    let second = refused_start(&shop.data_dir()).await;
    assert_ne!(second.exit_code, 0, "{second:?}");
    let told = second.text();
    let reason = ["already", "another", "in use", "locked"]
        .iter()
        .any(|word| told.to_lowercase().contains(word));
    assert!(
        reason && told.contains(shop.data_dir().to_str().unwrap()),
        "{told}"
    );
    assert!(!told.contains("Stampede is ready"), "{told}");

    shop.customer("anna")
        .await
        .place(&Order::of(lantern, 1))
        .await
        .expect_status(201);
    shop.audit().await;
}

#[tokio::test]
async fn the_signing_key_is_the_owners_alone_and_is_made_once() {
    only_with!(Embedded, "it is about the data directory");
    let mut shop = Shop::open().await;
    let path = shop.data_dir().join("signing-key.pem");
    let key = fs::read(&path).unwrap();
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let dir = shop.data_dir();
    assert_eq!(
        fs::metadata(dir).unwrap().permissions().mode() & 0o777,
        0o700,
        "only its owner gets into the data directory"
    );
    shop.terminate().await;
    shop.restart().await;
    assert_eq!(fs::read(&path).unwrap(), key);
    assert!(!shop.stderr().contains("PRIVATE KEY") && !shop.stdout().contains("PRIVATE KEY"));
}

/// Below a regular file nobody can make a directory, not even root.
#[tokio::test]
async fn a_data_directory_that_cannot_be_written_stops_the_start_with_the_reason() {
    only_with!(Embedded, "it is about the data directory");
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    fs::write(&file, "in the way").unwrap();
    let data_dir = file.join("data");
    let refused = refused_start(&data_dir).await;
    assert_eq!(refused.exit_code, 1, "{refused:?}");
    assert!(
        refused.text().contains(data_dir.to_str().unwrap()),
        "{refused:?}"
    );
    assert!(
        refused.text().to_lowercase().contains("not a directory"),
        "{refused:?}"
    );
}
