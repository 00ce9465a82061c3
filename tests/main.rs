//! Black-box tests: each starts the real `stampede` program on stores of its own and speaks to it the way a client
//! would, over HTTP, gRPC, signals and the command line. Nothing here knows a type of the program but those generated
//! for programs of others.
//!
//! The same tests run against one process, and with `STAMPEDE_TEST_DEPLOYMENT=cluster` against a gateway and two nodes
//! on the real servers of `scripts/services up`; only then do the scenarios in `cluster/` run.
//!
//! The names are sentences; a file holds the sentences of one theme. What they share lives in [`harness`].
//! Tests that need a hook inside the program (`faults.rs`) exist only with the feature `fault-injection`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test says what it expected by failing there"
)]

mod admission;
mod archive;
mod audit_damage;
mod bad_input;
mod burst;
mod burst_command;
mod chaos;
mod cluster;
mod crash;
mod faults;
mod grpc;
mod harness;
mod idempotency;
mod legacy;
mod sold_out;
mod visible;
mod walkthrough;
