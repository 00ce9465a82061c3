//! Things go wrong inside the running program, and it stays right.

mod disk;
#[cfg(feature = "fault-injection")]
mod feed;
#[cfg(feature = "fault-injection")]
mod panics;
#[cfg(feature = "fault-injection")]
mod parking;
