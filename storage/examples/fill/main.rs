//! Fills a store with a history: `cargo run --release -p stampede-storage --example fill -- PLACE [OPTION VALUE]…`.
//!
//! `PLACE` is a directory for the embedded store, or the URL of a PostgreSQL database, which is migrated. It must be
//! empty. Options, with what they are by default:
//!
//! | option | default | |
//! |---|---|---|
//! | `--orders` | 100000 | orders; a record is about a quarter of one |
//! | `--products` | 1000 | products |
//! | `--users` | 1000 | users |
//! | `--shards` | 4 | shards of each domain |
//! | `--hours` | 720 | the time that the history spans; it ends now |
//! | `--keyed` | 30 | orders of a hundred that have an idempotency key |
//! | `--seed` | 1 | same options and seed, same history but for its times |
//!
//! The history is what a shop that runs without failures would have written: every event is decided and evolved by the
//! domain, encoded as it is on the wire, stamped by the engine's writer, and committed through the storage port in
//! batches. `audit` finds nothing wrong with it. There are orders of several lines, refused ones, ones that were
//! cancelled at once or days later, and now and then a time in which products answer too late, so that orders expire.
//!
//! Deliberately absent: credentials (nobody can log in), parked commands, and, on PostgreSQL, an activity log.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

mod pen;
mod shop;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use domain::Topology;
use storage::{
    postgres::{PostgresOptions, PostgresStore, migrate},
    sqlite::{OpenMode, SqliteActivityLog, SqliteStore},
};

use self::{pen::Pen, shop::Shop};

/// Orders of one batch. Large, because a batch is forced to the device.
const BATCH: u64 = 2_000;
/// What is created at once.
const FOUNDED_AT_ONCE: usize = 5_000;

/// What is asked for.
#[derive(Clone, Debug)]
struct Options {
    orders: u64,
    products: u64,
    users: u64,
    shards: u16,
    hours: u64,
    keyed: u64,
    seed: u64,
}

impl Options {
    fn parse(args: impl Iterator<Item = String>) -> Self {
        let mut options = Self {
            orders: 100_000,
            products: 1_000,
            users: 1_000,
            shards: 4,
            hours: 720,
            keyed: 30,
            seed: 1,
        };
        let args: Vec<String> = args.collect();
        for pair in args.chunks(2) {
            let [name, value] = pair else {
                panic!("{} has no value", pair[0]);
            };
            let number: u64 = value.parse().unwrap();
            match name.as_str() {
                "--orders" => options.orders = number,
                "--products" => options.products = number.max(1),
                "--users" => options.users = number.max(1),
                "--shards" => options.shards = number.try_into().unwrap(),
                "--hours" => options.hours = number.max(1),
                "--keyed" => options.keyed = number,
                "--seed" => options.seed = number,
                other => panic!("{other} is no option"),
            }
        }
        options
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut args = std::env::args().skip(1);
    let place = args.next().expect("a directory, or a URL of PostgreSQL");
    let options = Options::parse(args);
    let topology = Topology::uniform(options.shards);
    let pen = if place.starts_with("postgres") {
        let to = PostgresOptions::new(place);
        let name = || format!("fill-{}", options.seed);
        migrate(&to, &topology, name).await.unwrap();
        let store = PostgresStore::open(to).await.unwrap();
        Pen::over(Box::new(store), None, topology).await
    } else {
        let dir = Path::new(&place);
        let mode = OpenMode::CreateIfMissing;
        let store = SqliteStore::open(dir, &topology, mode).await.unwrap();
        let log = SqliteActivityLog::open(dir).await.unwrap();
        Pen::over(Box::new(store), Some(Box::new(log)), topology).await
    };
    fill(pen, &options).await;
}

async fn fill(pen: Pen, options: &Options) {
    let begun = Instant::now();
    let mut shop = Shop::new(pen, options.clone());
    for first in (0..options.users).step_by(FOUNDED_AT_ONCE) {
        shop.register_users((FOUNDED_AT_ONCE as u64).min(options.users - first));
        shop.commit().await;
    }
    for first in (0..options.products).step_by(FOUNDED_AT_ONCE) {
        shop.create_products((FOUNDED_AT_ONCE as u64).min(options.products - first));
        shop.commit().await;
    }
    let mut told = Instant::now();
    while shop.placed() < options.orders {
        shop.trade(BATCH.min(options.orders - shop.placed()));
        shop.commit().await;
        if told.elapsed() > Duration::from_secs(10) {
            told = Instant::now();
            tell(&shop, begun);
        }
    }
    shop.close();
    shop.commit().await;
    tell(&shop, begun);
}

fn tell(shop: &Shop, begun: Instant) {
    println!(
        "{} orders, {} records, {:.0} s",
        shop.placed(),
        shop.records(),
        begun.elapsed().as_secs_f64()
    );
}
