//! `stampede burst`: a crowd orders in every scenario, the books balance, and expectations decide on the exit code.
//!
//! Nothing here is about speed: the shop may be a slow cluster.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{ADMIN_PASSWORD, Outcome, Setup, Shop, stampede};

/// Few buyers: each costs two Argon2 hashes.
const USERS: &str = "4";

/// Runs it at a shop, with JSON; the flags are separated by spaces.
async fn burst(shop: &Shop, flags: &str) -> (Outcome, Value) {
    let file = shop.home().join("admin-password");
    fs::write(&file, ADMIN_PASSWORD).unwrap();
    let url = format!("--url={}", shop.visitor().base_url());
    let url = if flags.contains("--url") {
        None
    } else {
        Some(url.as_str())
    };
    let beginning = [
        "burst",
        "--json",
        "--admin-password-file",
        file.to_str().unwrap(),
        "--users",
        USERS,
    ];
    let arguments = beginning.into_iter().chain(url);
    let outcome = stampede(arguments.chain(flags.split_whitespace())).await;
    let told = serde_json::from_str(&outcome.stdout).unwrap_or_default();
    (outcome, told)
}

/// Fails unless the run was as expected, no request failed, and every check of the books has looked at something.
#[track_caller]
fn expect_passed(outcome: &Outcome, told: &Value) {
    assert_eq!(outcome.exit_code, 0, "{outcome:?}");
    assert_eq!(
        outcome.stderr, "",
        "nothing is shown where there is no terminal"
    );
    assert_eq!(told["verdict"], "PASS", "{told:#}");
    assert_eq!(told["errors"], 0, "{told:#}");
    assert_eq!(told["violations"], 0, "{told:#}");
    for finding in told["books"].as_array().unwrap() {
        assert!(finding["checked"].as_u64() > Some(0), "{told:#}");
    }
    assert!(told["settled_after_ms"].is_u64(), "{told:#}");
}

/// How many requests of an operation had an outcome.
fn count(told: &Value, operation: &str, outcome: &str) -> u64 {
    let rows = told["operations"].as_array().unwrap().iter();
    let mut rows = rows.filter(|row| row["operation"] == operation && row["outcome"] == outcome);
    rows.next().map_or(0, |row| row["count"].as_u64().unwrap())
}

#[tokio::test]
async fn a_closed_loop_over_many_products_is_confirmed_and_balanced() {
    let shop = Shop::open().await;
    let flags = "--scenario uniform --products 12 --connections 8 --threads 2 \
                 --duration 2s --warm-up 200ms --seed 3 --expect errors=0 --expect throughput>0";
    let (outcome, told) = burst(&shop, flags).await;
    expect_passed(&outcome, &told);
    assert_eq!(told["setting"]["seed"], 3);
    assert!(told["confirmed"].as_u64() > Some(0), "{told:#}");
    assert!(told["orders"]["confirmed"].as_u64() >= told["confirmed"].as_u64());
    assert!(told["latency_ms"]["p99"].as_f64() > Some(0.0), "{told:#}");
    assert_eq!(told["expectations"][0]["met"], true, "{told:#}");
    shop.audit().await;
}

#[tokio::test]
async fn an_open_loop_on_one_product_is_accepted_and_followed_up() {
    let shop = Shop::open().await;
    let flags = "--scenario hot --wait accept --rate 40 --arrivals even --connections 16 \
                 --duration 2s --warm-up 0s";
    let (outcome, told) = burst(&shop, flags).await;
    expect_passed(&outcome, &told);
    assert_eq!(told["setting"]["rate"], 40.0);
    let sent = told["requests"].as_u64().unwrap() + told["unsent"].as_u64().unwrap();
    assert_eq!(sent, 80, "what is due does not depend on answers: {told:#}");
    let accepted = count(&told, "order", "accepted");
    assert!(accepted > 0, "{told:#}");
    assert!(
        told["orders"]["confirmed"].as_u64() >= Some(accepted),
        "{told:#}"
    );
}

