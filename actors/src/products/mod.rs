//! The catalogue: one actor per product.

mod actor;
pub(crate) mod grpc;
mod service;

pub use actor::ProductHost;
pub use service::{Adjusted, NewProduct, ProductChange, Products, ProductsError, StockAdjustment};
