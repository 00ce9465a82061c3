//! What a product is.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Money, ProductId, Sku, Timestamp};

/// The pieces of a product. What was put in equals available plus allocated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stock {
    /// Pieces that can still be ordered.
    pub available: u64,
    /// Pieces that orders hold or have bought.
    pub allocated: u64,
}

/// A product. Text is shared, so that a copy is cheap.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Product {
    /// Its id, which tells its shard.
    pub id: ProductId,
    /// The merchant's name for it, unique.
    pub sku: Sku,
    /// Its name, as customers see it.
    pub name: Arc<str>,
    /// What customers read about it; may be empty.
    pub description: Arc<str>,
    /// The price of one piece.
    pub price: Money,
    /// Its pieces.
    pub stock: Stock,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed, stock included.
    pub updated_at: Timestamp,
}