#[tokio::test]
async fn a_launch_sells_its_stock_and_turns_the_others_away() {
    const ATTEMPTS: u64 = 300;
    const STOCK: u64 = 40;
    let shop = Shop::open().await;
    let page = shop.home().join("launch.html");
    let flags = format!(
        "--scenario drop --attempts {ATTEMPTS} --stock {STOCK} --connections 16 \
         --expect sold-out>=200 --html {}",
        page.display()
    );
    let (outcome, told) = burst(&shop, &flags).await;
    expect_passed(&outcome, &told);
    assert_eq!(told["orders"]["confirmed"], STOCK, "{told:#}");
    let answered = ["confirmed", "accepted", "sold out", "sold out, at the edge"];
    let answered = answered.map(|outcome| count(&told, "order", outcome));
    assert_eq!(answered.iter().sum::<u64>(), ATTEMPTS, "{told:#}");
    expect_page(&page);
    shop.audit().await;
}

/// Fails unless there is a page with plots that loads nothing.
fn expect_page(path: &Path) {
    let page = fs::read_to_string(path).unwrap();
    assert!(page.starts_with("<!doctype html>"), "{page}");
    assert!(page.contains("PASS") && page.matches("<svg ").count() >= 3);
    for outside in ["<script", "<link", " src=", " href=", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[tokio::test]
async fn a_mixed_crowd_reads_orders_and_cancels() {
    let shop = Shop::open().await;
    let flags = "--scenario mixed --products 5 --connections 8 --duration 3s --warm-up 0s \
                 --no-idempotency-key";
    let (outcome, told) = burst(&shop, flags).await;
    expect_passed(&outcome, &told);
    for (operation, outcome) in [
        ("order", "confirmed"),
        ("list products", "done"),
        ("read product", "done"),
    ] {
        assert!(
            count(&told, operation, outcome) > 0,
            "{operation}: {told:#}"
        );
    }
    let cancelled = told["orders"]["cancelled"].as_u64().unwrap_or(0);
    assert_eq!(cancelled, count(&told, "cancel", "done"), "{told:#}");
    shop.audit().await;
}

#[tokio::test]
async fn what_is_not_as_expected_ends_with_exit_code_1_and_is_named() {
    let shop = Shop::open().await;
    let flags = "--scenario hot --connections 2 --duration 300ms --warm-up 0s \
                 --expect errors=0 --expect p50<=0us";
    let (outcome, told) = burst(&shop, flags).await;
    assert_eq!(outcome.exit_code, 1, "{outcome:?}");
    assert_eq!(told["verdict"], "FAIL", "{told:#}");
    assert_eq!(told["violations"], 0, "{told:#}");
    let line = outcome.stderr.trim_end();
    assert!(line.starts_with("failed: p50<=0us is not met: "), "{line}");
    assert_eq!(told["failures"].as_array().unwrap().len(), 1, "{told:#}");
    assert_eq!(told["expectations"][0]["met"], true, "{told:#}");
}

#[tokio::test]
async fn what_cannot_be_run_is_refused_at_once() {
    let shop = Shop::open_with(Setup::default()).await;
    for (flags, reason) in [
        ("--expect p98<=5ms", "\"p98\" is none of throughput"),
        ("--expect p99<=5", "\"5\" is no time"),
        ("--scenario hot --products 3", "has one product"),
        ("--url https://127.0.0.1", "plain http only"),
        ("--html /nowhere/at/all.html", "cannot be written"),
    ] {
        let (outcome, _) = burst(&shop, flags).await;
        assert_eq!(outcome.exit_code, 2, "{flags}: {outcome:?}");
        assert!(outcome.stderr.contains(reason), "{flags}: {outcome:?}");
        assert_eq!(outcome.stdout, "");
    }
    let products = shop.admin().get("/v1/products").await.json();
    assert_eq!(products["data"], json!([]), "nothing was made");
}
