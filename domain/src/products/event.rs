//! What has happened to a product.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Stock;
use crate::{Money, OrderId, ProductId, Sku};

/// What has happened to a product. `stock` is always what resulted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ProductEvent {
    /// It was put in the catalogue.
    ProductCreated {
        /// Its id.
        product_id: ProductId,
        /// The merchant's name for it.
        sku: Sku,
        /// Its name.
        name: Arc<str>,
        /// Its description; may be empty.
        description: Arc<str>,
        /// The price of one piece.
        price: Money,
        /// Pieces to begin with.
        stock: Stock,
    },
    /// What customers see has changed; all of it, as it is now.
    ProductChanged {
        /// Its name.
        name: Arc<str>,
        /// Its description.
        description: Arc<str>,
        /// Its price.
        price: Money,
    },
    /// Pieces were put in or taken out.
    StockAdjusted {
        /// Pieces added; below zero if taken out.
        delta: i64,
        /// Why.
        reason: Arc<str>,
        /// What resulted.
        stock: Stock,
    },
    /// Pieces are held for an order.
    StockReserved {
        /// The order.
        order_id: OrderId,
        /// This product.
        product_id: ProductId,
        /// Pieces.
        quantity: u64,
        /// Its SKU.
        sku: Sku,
        /// Its name at that moment.
        name: Arc<str>,
        /// Its price at that moment.
        unit_price: Money,
        /// What resulted.
        stock: Stock,
    },
    /// There were not enough pieces for an order, or there is no such product.
    StockRefused {
        /// The order.
        order_id: OrderId,
        /// This product.
        product_id: ProductId,
        /// Pieces that were asked for.
        quantity: u64,
        /// Pieces that were left.
        available: u64,
    },
    /// Pieces were given back by an order.
    StockReleased {
        /// The order.
        order_id: OrderId,
        /// Pieces.
        quantity: u64,
        /// What resulted.
        stock: Stock,
    },
}
