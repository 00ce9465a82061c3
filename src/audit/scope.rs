//! Which part of a store is asked for, and where that part lies in the journals.

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
    time::Duration,
};

use anyhow::{Context, Result};
use domain::{
    Domain, ProductId, ShardRef, Sku, Timestamp,
    invariants::{Scope, Since},
};
use storage::{Snapshot, StorageError};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::PAGE;

/// How far the clocks may differ by which the records of one order are dated.
const CLOCKS: Duration = Duration::from_secs(60);
/// The type of an order's first record.
pub(super) const ORDER_CREATED: &str = "order.created.v1";

/// Since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SinceWhen {
    /// Since that time.
    Time(Timestamp),
    /// For so long.
    Ago(Duration),
}

impl FromStr for SinceWhen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let seconds_of = |unit| match unit {
            's' => Some(1),
            'm' => Some(60),
            'h' => Some(3_600),
            'd' => Some(86_400),
            _ => None,
        };
        let last = text.chars().last().and_then(seconds_of);
        let number = text.get(..text.len().saturating_sub(1)).unwrap_or("");
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        if let (Some(seconds), true) = (last, is_number) {
            let number: u64 = number.parse().map_err(|_| "it is too long".to_owned())?;
            return Ok(Self::Ago(Duration::from_secs(
                number.saturating_mul(seconds),
            )));
        }
        let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| {
            "it is neither a time such as 2026-01-31T09:30:00Z nor a duration such as 90s, 30m, 24h or 7d"
                .to_owned()
        })?;
        let millis = i64::try_from(time.unix_timestamp_nanos() / 1_000_000);
        millis
            .map(|millis| Self::Time(Timestamp::from_millis(millis)))
            .map_err(|_| "it is too far away".to_owned())
    }
}

/// The part that is asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Asked {
    pub(super) skus: Vec<Sku>,
    pub(super) since: Option<Timestamp>,
}

/// Finds the part that is asked for.
///
/// # Errors
/// If there is no product with such a SKU, and whatever keeps the store from being read.
pub(super) async fn find(asked: &Asked, store: &mut dyn Snapshot) -> Result<Scope> {
    let mut scope = Scope::default();
    if !asked.skus.is_empty() {
        let mut products = find_products(&asked.skus, store).await?;
        let mut found = BTreeSet::new();
        for sku in &asked.skus {
            let ids = products.remove(sku.as_str());
            found.extend(ids.with_context(|| format!("there is no product with the SKU {sku}"))?);
        }
        scope.products = Some(found);
    }
    if let Some(time) = asked.since {
        scope.since = Some(find_since(time, store).await?);
    }
    Ok(scope)
}

/// The products that have these SKUs by their columns or by their states: in a damaged store that may be several.
async fn find_products(
    skus: &[Sku],
    store: &mut dyn Snapshot,
) -> Result<BTreeMap<String, Vec<ProductId>>, StorageError> {
    let mut products: BTreeMap<String, Vec<ProductId>> = BTreeMap::new();
    let mut after = 0;
    loop {
        let page = store.products(after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(products);
        };
        after = last.id;
        for row in page {
            let state = row.state.as_ref().ok();
            let wanted = skus.iter().find(|sku| {
                row.columns.sku == sku.as_str() || state.is_some_and(|state| state.sku == **sku)
            });
            if let (Some(sku), Some(id)) = (wanted, ProductId::new(row.id)) {
                products
                    .entry(sku.as_str().to_owned())
                    .or_default()
                    .push(id);
            }
        }
    }
}

async fn find_since(time: Timestamp, store: &mut dyn Snapshot) -> Result<Since, StorageError> {
    let mut since = Since {
        time,
        ..Since::default()
    };
    for (shard, head) in store.heads().await? {
        let limit = match shard.domain {
            Domain::Orders => time,
            _ => time.minus(CLOCKS),
        };
        let after = last_before(store, shard, head.last_position, limit).await?;
        since.after.insert(shard, after);
        if shard.domain == Domain::Orders
            && let Some(first) = first_order(store, shard, after).await?
        {
            since.orders.insert(shard.shard, first);
        }
    }
    Ok(since)
}

/// The last position of a shard whose record is older than `limit`; 0 if there is none. Times follow positions but for
/// a clock that steps back.
pub(super) async fn last_before(
    store: &mut dyn Snapshot,
    shard: ShardRef,
    last_position: u64,
    limit: Timestamp,
) -> Result<u64, StorageError> {
    let (mut older, mut newer) = (0, last_position + 1);
    while older + 1 < newer {
        let middle = older.midpoint(newer);
        let page = store.records(shard, middle - 1, 1).await?;
        if page.first().is_some_and(|record| record.time < limit) {
            older = middle;
        } else {
            newer = middle;
        }
    }
    Ok(older)
}

/// The first order that was created in a shard after this position.
async fn first_order(
    store: &mut dyn Snapshot,
    shard: ShardRef,
    mut after: u64,
) -> Result<Option<u64>, StorageError> {
    loop {
        let page = store.records(shard, after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(None);
        };
        after = last.position;
        let created = page
            .iter()
            .find(|record| record.event_type == ORDER_CREATED);
        if let Some(created) = created {
            return Ok(Some(created.aggregate_id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_or_a_duration_is_understood() {
        let millis = |millis| Ok(SinceWhen::Time(Timestamp::from_millis(millis)));
        let secs = |secs| Ok(SinceWhen::Ago(Duration::from_secs(secs)));
        for (text, expected) in [
            ("90s", secs(90)),
            ("30m", secs(1_800)),
            ("24h", secs(86_400)),
            ("7d", secs(604_800)),
            ("1970-01-01T00:00:01Z", millis(1_000)),
            ("1970-01-01T01:00:01.5+01:00", millis(1_500)),
        ] {
            assert_eq!(text.parse::<SinceWhen>(), expected, "{text}");
        }
        for text in ["", "h", "24", "24 h", "-1h", "yesterday", "1970-01-01", "ä"] {
            assert!(text.parse::<SinceWhen>().is_err(), "{text}");
        }
    }
}
