//! Ends what was made to go wrong, and waits until everything has come to its end.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Result, bail};
use reqwest::Method;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{
    api::{Api, Request},
    checks::Observed,
    crowd::{Books, lock},
    inject::clear,
    market::Market,
};

/// Twice what an order whose products do not answer takes to expire, and half a minute.
const SETTLING_TIME_MAX: Duration = Duration::from_secs(150);
/// The longest that one question may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);
/// How often it is looked.
const PAUSE: Duration = Duration::from_millis(200);

/// How it came to rest.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// Parked commands that were retried.
    pub(super) retried: usize,
    pub(super) took: Duration,
}

/// The parked commands that there are.
pub(super) async fn parked(admin: &Api) -> Result<BTreeSet<String>> {
    let system = admin.read("/v1/system", ANSWER_TIME_MAX).await?;
    Ok(ids_of_parked(&system))
}

fn ids_of_parked(system: &Value) -> BTreeSet<String> {
    let parked = system["parked"].as_array().into_iter().flatten();
    parked
        .filter_map(|command| command["id"].as_str().map(str::to_owned))
        .collect()
}

/// Ends all faults, retries what was parked (but what was `parked_before`), and waits until nothing is left to be done.
///
/// # Errors
/// If that takes too long: what is left, then.
pub(super) async fn settle(market: &Market, parked_before: &BTreeSet<String>) -> Result<Settled> {
    let begun = Instant::now();
    let mut settled = Settled::default();
    loop {
        let left = match look(market, parked_before, &mut settled).await {
            Ok(None) => {
                settled.took = begun.elapsed();
                return Ok(settled);
            }
            Ok(Some(left)) => left,
            Err(error) => format!("{error:#}"),
        };
        if begun.elapsed() > SETTLING_TIME_MAX {
            bail!("not settled within {SETTLING_TIME_MAX:?}: {left}");
        }
        sleep(PAUSE).await;
    }
}

/// What is left to be done, if anything is.
async fn look(
    market: &Market,
    parked_before: &BTreeSet<String>,
    settled: &mut Settled,
) -> Result<Option<String>> {
    let admin = &market.admin;
    clear(admin, ANSWER_TIME_MAX).await?;
    admin.read("/readyz", ANSWER_TIME_MAX).await?;
    let system = admin.read("/v1/system", ANSWER_TIME_MAX).await?;
    let parked = ids_of_parked(&system);
    let parked: Vec<&String> = parked.difference(parked_before).collect();
    for id in &parked {
        let path = format!("/v1/system/parked/{id}/retry");
        let retry = Request {
            method: Method::POST,
            ..Request::get(&path)
        };
        // Refused while another one about the same order comes first: the next look finds it again.
        let answer = admin.insist(&retry, ANSWER_TIME_MAX).await?;
        settled.retried += usize::from(answer.status == 204);
    }
    if !parked.is_empty() {
        return Ok(Some(format!("{} parked commands", parked.len())));
    }
    if let Some(unquiet) = unquiet(&system) {
        return Ok(Some(unquiet));
    }
    for buyer in &market.buyers {
        for status in ["created", "reserved"] {
            let path = format!("/v1/orders?status={status}&limit=1");
            let orders = buyer.read(&path, ANSWER_TIME_MAX).await?;
            if let Some(order) = orders["data"].as_array().and_then(|orders| orders.first()) {
                return Ok(Some(format!("order {} is {status}", order["id"])));
            }
        }
    }
    Ok(None)
}

/// A fault in force, a shard that is not served, a link that is held, or a turn that is not committed.
fn unquiet(system: &Value) -> Option<String> {
    let each = |name: &str| system[name].as_array().cloned().unwrap_or_default();
    for node in each("nodes") {
        if node["faults"]
            .as_array()
            .is_some_and(|faults| !faults.is_empty())
        {
            return Some(format!("faults are in force at {}", node["name"]));
        }
    }
    for shard in each("shards") {
        let is_quiet =
            shard["serving"] == true && shard["held_links"] == 0 && shard["turns_pending"] == 0;
        if !is_quiet {
            return Some(format!(
                "shard {} of {} is not quiet: {shard}",
                shard["shard"], shard["domain"]
            ));
        }
    }
    None
}

/// Everything that is checked, once the stock is what it should be or has had its time to become so.
pub(super) async fn observe(market: &Market, books: &Books) -> Result<Observed> {
    let begun = Instant::now();
    loop {
        let mut observed = Observed {
            orders: Vec::new(),
            available: BTreeMap::new(),
        };
        for buyer in &market.buyers {
            observed
                .orders
                .push(buyer.read_all("/v1/orders", ANSWER_TIME_MAX).await?);
        }
        for product in &market.products {
            let path = format!("/v1/products/{}", product.id);
            let read = market.admin.read(&path, ANSWER_TIME_MAX).await?;
            if let Some(pieces) = read["stock"]["available"].as_u64() {
                observed.available.insert(product.id, pieces);
            }
        }
        let is_right = observed
            .wrong_stock(&market.products, &lock(&books.ledger))
            .is_empty();
        // What a refused or cancelled order held comes back a moment later.
        if is_right || begun.elapsed() > ANSWER_TIME_MAX {
            return Ok(observed);
        }
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_unquiet_is_told() {
        let shard = json!({"domain": "orders", "shard": 1, "serving": true, "held_links": 0, "turns_pending": 0});
        let node = json!({"name": "a", "faults": []});
        let system = json!({"nodes": [node], "shards": [shard], "parked": [{"id": "products-3"}]});
        assert_eq!(unquiet(&system), None);
        assert!(ids_of_parked(&system).contains("products-3"));
        for (pointer, value) in [
            ("/nodes/0/faults", json!([{"kind": "feed"}])),
            ("/shards/0/serving", json!(false)),
            ("/shards/0/held_links", json!(1)),
            ("/shards/0/turns_pending", json!(2)),
        ] {
            let mut wrong = system.clone();
            if let Some(place) = wrong.pointer_mut(pointer) {
                *place = value;
            }
            assert!(unquiet(&wrong).is_some(), "{pointer}");
        }
    }
}
