//! The proof by trial: the shop's own domain and engine, with everything around them simulated.
//!
//! What decides is `domain`, what orders, fences and recovers is `engine`; this crate has what they run on (a clock, a
//! store, a transport, crashes, and clients who note what they were told), the loop that drives a writer, and the glue
//! between the two, which the program has once more in `actors`.
//!
//! - [`model`]: a small shop, explored exhaustively.
//! - [`saga`]: every way through the order saga, with one thing going wrong at each step in turn.
//! - [`world`]: a large one, explored at random from a seed, under faults of every kind.

pub mod model;
pub mod saga;
pub mod world;
