//! Many processes that are one shop: nodes come, go, hang and die, servers fail, and releases are mixed.
//!
//! These scenarios need `STAMPEDE_TEST_DEPLOYMENT=cluster` and `scripts/services up`. Each ends with an audit without a
//! violation. Every wait is bounded by ten times the figure that is promised.

mod feed;
mod frozen;
mod interop;
mod membership;
mod outages;
mod restore;
mod topology;
mod upgrade;

use std::collections::BTreeMap;
use std::env;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Api, Cluster, ClusterSetup, Ledger, Order, Rush, eventually};

/// Ten times the ten seconds within which a dead node's shards are served again.
const SERVED_AGAIN_MAX: Duration = Duration::from_secs(100);
/// Of each product; more than any scenario sells.
const STOCK: u64 = 1_000_000;
/// Orders of a scenario unless `STAMPEDE_TEST_ORDERS` says another number.
const ORDERS: usize = 3_000;

/// How many orders a scenario places.
fn orders_wanted() -> usize {
    match env::var("STAMPEDE_TEST_ORDERS") {
        Ok(number) => number.parse().expect("STAMPEDE_TEST_ORDERS is a number"),
        Err(_) => ORDERS,
    }
}

/// A cluster with something to sell and people who buy it.
struct Market {
    cluster: Cluster,
    products: Vec<u64>,
    buyers: Vec<Api>,
}

impl Market {
    /// Eight products and eight buyers, so that every shard has some of both.
    async fn open(setup: ClusterSetup) -> Self {
        let cluster = Cluster::open(setup).await;
        let products = cluster.admin().products(8, STOCK).await;
        let buyers = cluster.customers(8).await;
        Self {
            cluster,
            products,
            buyers,
        }
    }

    fn admin(&self) -> &Api {
        self.cluster.admin()
    }

    /// Lets `workers` order one piece at a time, of one product after the other, until the rush is stopped.
    fn rush(&self, workers: usize) -> Rush {
        let products = self.products.clone();
        Rush::start(&self.buyers, workers, usize::MAX, move |number| {
            Order::of(products[number % products.len()], 1)
        })
    }

    /// Stops the rush and expects that every order in it was accepted once, settled as confirmed, and took one piece;
    /// then audits.
    async fn close(&self, rush: Rush) -> Ledger {
        rush.stop();
        let ledger = rush.finish().await;
        self.expect_sold(&ledger).await;
        self.cluster.audit().await;
        ledger
    }

    async fn expect_sold(&self, ledger: &Ledger) {
        assert_eq!(ledger.refused, BTreeMap::new());
        ledger.expect_distinct_ids();
        let kept = ledger.expect_kept(&self.buyers).await;
        assert_eq!(
            kept.len(),
            ledger.accepted.len(),
            "an order exists that nobody asked for"
        );
        let confirmed = kept.iter().filter(|order| order["status"] == "confirmed");
        assert_eq!(
            confirmed.count(),
            kept.len(),
            "there was enough for everybody"
        );
        let mut sold = 0;
        for product_id in &self.products {
            sold += STOCK - self.admin().available(*product_id).await;
        }
        assert_eq!(sold, u64::try_from(kept.len()).unwrap());
    }

    /// Waits until a node owns shards and serves them.
    async fn until_busy(&self, node: &str) {
        let what = format!("node {node} serves shards");
        eventually(SERVED_AGAIN_MAX, &what, async || {
            let system = self.admin().system().await;
            shards(&system)
                .iter()
                .any(|shard| shard["owner"] == node && shard["serving"] == true)
                .then_some(())
        })
        .await;
    }

    /// Waits until every shard is served, and none by this node.
    async fn until_served_without(&self, node: &str) {
        let what = format!("every shard is served, and not by {node}");
        eventually(SERVED_AGAIN_MAX, &what, async || {
            let answer = self.admin().get("/v1/system").await;
            if answer.status() != 200 {
                return None;
            }
            let system = answer.json();
            shards(&system)
                .iter()
                .all(|shard| shard["owner"] != node && shard["serving"] == true)
                .then_some(())
        })
        .await;
    }
}

/// The shards, as `/v1/system` shows them.
fn shards(system: &Value) -> &[Value] {
    let shards = system["shards"].as_array().expect("the system has shards");
    assert!(!shards.is_empty(), "{system:#}");
    shards
}

/// The node that owns a shard.
fn owner_of(system: &Value, domain: &str, number: u64) -> String {
    let shard = shards(system)
        .iter()
        .find(|shard| shard["domain"] == domain && shard["shard"] == number)
        .unwrap_or_else(|| panic!("no shard {number} of {domain}: {system:#}"));
    shard["owner"].as_str().unwrap().to_owned()
}

/// Prints a figure where no test runner captures it.
fn report(figure: std::fmt::Arguments<'_>) {
    use std::io::Write;
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let line = format!("test {test} ... {figure}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}
