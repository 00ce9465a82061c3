//! Which events a command brings about.

use super::{Product, ProductCommand, ProductEvent, ProductRejection, STOCK_MAX, Stock};
use crate::{OrderId, ProductId};

pub(super) fn decide(
    state: Option<&Product>,
    command: &ProductCommand,
) -> Result<Vec<ProductEvent>, ProductRejection> {
    match (state, command) {
        (
            None,
            ProductCommand::CreateProduct {
                product_id,
                sku,
                name,
                description,
                price,
                stock,
            },
        ) => {
            if *stock > STOCK_MAX {
                return Err(ProductRejection::StockTooLarge);
            }
            Ok(vec![ProductEvent::ProductCreated {
                product_id: *product_id,
                sku: sku.clone(),
                name: name.clone(),
                description: description.clone(),
                price: *price,
                stock: Stock {
                    available: *stock,
                    allocated: 0,
                },
            }])
        }
        (Some(_), ProductCommand::CreateProduct { .. }) => Ok(Vec::new()),
        (
            state,
            ProductCommand::ReserveStock {
                order_id,
                product_id,
                quantity,
            },
        ) => Ok(vec![reserve(state, *order_id, *product_id, *quantity)]),
        (None, _) => Err(ProductRejection::UnknownProduct),
        (
            Some(product),
            ProductCommand::ChangeProduct {
                name,
                description,
                price,
            },
        ) => Ok(change(
            product,
            ProductEvent::ProductChanged {
                name: name.as_ref().unwrap_or(&product.name).clone(),
                description: description.as_ref().unwrap_or(&product.description).clone(),
                price: price.unwrap_or(product.price),
            },
        )),
        (Some(product), ProductCommand::AdjustStock { delta, reason }) => {
            Ok(vec![ProductEvent::StockAdjusted {
                delta: *delta,
                reason: reason.clone(),
                stock: adjusted(product.stock, *delta)?,
            }])
        }
        (Some(product), ProductCommand::ReleaseStock { order_id, quantity }) => {
            let stock = product.stock;
            let allocated =
                stock
                    .allocated
                    .checked_sub(*quantity)
                    .ok_or(ProductRejection::NotAllocated {
                        allocated: stock.allocated,
                    })?;
            Ok(vec![ProductEvent::StockReleased {
                order_id: *order_id,
                quantity: *quantity,
                stock: Stock {
                    available: stock.available + quantity,
                    allocated,
                },
            }])
        }
    }
}

fn reserve(
    state: Option<&Product>,
    order_id: OrderId,
    product_id: ProductId,
    quantity: u64,
) -> ProductEvent {
    let stock = state.map(|product| product.stock).unwrap_or_default();
    match (state, stock.available.checked_sub(quantity)) {
        (Some(product), Some(available)) => ProductEvent::StockReserved {
            order_id,
            product_id,
            quantity,
            sku: product.sku.clone(),
            name: product.name.clone(),
            unit_price: product.price,
            stock: Stock {
                available,
                allocated: stock.allocated + quantity,
            },
        },
        _ => ProductEvent::StockRefused {
            order_id,
            product_id,
            quantity,
            available: stock.available,
        },
    }
}

fn change(product: &Product, changed: ProductEvent) -> Vec<ProductEvent> {
    let after = super::evolve::changed(product.clone(), &changed);
    if after == *product {
        Vec::new()
    } else {
        vec![changed]
    }
}

fn adjusted(stock: Stock, delta: i64) -> Result<Stock, ProductRejection> {
    let available =
        stock
            .available
            .checked_add_signed(delta)
            .ok_or(ProductRejection::InsufficientStock {
                available: stock.available,
            })?;
    if available.saturating_add(stock.allocated) > STOCK_MAX {
        return Err(ProductRejection::StockTooLarge);
    }
    Ok(Stock { available, ..stock })
}
