//! The catalogue: one actor per product.

mod actor;
mod service;

pub use actor::ProductHost;
pub use service::{Adjusted, NewProduct, ProductChange, Products, ProductsError, StockAdjustment};
