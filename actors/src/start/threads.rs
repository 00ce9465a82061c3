//! Threads of a process, ended together.

use actix_rt::Arbiter;
use tokio::sync::oneshot;

/// Stops threads; resolves when all have ended. They are joined on a thread of their own, so that one that is stuck
/// holds up neither this one nor the end of the process.
pub(super) async fn ended(arbiters: Vec<Arbiter>) {
    for arbiter in &arbiters {
        arbiter.stop();
    }
    let (joined, joined_end) = oneshot::channel();
    std::thread::spawn(move || {
        for arbiter in arbiters {
            let _ = arbiter.join();
        }
        let _ = joined.send(());
    });
    let _ = joined_end.await;
}
