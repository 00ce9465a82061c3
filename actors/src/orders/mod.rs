//! Orders: one actor per order.

mod actor;
mod admission;
pub(crate) mod grpc;
mod service;
mod sold_out;
mod watch;

pub use actor::OrderHost;
pub(crate) use admission::Admission;
pub use service::{HistoryEntry, Orders, OrdersError, PlaceOrder, Placed, RESERVATION_DEADLINE};
pub(crate) use sold_out::Shelves;
pub use sold_out::SoldOut;
