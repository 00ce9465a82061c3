//! The Kafka feed against a real broker, and against one in memory that fails on demand.
//!
//! Needs `STAMPEDE_TEST_KAFKA`, which `scripts/services up` provides. Every test has topics of its own.
#![allow(clippy::unwrap_used, missing_docs)]

mod kafka {
    mod consuming;
    mod failures;
    mod group;
    mod reading;
    mod round_trip;
    pub(crate) mod support;
    mod topics;
}
