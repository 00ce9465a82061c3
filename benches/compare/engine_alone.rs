//! Actors and journal on SQLite without HTTP, in this process.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;

use crate::figures::{self, Round};
use crate::support::{open, place, product};
use crate::{interrupt, rows};

/// Orders in flight.
const AT_A_TIME: usize = 512;
/// How long the shop may take to stop.
const STOP_TIME_MAX: Duration = Duration::from_secs(30);

/// Opens a shop, measures it and stops it.
pub(crate) fn measure(
    directory: &Path,
    measured: Duration,
    round: &mut Round,
) -> anyhow::Result<()> {
    interrupt::check()?;
    let home = tempfile::tempdir_in(directory)?;
    let path = home.path().to_owned();
    // A thread of its own, so that nothing of the actors' system stays with the main one.
    let running = thread::spawn(move || rates(&path, measured));
    let Ok(rates) = running.join() else {
        bail!("the shop panicked")
    };
    for (name, rate) in [figures::ENGINE_UNIFORM, figures::ENGINE_HOT]
        .into_iter()
        .zip(rates)
    {
        round.say(name, rate);
    }
    Ok(())
}

/// Confirmed orders a second, uniform and hot.
fn rates(directory: &Path, measured: Duration) -> [f64; 2] {
    actix_rt::System::new().block_on(async {
        let (shop, running) = open(directory).await;
        let mut products = Vec::new();
        for number in 0..rows::PRODUCTS {
            products.push(product(&shop, &format!("P{number}")).await);
        }
        let mut rates = [0.0; 2];
        for (rate, products) in rates.iter_mut().zip([&products[..], &products[..1]]) {
            let begun = Instant::now();
            let confirmed = place(&shop, products, AT_A_TIME, |_| begun.elapsed() < measured).await;
            *rate = confirmed as f64 / begun.elapsed().as_secs_f64();
        }
        running.stop(STOP_TIME_MAX).await;
        rates
    })
}
