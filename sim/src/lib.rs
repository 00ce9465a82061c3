//! The proof by trial: the shop's own domain and engine, with everything around them simulated.
//!
//! Nothing of the shop is written a second time here. What decides is `domain`, what orders, fences and recovers is
//! `engine`; this crate has only what they run on: a clock, a store, a transport, crashes, and clients who note what they
//! were told.
//!
//! - [`model`]: a small shop, explored exhaustively.
//! - [`world`]: a large one, explored at random from a seed, under faults of every kind.

pub mod model;
pub mod saga;
pub mod world;
