//! How an order and its products talk: what an order's event asks of products, and what a product's event answers.
//!
//! The steps come in pairs: a reservation is asked for when the order is created, and given back when the order ends
//! without it.

use std::{collections::BTreeMap, slice};

use crate::{
    OrderId, ProductId,
    orders::{Answer, OrderEvent, Release},
    products::{ProductCommand, ProductEvent},
};

/// What an order's event asks of each product concerned: one command for all the order's lines of that product
/// together, so that two lines of one product are summed before the check.
#[must_use]
pub fn requests(order_id: OrderId, event: &OrderEvent) -> Vec<(ProductId, ProductCommand)> {
    let OrderEvent::OrderCreated { lines, .. } = event else {
        let give_back = |release: &Release| {
            let command = ProductCommand::ReleaseStock {
                order_id,
                quantity: release.quantity,
            };
            (release.product_id, command)
        };
        return releases(event).iter().map(give_back).collect();
    };
    let mut pieces: BTreeMap<ProductId, u64> = BTreeMap::new();
    for line in lines {
        *pieces.entry(line.product_id).or_default() += u64::from(line.quantity.get());
    }
    pieces
        .into_iter()
        .map(|(product_id, quantity)| {
            let command = ProductCommand::ReserveStock {
                order_id,
                product_id,
                quantity,
            };
            (product_id, command)
        })
        .collect()
}

/// What an order's event gives back.
#[must_use]
pub fn releases(event: &OrderEvent) -> &[Release] {
    match event {
        OrderEvent::OrderRejected { releases, .. }
        | OrderEvent::OrderCancelled { releases, .. }
        | OrderEvent::OrderExpired { releases, .. } => releases,
        OrderEvent::LateReservationReleased { release } => slice::from_ref(release),
        OrderEvent::OrderCreated { .. }
        | OrderEvent::AnswerRecorded { .. }
        | OrderEvent::OrderConfirmed { .. } => &[],
    }
}

/// What a product's event answers to an order, if it does.
#[must_use]
pub fn answer(event: &ProductEvent) -> Option<(OrderId, Answer)> {
    match event {
        ProductEvent::StockReserved {
            order_id,
            product_id,
            quantity,
            sku,
            name,
            unit_price,
            ..
        } => Some((
            *order_id,
            Answer::Reserved {
                product_id: *product_id,
                quantity: *quantity,
                sku: sku.clone(),
                name: name.clone(),
                unit_price: *unit_price,
            },
        )),
        ProductEvent::StockRefused {
            order_id,
            product_id,
            available,
            ..
        } => Some((
            *order_id,
            Answer::Refused {
                product_id: *product_id,
                available: *available,
            },
        )),
        ProductEvent::ProductCreated { .. }
        | ProductEvent::ProductChanged { .. }
        | ProductEvent::StockAdjusted { .. }
        | ProductEvent::StockReleased { .. } => None,
    }
}
