//! `stampede chaos`: it passes on a shop that keeps its promises, and says so loudly where one is broken.

use std::fs;

use serde_json::Value;

use crate::audit_damage::{DamagedCopy, closed_shop};
use crate::harness::{
    ADMIN_PASSWORD, Outcome, Servers, Setup, Shop, cluster_permit, only_with, stampede,
};

const ORDERS: &str = "300";

/// A run of a few seconds, which prints JSON, with these flags beside.
async fn chaos(flags: &[&str]) -> (Outcome, Value) {
    let beginning = ["chaos", "--orders", ORDERS, "--json"];
    let outcome = stampede(beginning.iter().chain(flags)).await;
    let told = serde_json::from_str(&outcome.stdout).unwrap_or_default();
    (outcome, told)
}

/// Fails unless the run passed with every order answered, and really injected these kinds of faults.
fn expect_passed(outcome: &Outcome, told: &Value, kinds: &[&str]) {
    assert_eq!(outcome.exit_code, 0, "{outcome:?}");
    assert_eq!(told["verdict"], "PASS", "{told:#}");
    assert_eq!(told["violations"], 0, "{told:#}");
    assert_eq!(told["missed"], serde_json::json!([]), "{told:#}");
    for kind in kinds {
        assert!(
            told["faults"][kind]["count"].as_u64() >= Some(1),
            "{kind}: {told:#}"
        );
    }
    let audited = told["invariants"].as_array().unwrap().iter();
    let audited: Vec<&Value> = audited.map(|finding| &finding["id"]).collect();
    assert!(audited.iter().any(|id| *id == "I10"), "{told:#}");
    assert!(told["accepted"].as_u64() > Some(200), "{told:#}");
}

#[tokio::test]
async fn a_shop_of_one_process_passes_with_faults_of_every_sort() {
    only_with!(Embedded, "it starts a shop of its own");
    let (outcome, told) = chaos(&["--seed", "3", "--seconds", "9"]).await;
    let kinds = [
        "panic",
        "poison",
        "freeze",
        "slow_commits",
        "feed",
        "exit",
        "kill",
        "stop",
        "restart",
    ];
    expect_passed(&outcome, &told, &kinds);
    assert_eq!(told["seed"], 3);
    assert_eq!(told["kept"], Value::Null, "nothing is left behind");
}

#[tokio::test]
async fn a_shop_of_many_processes_passes_while_nodes_and_servers_fail() {
    only_with!(Cluster, "it stands on real servers");
    let _permit = cluster_permit(false).await;
    let servers = Servers::shared();
    let kinds =
        "kill,gateway_stop,postgres_refused,kafka_reset,kafka_refused,mongodb_reset,feed,poison";
    let flags = [
        "--shape",
        "cluster",
        "--postgres-url",
        &servers.postgres_url,
        "--kafka",
        &servers.kafka,
        "--mongodb-url",
        &servers.mongodb_url,
        "--seed",
        "5",
        "--seconds",
        "8",
        "--faults",
        kinds,
    ];
    let (outcome, told) = chaos(&flags).await;
    let kinds: Vec<&str> = kinds.split(',').collect();
    expect_passed(&outcome, &told, &kinds);
}

/// A shop that runs already, a file with its admin's password, and the flags that point at both.
fn pointed_at(shop: &Shop) -> [String; 4] {
    let file = shop.home().join("admin-password");
    fs::write(&file, ADMIN_PASSWORD).unwrap();
    let file = file.to_str().unwrap().to_owned();
    [
        "--url".to_owned(),
        shop.visitor().base_url(),
        "--admin-password-file".to_owned(),
        file,
    ]
}

#[tokio::test]
async fn a_shop_that_does_not_allow_faults_is_left_alone() {
    only_with!(
        Embedded,
        "the switch of a cluster is a key of its configuration"
    );
    let shop = Shop::open_with(Setup {
        faults_forbidden: true,
        ..Setup::default()
    })
    .await;
    let flags = pointed_at(&shop);
    let (outcome, _) = chaos(&flags.each_ref().map(String::as_str)).await;
    assert_eq!(outcome.exit_code, 2, "{outcome:?}");
    assert!(
        outcome.stderr.contains("does not allow faults"),
        "{outcome:?}"
    );
    let products = shop.admin().get("/v1/products").await.json();
    assert_eq!(products["data"], serde_json::json!([]), "nothing was made");
}

#[tokio::test]
async fn a_shop_that_runs_already_is_given_faults_and_audited_where_it_is_said_to_be() {
    let shop = Shop::open().await;
    shop.expect_panics();
    let flags = pointed_at(&shop);
    let store = shop.store().map(|flag| flag.into_string().unwrap());
    let flags: Vec<&str> = flags.iter().chain(&store).map(String::as_str).collect();
    let flags = [flags, vec!["--seed", "2", "--seconds", "4"]].concat();
    let (outcome, told) = chaos(&flags).await;
    expect_passed(&outcome, &told, &["panic", "feed"]);
    assert!(
        told["faults"]["kill"].is_null(),
        "it is not chaos that started it: {told:#}"
    );
    shop.visitor().get("/readyz").await.expect_status(200);
}

/// Somebody has sold a piece without an order, in the stores that chaos is told to audit.
#[tokio::test]
async fn a_broken_promise_fails_the_run() {
    only_with!(Embedded, "it damages the file of the embedded store");
    let damaged = closed_shop().await;
    let copy = DamagedCopy::of(&damaged, "UPDATE products SET available = available - 1");
    let shop = Shop::open().await;
    shop.expect_panics();
    let flags = pointed_at(&shop);
    let data_dir = copy.data_dir();
    let mut flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    flags.extend([
        "--data-dir",
        data_dir.to_str().unwrap(),
        "--seconds",
        "2",
        "--faults",
        "panic",
    ]);
    let (outcome, told) = chaos(&flags).await;
    assert_eq!(outcome.exit_code, 1, "{outcome:?}");
    assert_eq!(told["verdict"], "FAIL", "{told:#}");
    let invariants = told["invariants"].as_array().unwrap().iter();
    let mut violated = invariants.filter(|finding| finding["violations"].as_u64() > Some(0));
    assert!(
        violated.all(|finding| finding["id"].as_str().unwrap().starts_with('I')),
        "{told:#}"
    );
    assert!(told["violations"].as_u64() > Some(0), "{told:#}");
}
