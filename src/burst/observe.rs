//! Waits until every order is settled, and reads what the shop says of all of them then: by pages of each buyer.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use tokio::time::sleep;

use super::{check, market::Market, plan::Plan, progress::Progress};
use crate::api::Api;

/// Buyers and products that are read at a time.
const READ_AT_ONCE: usize = 8;
/// The longest that one question may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);
/// How often it is looked.
const PAUSE: Duration = Duration::from_millis(200);
/// What a refused or cancelled order held comes back a moment after it is settled: so long at most.
const STOCK_TIME_MAX: Duration = Duration::from_secs(20);

/// What the shop says.
#[derive(Debug, Default)]
pub(super) struct Observed {
    pub(super) orders: Vec<Seen>,
    /// Pieces that are left, by the number of the product.
    pub(super) left: Vec<u64>,
    /// How long it took until no order was unsettled; `None` if some are.
    pub(super) settled_after: Option<Duration>,
}

/// An order as its buyer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) id: u64,
    pub(super) buyer: u32,
    pub(super) status: Status,
    /// Of its one line; 0 where it has another number of lines.
    pub(super) product_id: u64,
    pub(super) pieces: u64,
}

/// How far an order has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Created,
    Reserved,
    Confirmed,
    Rejected,
    Cancelled,
    Expired,
    #[serde(other)]
    Unknown,
}

impl Status {
    /// Its name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Reserved => "reserved",
            Self::Confirmed => "confirmed",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
        }
    }

    /// Whether nothing happens to it any more by itself.
    pub(super) const fn is_settled(self) -> bool {
        !matches!(self, Self::Created | Self::Reserved | Self::Unknown)
    }
}

#[derive(Deserialize)]
struct Page {
    data: Vec<Order>,
    has_more: bool,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Order {
    id: u64,
    status: Status,
    lines: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    product_id: u64,
    quantity: u64,
}

#[derive(Deserialize)]
struct Product {
    stock: Stock,
}

#[derive(Deserialize)]
struct Stock {
    available: u64,
}

/// Waits until nothing moves, or until the time for that is over, and reads everything.
pub(super) async fn observe(market: &Market, plan: &Plan, progress: &Progress) -> Result<Observed> {
    let begun = Instant::now();
    progress.phase("waiting until every order is settled", 0);
    let settled_after = loop {
        if !is_any_unsettled(market).await? {
            break Some(begun.elapsed());
        }
        if begun.elapsed() > plan.settle_within {
            break None;
        }
        sleep(PAUSE).await;
    };
    let settled = Instant::now();
    progress.phase(
        "reading orders",
        u64::from(plan.users) + u64::from(plan.products),
    );
    loop {
        let observed = read(market, settled_after, progress).await?;
        let is_right = check::stock(&observed, market, plan).violations == 0;
        if is_right || settled.elapsed() > STOCK_TIME_MAX {
            return Ok(observed);
        }
        sleep(PAUSE).await;
    }
}

async fn is_any_unsettled(market: &Market) -> Result<bool> {
    let counts: Vec<usize> = stream::iter(&market.buyers)
        .map(async |buyer| {
            let mut count = 0;
            for status in [Status::Created, Status::Reserved] {
                let path = format!("/v1/orders?status={}&limit=1", status.name());
                let page: Page = buyer.read_as(&path, ANSWER_TIME_MAX).await?;
                count += page.data.len();
            }
            anyhow::Ok(count)
        })
        .buffer_unordered(READ_AT_ONCE)
        .try_collect()
        .await?;
    Ok(counts.iter().any(|count| *count > 0))
}

async fn read(
    market: &Market,
    settled_after: Option<Duration>,
    progress: &Progress,
) -> Result<Observed> {
    let orders: Vec<Vec<Seen>> = stream::iter(market.buyers.iter().enumerate())
        .map(|(number, buyer)| orders(number, buyer))
        .buffer_unordered(READ_AT_ONCE)
        .inspect(|_| progress.furnished())
        .try_collect()
        .await?;
    let left = stream::iter(&market.products)
        .map(async |id| {
            let path = format!("/v1/products/{id}");
            let product: Product = market.admin.read_as(&path, ANSWER_TIME_MAX).await?;
            anyhow::Ok(product.stock.available)
        })
        .buffered(READ_AT_ONCE)
        .inspect(|_| progress.furnished())
        .try_collect()
        .await?;
    Ok(Observed {
        orders: orders.concat(),
        left,
        settled_after,
    })
}

/// All orders of a buyer.
async fn orders(number: usize, buyer: &Api) -> Result<Vec<Seen>> {
    const FIRST: &str = "/v1/orders?limit=200";
    let number = u32::try_from(number)?;
    let mut seen = Vec::new();
    let mut path = FIRST.to_owned();
    loop {
        let page: Page = buyer.read_as(&path, ANSWER_TIME_MAX).await?;
        seen.extend(page.data.into_iter().map(|order| order.seen_by(number)));
        if !page.has_more {
            return Ok(seen);
        }
        let cursor = page
            .next_cursor
            .context("a list goes on without a cursor")?;
        path = format!("{FIRST}&cursor={cursor}");
    }
}

impl Order {
    fn seen_by(self, buyer: u32) -> Seen {
        let (product_id, pieces) = match self.lines.as_slice() {
            [line] => (line.product_id, line.quantity),
            _ => (0, 0),
        };
        Seen {
            id: self.id,
            buyer,
            status: self.status,
            product_id,
            pieces,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read_from_what_the_shop_says() {
        let text = r#"{"data":[{"id":7,"user_id":3,"status":"confirmed","lines":[{"product_id":4,"sku":"A",
            "quantity":2}],"total":null},{"id":8,"status":"shipped","lines":[]}],"has_more":false,"next_cursor":null}"#;
        let page: Page = serde_json::from_str(text).unwrap();
        let seen: Vec<Seen> = page
            .data
            .into_iter()
            .map(|order| order.seen_by(5))
            .collect();
        let confirmed = Seen {
            id: 7,
            buyer: 5,
            status: Status::Confirmed,
            product_id: 4,
            pieces: 2,
        };
        assert_eq!(seen[0], confirmed);
        assert_eq!(seen[1].status, Status::Unknown);
        assert!(!seen[1].status.is_settled());
    }
}
