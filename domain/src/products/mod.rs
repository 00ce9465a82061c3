//! A product: its description, its price and its stock.
//!
//! A product keeps two counts, available and allocated, and no list of orders: whether an allocation is held or sold
//! is the order's state. Its events carry the counts that result, so that a reader need not add up, and applying one
//! twice changes nothing more.

mod command;
mod decide;
mod event;
mod evolve;
mod state;
#[cfg(test)]
mod tests;

pub use command::{ProductCommand, ProductDraft, ProductRejection};
pub use event::ProductEvent;
pub use state::{Product, Stock};

/// The most pieces of one product, available and allocated together.
pub const STOCK_MAX: u64 = 1_000_000_000;
/// The most characters of a product's name.
pub const NAME_LENGTH_MAX: usize = 200;
/// The most characters of a product's description.
pub const DESCRIPTION_LENGTH_MAX: usize = 5_000;
/// The most characters of the reason of a stock adjustment.
pub const REASON_LENGTH_MAX: usize = 200;
