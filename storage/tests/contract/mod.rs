//! What every store must do, one suite per port. A store passes them all; `sqlite.rs` beside this folder runs them.

pub(crate) mod activity;
pub(crate) mod archive;
pub(crate) mod fixtures;
pub(crate) mod journal;
pub(crate) mod views;
