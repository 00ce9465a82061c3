//! The catalogue.

use std::sync::Arc;

use actors::{
    edge::rules,
    products::{NewProduct, ProductChange},
};
use domain::{
    Sku,
    products::{self, STOCK_MAX},
};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::{Money, Time};
use crate::{
    cursor::AfterProduct,
    input::{Field, FromBody, FromQuery, Pairs, text},
};

/// A product.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": 4,
    "sku": "LANTERN-1",
    "name": "Storm lantern",
    "description": "Burns for nine hours.",
    "price": {"amount": 4999, "currency": "EUR"},
    "stock": {"available": 7},
    "created_at": "2025-01-31T09:30:00.000Z",
    "updated_at": "2025-01-31T09:30:00.000Z"
}))]
pub(crate) struct Product {
    /// Its id.
    id: u64,
    /// The merchant's name for it, unique.
    #[schema(value_type = String)]
    sku: Sku,
    /// Its name.
    #[schema(value_type = String)]
    name: Arc<str>,
    /// What customers read about it; may be empty.
    #[schema(value_type = String)]
    description: Arc<str>,
    /// The price of one piece.
    price: Money,
    /// Its pieces.
    stock: Stock,
    /// When it was created.
    created_at: Time,
    /// When it last changed, stock included.
    updated_at: Time,
}

/// The pieces of a product.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Stock {
    /// Pieces that can still be ordered.
    available: u64,
}

impl From<products::Product> for Product {
    fn from(product: products::Product) -> Self {
        Self {
            id: product.id.get(),
            sku: product.sku,
            name: product.name,
            description: product.description,
            price: product.price.into(),
            stock: Stock {
                available: product.stock.available,
            },
            created_at: product.created_at.into(),
            updated_at: product.updated_at.into(),
        }
    }
}

/// A product to be made.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewProduct, example = json!({
    "sku": "LANTERN-1",
    "name": "Storm lantern",
    "description": "Burns for nine hours.",
    "price": {"amount": 4999, "currency": "EUR"},
    "stock": 7
}))]
#[expect(dead_code, reason = "documents what is read into `NewProduct`")]
pub(crate) struct NewProductSchema {
    /// The merchant's name for it, unique.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._-]+$")]
    sku: String,
    /// Its name: one line.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// What customers read about it; nothing if it is missing.
    #[schema(max_length = 5000, required = false)]
    description: String,
    /// The price of one piece.
    price: Money,
    /// Pieces to begin with.
    #[schema(minimum = 0, maximum = 1000000000)]
    stock: u64,
}

impl FromBody for NewProduct {
    fn read(body: Field<'_>) -> Option<Self> {
        let mut object = body.object()?;
        let sku = object.required("sku", text::sku);
        let name = object.required("name", text::name);
        let description = object.optional("description", text::description);
        let price = object.required("price", text::price);
        let stock = object.required("stock", stock);
        object.close();
        Some(Self {
            sku: sku?,
            name: name?,
            description: description?.unwrap_or_default(),
            price: price?,
            stock: stock?,
        })
    }
}

/// Pieces to begin with.
pub(super) fn stock(field: Field<'_>) -> Option<u64> {
    let pieces = field.integer(0..=STOCK_MAX.cast_signed())?;
    Some(pieces.unsigned_abs())
}

/// What to change; what is missing stays as it is.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProductChange, example = json!({"price": {"amount": 3999, "currency": "EUR"}}))]
#[expect(dead_code, reason = "documents what is read into `ProductChange`")]
pub(crate) struct ProductChangeSchema {
    /// Its name: one line.
    #[schema(min_length = 1, max_length = 200, required = false)]
    name: String,
    /// What customers read about it.
    #[schema(max_length = 5000, required = false)]
    description: String,
    /// The price of one piece. Orders that are confirmed keep theirs.
    #[schema(required = false)]
    price: Money,
}

impl FromBody for ProductChange {
    fn read(body: Field<'_>) -> Option<Self> {
        let mut object = body.object()?;
        let name = object.optional("name", text::name);
        let description = object.optional("description", text::description);
        let price = object.optional("price", text::price);
        object.close();
        Some(Self {
            name: name?,
            description: description?,
            price: price?,
        })
    }
}

/// Pieces to put in or take out.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"delta": -3, "reason": "broken in transport"}))]
pub(crate) struct StockChange {
    /// Pieces to put in; below zero to take out. Not zero.
    #[schema(minimum = -1000000000, maximum = 1000000000)]
    pub(crate) delta: i64,
    /// Why, for the record: one line.
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    pub(crate) reason: Arc<str>,
}

impl FromBody for StockChange {
    fn read(body: Field<'_>) -> Option<Self> {
        let mut object = body.object()?;
        let delta = object.required("delta", delta);
        let reason = object.required("reason", text::reason);
        object.close();
        Some(Self {
            delta: delta?,
            reason: reason?,
        })
    }
}

fn delta(field: Field<'_>) -> Option<i64> {
    let most = STOCK_MAX.cast_signed();
    let pieces = field.integer(-most..=most)?;
    text::accepted(&field, rules::stock_delta(pieces))
}

/// Which products to list, newest first.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ProductList {
    /// Products of a page.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200, default = 50)]
    pub(crate) limit: usize,
    /// The `next_cursor` of the page before.
    #[param(rename = "cursor", value_type = Option<String>)]
    pub(crate) after: Option<AfterProduct>,
    /// Only those whose SKU or name contains this, whatever its case.
    #[param(max_length = 200)]
    pub(crate) q: Option<String>,
}

impl FromQuery for ProductList {
    fn read(pairs: &mut Pairs) -> Option<Self> {
        let (limit, after, q) = (pairs.limit(), pairs.cursor(), pairs.search("q"));
        Some(Self {
            limit: limit?,
            after: after?,
            q: q?,
        })
    }
}
