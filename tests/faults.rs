//! Things go wrong inside the running program, and it stays right.

mod disk;
#[cfg(feature = "fault-injection")]
mod failpoints;
mod feed;
mod frozen;
mod panics;
mod parking;
mod switch;
