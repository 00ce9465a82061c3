//! Things go wrong inside the running program, and it stays right.

mod disk;
mod feed;
mod frozen;
mod panics;
mod parking;
mod switch;
