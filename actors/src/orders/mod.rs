//! Orders: one actor per order.

mod actor;
pub(crate) mod grpc;
mod service;
mod watch;

pub use actor::OrderHost;
pub use service::{HistoryEntry, Orders, OrdersError, PlaceOrder, Placed, RESERVATION_DEADLINE};
