//! Orders: one actor per order.

mod actor;
mod service;

pub use actor::OrderHost;
pub use service::{HistoryEntry, Orders, OrdersError, PlaceOrder, Placed, RESERVATION_DEADLINE};
