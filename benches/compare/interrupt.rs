//! Stopping early: what was begun is ended, and what was made is removed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::bail;
use tokio::signal::unix::{SignalKind, signal};

static IS_ASKED: AtomicBool = AtomicBool::new(false);

/// From now on SIGINT and SIGTERM end nothing at once.
pub(crate) fn listen() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (mut interrupt, mut terminate) = {
        let _context = runtime.enter();
        (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        )
    };
    thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            IS_ASKED.store(true, Ordering::Release);
            eprintln!("stopping after this measurement");
            std::future::pending::<()>().await;
        });
    });
    Ok(())
}

/// Whether to go on.
///
/// # Errors
/// If somebody has asked to stop.
pub(crate) fn check() -> anyhow::Result<()> {
    if IS_ASKED.load(Ordering::Acquire) {
        bail!("interrupted");
    }
    Ok(())
}
