//! Black-box tests: each starts the real `stampede` program on a directory of its own and speaks to it the way a
//! client would, over HTTP, signals and the command line. Nothing here knows a type of the program.
//!
//! The names are sentences; a file holds the sentences of one theme. What they share lives in [`harness`].
//! Tests that need a hook inside the program (`faults.rs`) exist only with the feature `fault-injection`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test says what it expected by failing there"
)]

mod audit_damage;
mod bad_input;
mod burst;
mod crash;
mod faults;
mod harness;
mod idempotency;
mod legacy;
mod walkthrough;
