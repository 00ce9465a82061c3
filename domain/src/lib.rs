//! The business, pure: what may happen to an order, a product, a user and a notification.
//!
//! Everything here is a function of its arguments. There is no I/O, no async, no clock and no randomness; time comes
//! in as a [`Timestamp`]. Each aggregate is a state machine with [`Aggregate::decide`] (a command either yields events
//! or is rejected) and [`Aggregate::evolve`] (an event changes the state, and applying it twice changes nothing more).
//!
//! Deliberately absent: storage, wire formats, shards as places. [`routing`] only says which shard a fact concerns.

pub mod aggregate;
pub mod event;
pub mod ids;
pub mod invariants;
pub mod money;
pub mod notifications;
pub mod orders;
pub mod parking;
pub mod products;
pub mod quantity;
pub mod routing;
pub mod saga;
pub mod sku;
pub mod time;
pub mod users;

pub use aggregate::{Addressee, Aggregate, Decision, InMemory};
pub use event::Event;
pub use ids::{NotificationId, OrderId, ProductId, UserId};
pub use money::{Currency, Money};
pub use quantity::Quantity;
pub use routing::{Domain, ShardRef, Topology};
pub use sku::Sku;
pub use time::Timestamp;
