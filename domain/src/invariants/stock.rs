//! I1: the stock of each product adds up at every step, and orders hold what is allocated.

use std::collections::HashMap;

use super::{Invariant, Report, record::Place};
use crate::{
    ProductId,
    products::{Product, ProductEvent, Stock},
};

/// What was put into each product.
#[derive(Debug, Default)]
pub(super) struct Stocks {
    put_in: HashMap<u64, i128>,
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
        let put_in = self.put_in.entry(id).or_default();
        let delta = match event {
            ProductEvent::ProductCreated { stock, .. } => pieces(*stock),
            ProductEvent::StockAdjusted { delta, .. } => i128::from(*delta),
            _ => 0,
        };
        *put_in += delta;
        let stock = before.map(|product| product.stock);
        if let Some(after) = stock_after(event) {
            let wrong = if pieces(after) != *put_in {
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
                *put_in = pieces(after);
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
