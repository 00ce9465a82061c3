//! A flood at one actor, and what everybody else notices of it.
//!
//! `cargo bench --bench flood` measures how long orders of other products take, first with nothing else going on, then
//! while 100,000 commands go to one product as fast as it takes them: five rounds of each in one run, without HTTP, all
//! shards on one thread. Commands that are refused because too much is waiting are sent again after 10 ms.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

mod support;

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use actors::{
    Shop,
    products::{ProductsError, StockAdjustment},
};
use domain::{ProductId, UserId, orders::OrderStatus};
use futures::{StreamExt, stream};
use hdrhistogram::Histogram;
use support::{open, order, product};

const COMMANDS: usize = 100_000;
/// Commands of the flood that wait for an answer at the same time: twice of what a shard lets in.
const AT_A_TIME: usize = 16_384;
const WAIT_IF_BUSY: Duration = Duration::from_millis(10);
const ROUNDS: usize = 5;
const PRODUCTS: usize = 64;
/// Orders of other products that are placed at the same time.
const BUYERS: u64 = 4;
const IDLE_FOR: Duration = Duration::from_secs(3);

fn main() {
    actix_rt::System::new().block_on(async {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let (shop, running) = open(dir.path()).await;
        let flooded = product(&shop, "FLOODED").await;
        let mut products = Vec::new();
        for number in 0..PRODUCTS {
            products.push(product(&shop, &format!("P{number}")).await);
        }
        let _ = measure(&shop, &products, tokio::time::sleep(IDLE_FOR)).await;
        println!("| round | what | orders of others | p50 ms | p99 ms | max ms | refused with 503 | commands/s | memory MiB |");
        println!("|---|---|---|---|---|---|---|---|---|");
        let mut ratios = Vec::new();
        for round in 1..=ROUNDS {
            let (idle, ()) = measure(&shop, &products, tokio::time::sleep(IDLE_FOR)).await;
            print_row(round, "idle", &idle, 0, 0.0);
            let begun = Instant::now();
            let (busy, refused) = measure(&shop, &products, flood(&shop, flooded)).await;
            let rate = COMMANDS as f64 / begun.elapsed().as_secs_f64();
            print_row(round, "flood", &busy, refused, rate);
            ratios.push(busy.value_at_quantile(0.99) as f64 / idle.value_at_quantile(0.99) as f64);
        }
        ratios.sort_by(f64::total_cmp);
        println!("\np99 under flood / p99 idle, median of {ROUNDS} rounds: {:.2}", ratios[ROUNDS / 2]);
        running.stop(Duration::from_secs(30)).await;
    });
}

fn print_row(round: usize, what: &str, took: &Histogram<u64>, refused: usize, rate: f64) {
    let ms = |quantile| took.value_at_quantile(quantile) as f64 / 1e3;
    println!(
        "| {round} | {what} | {} | {:.2} | {:.2} | {:.2} | {refused} | {rate:.0} | {} |",
        took.len(),
        ms(0.5),
        ms(0.99),
        ms(1.0),
        resident_mib()
    );
}

/// Memory of this process, the flooding client included.
fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.unwrap().parse::<u64>().unwrap() / 1024
}

/// How long orders take, in microseconds, while something else goes on; they are placed by a thread of their own.
async fn measure<T>(
    shop: &Shop,
    products: &[ProductId],
    meanwhile: impl Future<Output = T>,
) -> (Histogram<u64>, T) {
    let is_over = Arc::new(AtomicBool::new(false));
    let buyers = {
        let (shop, products, is_over) = (shop.clone(), products.to_vec(), is_over.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(place_until(&shop, &products, &is_over))
        })
    };
    let came = meanwhile.await;
    is_over.store(true, Ordering::Release);
    let took = tokio::task::spawn_blocking(|| buyers.join().unwrap());
    (took.await.unwrap(), came)
}

async fn place_until(shop: &Shop, products: &[ProductId], is_over: &AtomicBool) -> Histogram<u64> {
    let took = std::cell::RefCell::new(Histogram::new(3).unwrap());
    let next = Cell::new(0);
    stream::iter(1..=BUYERS)
        .for_each_concurrent(None, |buyer| {
            let (took, next) = (&took, &next);
            async move {
                while !is_over.load(Ordering::Acquire) {
                    let product = products[next.replace(next.get() + 1) % products.len()];
                    let begun = Instant::now();
                    let wait = Duration::from_secs(30);
                    let placed = shop.orders.place(order(buyer, product, 1, wait)).await;
                    assert_eq!(placed.unwrap().order.status, OrderStatus::Confirmed);
                    let micros = u64::try_from(begun.elapsed().as_micros()).unwrap();
                    took.borrow_mut().record(micros).unwrap();
                }
            }
        })
        .await;
    took.into_inner()
}

/// Sends the commands and returns how often one was refused.
async fn flood(shop: &Shop, product: ProductId) -> usize {
    let refused = Cell::new(0);
    stream::iter(0..COMMANDS)
        .for_each_concurrent(AT_A_TIME, |_| async {
            let adjustment = || StockAdjustment {
                delta: 1,
                reason: "flood".into(),
                by: UserId::new(1).unwrap(),
                idempotency: None,
            };
            while let Err(error) = shop.products.adjust(product, adjustment()).await {
                assert!(matches!(error, ProductsError::Unavailable(_)), "{error}");
                refused.set(refused.get() + 1);
                tokio::time::sleep(WAIT_IF_BUSY).await;
            }
        })
        .await;
    refused.get()
}
