//! What the tests run against: one process on the embedded database, or many on real servers.
//!
//! `STAMPEDE_TEST_DEPLOYMENT=cluster` runs every test of a [`Shop`](super::Shop) against a gateway and two nodes; by
//! default it is one `stampede up`. Tests that are about one of the two say so with [`only_with!`], and are told on
//! standard error, past the capture of the test runner, as ignored where they do not apply.

use std::env;

use tokio::sync::{Semaphore, SemaphorePermit};

/// The variable that chooses.
const VARIABLE: &str = "STAMPEDE_TEST_DEPLOYMENT";

/// Clusters at a time, three processes each: as many as two cores serve within the bounds of the tests. Whoever stops
/// servers, and so needs some of his own, takes all of it.
const CLUSTERS_MAX: u32 = 2;

static CLUSTERS: Semaphore = Semaphore::const_new(CLUSTERS_MAX as usize);

/// One process, or many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deployment {
    /// `stampede up`.
    Embedded,
    /// A gateway and nodes on PostgreSQL, Kafka and a document store.
    Cluster,
}

/// What this run of the tests is about.
pub(crate) fn deployment() -> Deployment {
    match env::var(VARIABLE).as_deref() {
        Err(_) | Ok("" | "embedded") => Deployment::Embedded,
        Ok("cluster") => Deployment::Cluster,
        Ok(other) => panic!("{VARIABLE} is {other:?} and must be `embedded` or `cluster`"),
    }
}

/// The right to run a cluster, for as long as it is held.
pub(crate) async fn cluster_permit(alone: bool) -> SemaphorePermit<'static> {
    let permits = if alone { CLUSTERS_MAX } else { 1 };
    CLUSTERS
        .acquire_many(permits)
        .await
        .expect("it is never closed")
}

/// Whether a test runs with this deployment; says on standard error, where no test runner captures it, if not.
pub(crate) fn applies_to(needed: Deployment, why: &str) -> bool {
    use std::io::Write;
    let applies = deployment() == needed;
    if !applies {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("a test");
        let line = format!("test {name} ... ignored: {why}\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    applies
}

/// As the first line of a test: it is about this deployment only, and why.
macro_rules! only_with {
    ($deployment:ident, $why:literal) => {
        if !$crate::harness::applies_to($crate::harness::Deployment::$deployment, $why) {
            return;
        }
    };
}
pub(crate) use only_with;
