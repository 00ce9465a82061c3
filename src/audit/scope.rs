//! Which part of a store is asked for, and where that part lies in the journals.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context, Result};
use domain::{
    Domain, ProductId, ShardRef, Sku, Timestamp,
    invariants::{Scope, Since},
};
use storage::{Archived, Snapshot, StorageError};

use super::PAGE;

/// How far the clocks may differ by which the records of one order are dated.
const CLOCKS: Duration = Duration::from_secs(60);
/// The type of an order's first record.
pub(super) const ORDER_CREATED: &str = "order.created.v1";

/// The part that is asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Asked {
    pub(super) skus: Vec<Sku>,
    pub(super) since: Option<Timestamp>,
}

/// Finds the part that is asked for and that is not archived, and before which time the rest was.
///
/// # Errors
/// If there is no product with such a SKU, and whatever keeps the store from being read.
pub(super) async fn find(
    asked: &Asked,
    store: &mut dyn Snapshot,
) -> Result<(Scope, Option<Timestamp>)> {
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
    let archived = store.archived().await?;
    let begun = archived.iter().map(|mark| mark.before).max();
    if let Some(time) = asked.since.max(begun) {
        scope.since = Some(find_since(time, &archived, store).await?);
    }
    Ok((scope, begun))
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

async fn find_since(
    time: Timestamp,
    archived: &[Archived],
    store: &mut dyn Snapshot,
) -> Result<Since, StorageError> {
    let mut since = Since {
        time,
        ..Since::default()
    };
    for (shard, head) in store.heads().await? {
        let mark = archived.iter().find(|mark| mark.shard == shard);
        let told = (mark.map_or(0, |mark| mark.position), head.last_position);
        let after = last_before(store, shard, told, begin_of(shard, time)).await?;
        since.after.insert(shard, after);
        if shard.domain == Domain::Orders
            && let Some(first) = first_order(store, shard, after).await?
        {
            since.orders.insert(shard.shard, first);
        }
    }
    Ok(since)
}

/// From which time on the journal of a shard tells of what has happened since `time`.
pub(crate) fn begin_of(shard: ShardRef, time: Timestamp) -> Timestamp {
    match shard.domain {
        Domain::Orders => time,
        _ => time.minus(CLOCKS),
    }
}

/// The last position of a shard whose record is older than `limit`, between the last one that was archived and the last
/// one that there is; the former if there is none. Times follow positions but for a clock that steps back.
pub(crate) async fn last_before(
    store: &mut dyn Snapshot,
    shard: ShardRef,
    (archived, last): (u64, u64),
    limit: Timestamp,
) -> Result<u64, StorageError> {
    let (mut older, mut newer) = (archived, last.max(archived) + 1);
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
