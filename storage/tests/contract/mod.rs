//! What every store must do, one suite per port. A store passes them all; `sqlite.rs` beside this folder runs them.

pub mod activity;
pub mod fixtures;
pub mod journal;
pub mod views;
