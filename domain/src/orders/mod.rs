//! An order: placed, answered by the products it asks for, and settled.
//!
//! An order is created with its lines and asks each product once for the pieces of all its lines. When every product
//! has answered, it is confirmed, or rejected and what was reserved is given back. A settled order answers a late
//! reservation with a release, so nothing stays held for it.

mod command;
mod decide;
mod event;
mod evolve;
mod state;
#[cfg(test)]
mod tests;

pub use command::{IdempotencyKey, OrderCommand, OrderDraft, OrderRejection, RequestedLine};
pub use event::{Answer, CancelledBy, OrderEvent, RejectionReason, Release};
pub use state::{
    FulfilmentStatus, Line, LineOutcome, Order, OrderStatus, PaymentStatus, UnknownStatus,
};

/// The most lines of one order.
pub const LINES_MAX: usize = 100;
