//! I1: the stock of each product adds up at every step, and orders hold what is allocated.

use super::{Invariant, Report, dense::Dense, record::Place};
use crate::{
    ProductId,
    products::{Product, ProductEvent, Stock},
};

/// What was put into each product.
#[derive(Debug, Default)]
pub(super) struct Stocks {
    /// A number that does not fit is wrong, and so is what stands in its place.
    put_in: Dense<i64>,
    /// Of products whose beginning is not told, what was told last.
    later: Dense<(Stock, u64)>,
}

impl Stocks {
    /// The next thing that happened to a product, which was like this before.
    pub(super) fn event(
        &mut self,
        place: &Place,
        before: Option<&Product>,
        event: &ProductEvent,
        report: &mut Report,
    ) {
        let id = place.aggregate_id;
        let mut put_in = i128::from(self.put_in.get(id).copied().unwrap_or(0));
        let delta = match event {
            ProductEvent::ProductCreated { stock, .. } => pieces(*stock),
            ProductEvent::StockAdjusted { delta, .. } => i128::from(*delta),
            _ => 0,
        };
        put_in += delta;
        let stock = before.map(|product| product.stock);
        if let Some(after) = stock_after(event) {
            let wrong = if pieces(after) != put_in {
                Some(format!(
                    "{} available and {} allocated are not the {put_in} that were put in",
                    after.available, after.allocated
                ))
            } else if !follows(stock, event) {
                Some(format!(
                    "{} does not follow from {stock:?}",
                    describe(event, after)
                ))
            } else {
                None
            };
            if wrong.is_some() {
                // What follows is compared with what is said here, so that one error is told once.
                put_in = pieces(after);
            }
            report.judge(
                Invariant::I1,
                wrong.map(|wrong| format!("{place}: of product {id}, {wrong}")),
            );
        }
        if let ProductEvent::StockRefused {
            quantity,
            available,
            ..
        } = event
        {
            let had = stock.unwrap_or_default().available;
            report.check(Invariant::I1, *available == had && had < *quantity, || {
                format!(
                    "{place}: product {id} refuses {quantity} with {available} left, and had {had}"
                )
            });
        }
        self.put_in
            .insert(id, i64::try_from(put_in).unwrap_or(i64::MAX));
    }

    /// How many products are remembered.
    pub(super) const fn len(&self) -> usize {
        self.put_in.len() + self.later.len()
    }

    /// The next thing that happened to a product whose beginning is not told: it must follow from what came before it.
    pub(super) fn later_event(&mut self, place: &Place, event: &ProductEvent, report: &mut Report) {
        let id = place.aggregate_id;
        let before = self.later.get(id).copied();
        if let Some((stock, seq)) = before {
            let is_next = place.seq == seq + 1;
            report.check(Invariant::I9, is_next, || {
                format!(
                    "{place} is number {} of product {id}, after number {seq}",
                    place.seq
                )
            });
            let is_right = match (event, stock_after(event)) {
                (
                    ProductEvent::StockRefused {
                        quantity,
                        available,
                        ..
                    },
                    _,
                ) => *available == stock.available && available < quantity,
                (_, Some(_)) => follows(Some(stock), event),
                (_, None) => true,
            };
            report.check(Invariant::I1, is_right, || {
                format!("{place}: of product {id}, what is recorded does not follow from {stock:?}")
            });
        }
        let stock = stock_after(event).or(before.map(|(stock, _)| stock));
        if let Some(stock) = stock {
            self.later.insert(id, (stock, place.seq));
        }
    }

    /// Compares the row of a product whose beginning is not told. `false` if nothing is known of it.
    pub(super) fn later_row(
        &self,
        id: u64,
        row: &Product,
        version: u64,
        report: &mut Report,
    ) -> bool {
        let Some((stock, seq)) = self.later.get(id).copied() else {
            return false;
        };
        let holds = row.stock == stock && version == seq;
        report.check(Invariant::I10, holds, || {
            format!(
                "the row of product {id} has version {version} with {:?}, and its last record is number {seq} with {stock:?}",
                row.stock
            )
        });
        true
    }
}

/// At the end: what a product has allocated is what orders hold, and what is between it and them.
pub(super) fn judge_allocation(
    id: ProductId,
    product: Option<&Product>,
    (held, between): (u64, u64),
    report: &mut Report,
) {
    let allocated = product.map_or(0, |product| product.stock.allocated);
    report.check(Invariant::I1, u128::from(allocated) == u128::from(held) + u128::from(between), || {
        format!("product {id} has {allocated} allocated; orders hold {held}, and {between} are on their way or set aside")
    });
}

fn pieces(stock: Stock) -> i128 {
    i128::from(stock.available) + i128::from(stock.allocated)
}

/// The stock that an event says has resulted.
fn stock_after(event: &ProductEvent) -> Option<Stock> {
    match event {
        ProductEvent::ProductCreated { stock, .. }
        | ProductEvent::StockAdjusted { stock, .. }
        | ProductEvent::StockReserved { stock, .. }
        | ProductEvent::StockReleased { stock, .. } => Some(*stock),
        ProductEvent::ProductChanged { .. } | ProductEvent::StockRefused { .. } => None,
    }
}

/// Whether the stock after an event follows from the stock before it, nothing below zero.
fn follows(before: Option<Stock>, event: &ProductEvent) -> bool {
    let Some(before) = before else {
        return matches!(event, ProductEvent::ProductCreated { stock, .. } if stock.allocated == 0);
    };
    let expected = match event {
        ProductEvent::StockAdjusted { delta, .. } => before
            .available
            .checked_add_signed(*delta)
            .map(|available| Stock {
                available,
                ..before
            }),
        ProductEvent::StockReserved { quantity, .. } => {
            moved(before.available, before.allocated, *quantity).map(|(available, allocated)| {
                Stock {
                    available,
                    allocated,
                }
            })
        }
        ProductEvent::StockReleased { quantity, .. } => {
            moved(before.allocated, before.available, *quantity).map(|(allocated, available)| {
                Stock {
                    available,
                    allocated,
                }
            })
        }
        _ => None,
    };
    expected.is_some() && expected == stock_after(event)
}

/// Both counts after so many pieces went from one to the other.
fn moved(from: u64, to: u64, pieces: u64) -> Option<(u64, u64)> {
    Some((from.checked_sub(pieces)?, to.checked_add(pieces)?))
}

fn describe(event: &ProductEvent, after: Stock) -> String {
    match event {
        ProductEvent::ProductCreated { .. } => format!("a creation with {after:?}"),
        ProductEvent::StockAdjusted { delta, .. } => {
            format!("an adjustment by {delta} to {after:?}")
        }
        ProductEvent::StockReserved { quantity, .. } => {
            format!("a reservation of {quantity} to {after:?}")
        }
        ProductEvent::StockReleased { quantity, .. } => {
            format!("a release of {quantity} to {after:?}")
        }
        ProductEvent::ProductChanged { .. } | ProductEvent::StockRefused { .. } => {
            format!("{after:?}")
        }
    }
}
