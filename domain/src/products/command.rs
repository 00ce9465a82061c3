//! What can be asked of a product.

use std::sync::Arc;

use crate::{Money, OrderId, ProductId, Sku};

/// A product to be put in the catalogue: all but its id.
#[derive(Clone, Debug, PartialEq)]
pub struct ProductDraft {
    /// The merchant's name for it.
    pub sku: Sku,
    /// Its name.
    pub name: Arc<str>,
    /// Its description; may be empty.
    pub description: Arc<str>,
    /// The price of one piece.
    pub price: Money,
    /// Pieces to begin with, at most [`super::STOCK_MAX`].
    pub stock: u64,
}

impl ProductDraft {
    pub(super) fn into_command(self, id: u64) -> ProductCommand {
        ProductCommand::CreateProduct {
            product_id: ProductId::new(id)
                .expect("a shard issues ids above zero, and 2^53 of them are never issued"),
            sku: self.sku,
            name: self.name,
            description: self.description,
            price: self.price,
            stock: self.stock,
        }
    }
}

/// What can be asked of a product.
#[derive(Clone, Debug, PartialEq)]
pub enum ProductCommand {
    /// Put it in the catalogue.
    CreateProduct {
        /// The id its shard has issued.
        product_id: ProductId,
        /// The merchant's name for it.
        sku: Sku,
        /// Its name.
        name: Arc<str>,
        /// Its description; may be empty.
        description: Arc<str>,
        /// The price of one piece.
        price: Money,
        /// Pieces to begin with, at most [`super::STOCK_MAX`].
        stock: u64,
    },
    /// Change what customers see; `None` leaves a part as it is.
    ChangeProduct {
        /// Its new name.
        name: Option<Arc<str>>,
        /// Its new description.
        description: Option<Arc<str>>,
        /// Its new price.
        price: Option<Money>,
    },
    /// Put pieces in, or take some out.
    AdjustStock {
        /// Pieces to add; below zero to take out.
        delta: i64,
        /// Why, for the record.
        reason: Arc<str>,
    },
    /// Hold pieces for an order.
    ReserveStock {
        /// The order.
        order_id: OrderId,
        /// Which product is asked: an unknown one still has to answer.
        product_id: ProductId,
        /// Pieces of all the order's lines together.
        quantity: u64,
    },
    /// Take back pieces that an order held.
    ReleaseStock {
        /// The order.
        order_id: OrderId,
        /// Pieces of all its lines together.
        quantity: u64,
    },
}

/// Why a command was turned down.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProductRejection {
    /// There is no such product.
    #[error("there is no such product")]
    UnknownProduct,
    /// More would be taken out than is available.
    #[error("only {available} pieces are available")]
    InsufficientStock {
        /// Pieces that are left.
        available: u64,
    },
    /// There would be more than [`super::STOCK_MAX`] pieces.
    #[error("a product has at most {} pieces", super::STOCK_MAX)]
    StockTooLarge,
    /// More would be given back than is allocated.
    #[error("only {allocated} pieces are allocated")]
    NotAllocated {
        /// Pieces that are allocated.
        allocated: u64,
    },
}
