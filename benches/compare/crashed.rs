//! How soon a crashed actor answers again, while orders arrive for it.

use std::panic;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::bail;

use crate::figures::{self, Round};
use crate::interrupt;
use crate::support::crashes::{BETWEEN_PANICS, load, order_panic, product_panic};
use crate::support::{open, product};

/// Crashes of each kind in a round.
pub(crate) const CRASHES: usize = 5;
/// How long the shop may take to stop.
const STOP_TIME_MAX: Duration = Duration::from_secs(30);

/// Opens a shop, has actors of it panic, and stops it. What is printed of the panics is expected.
pub(crate) fn measure(directory: &Path, round: &mut Round) -> anyhow::Result<()> {
    interrupt::check()?;
    let home = tempfile::tempdir_in(directory)?;
    let path = home.path().to_owned();
    // A line is enough for each panic.
    let usual = panic::take_hook();
    panic::set_hook(Box::new(|panicked| eprintln!("  {panicked}")));
    // A thread of its own, so that nothing of the actors' system stays with the main one.
    let worst = thread::spawn(move || worst(&path)).join();
    panic::set_hook(usual);
    let Ok([product, order]) = worst else {
        bail!("an actor that had crashed did not come back")
    };
    round.say(figures::PRODUCT_CRASHED, product.as_secs_f64() * 1e3);
    round.say(figures::ORDER_CRASHED, order.as_secs_f64() * 1e3);
    Ok(())
}

/// The longest times: of products and of orders.
fn worst(directory: &Path) -> [Duration; 2] {
    actix_rt::System::new().block_on(async {
        let (shop, running) = open(directory).await;
        let hot = product(&shop, "HOT").await;
        let load = actix_rt::spawn(load(shop.clone(), hot));
        let mut worst = [Duration::ZERO; 2];
        for _ in 0..CRASHES {
            worst[0] = worst[0].max(product_panic(&shop, hot).await);
            worst[1] = worst[1].max(order_panic(&shop, hot).await);
            tokio::time::sleep(BETWEEN_PANICS).await;
        }
        load.abort();
        running.stop(STOP_TIME_MAX).await;
        worst
    })
}
