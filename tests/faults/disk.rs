//! Commits fail, and the disk is full, in pretence and for real.

#[cfg(feature = "fault-injection")]
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::harness::{Api, Order, SOON, Setup, Shop, eventually, only_with};
#[cfg(feature = "fault-injection")]
use crate::harness::{Fault, Rush};

/// Longer than it takes to fill what is left of a small disk with orders.
const FILLING_TIME_MAX: Duration = Duration::from_secs(120);

#[cfg(feature = "fault-injection")]
#[tokio::test]
async fn commits_that_fail_under_load_refuse_what_was_in_flight_and_invent_nothing() {
    // Enough that the crowd is still ordering when the last fault comes, however fast the machine.
    const ORDERS: usize = 4_000;
    const STOCK: u64 = 10_000;
    let shop = Shop::open().await;
    let products = shop.admin().products(5, STOCK).await;
    let buyers = shop.customers(4).await;
    let rush = {
        let products = products.clone();
        Rush::start(&buyers, 32, ORDERS, move |number| {
            Order::of(products[number % products.len()], 1)
        })
    };
    for failures in 1..=3 {
        rush.answered_more(100).await;
        shop.admin().inject(&Fault::commit_failure(failures)).await;
    }
    let ledger = rush.finish().await;

    assert_eq!(
        (ledger.accepted.len(), ledger.cut_off),
        (ORDERS, 0),
        "{:?}",
        ledger.refused
    );
    assert!(
        ledger.put_off > 0,
        "no failed commit met an order in flight"
    );
    ledger.expect_distinct_ids();
    let orders = ledger.expect_kept(&buyers).await;
    assert_eq!(
        orders.len(),
        ORDERS,
        "an order exists that nobody asked for"
    );
    let mut sold = BTreeMap::new();
    for order in orders.iter().filter(|order| order["status"] == "confirmed") {
        *sold
            .entry(order["lines"][0]["product_id"].as_u64().unwrap())
            .or_default() += 1_u64;
    }
    assert_eq!(
        sold.values().sum::<u64>(),
        u64::try_from(ORDERS).unwrap(),
        "there was enough for everybody"
    );
    for (product_id, pieces) in sold {
        assert_eq!(shop.admin().available(product_id).await, STOCK - pieces);
    }
    shop.audit().await;
}

#[cfg(feature = "fault-injection")]
#[tokio::test]
async fn a_full_disk_puts_orders_off_while_reading_goes_on_and_service_resumes_by_itself() {
    let shop = Shop::open().await;
    let lantern = shop.admin().product("LANTERN", 100).await;
    let anna = shop.customer("anna").await;
    let before = anna
        .place(&Order::of(lantern, 1))
        .await
        .expect_status(201)
        .id();

    shop.admin().inject(&Fault::disk_full()).await;
    for _ in 0..5 {
        anna.place(&Order::of(lantern, 1).key("put-off"))
            .await
            .expect_unavailable();
    }
    shop.visitor().register("ben").await.expect_unavailable();
    assert_eq!(anna.order(before).await["status"], "confirmed");
    assert_eq!(shop.admin().available(lantern).await, 99);
    expect_full_disk_in_log(&shop).await;

    shop.admin().clear_faults().await;
    expect_service_resumed(&anna, &Order::of(lantern, 1).key("put-off")).await;
    assert_eq!(
        anna.orders().await.len(),
        2,
        "what was refused left nothing behind"
    );
    assert_eq!(shop.admin().available(lantern).await, 98);
    shop.audit().await;
}

#[cfg(feature = "fault-injection")]
#[tokio::test]
async fn a_disk_that_fills_up_and_empties_under_load_loses_and_doubles_nothing() {
    // Enough that the crowd is still ordering when the second fault comes, however fast the machine.
    const ORDERS: usize = 6_000;
    const STOCK: u64 = 10_000;
    let shop = Shop::open().await;
    let lantern = shop.admin().product("LANTERN", STOCK).await;
    let buyers = shop.customers(4).await;
    // Whoever waits for the outcome of an order that is durable waits as long as the disk is full: so they wait briefly.
    let rush = Rush::start(&buyers, 16, ORDERS, move |_| {
        Order::of(lantern, 1).prefer("wait=1")
    });
    for _ in 0..2 {
        rush.answered_more(80).await;
        let put_off_before = rush.ledger().put_off;
        shop.admin().inject(&Fault::disk_full()).await;
        let put_off = async || (rush.ledger().put_off > put_off_before + 16).then_some(());
        eventually(SOON, "orders are put off", put_off).await;
        shop.admin().clear_faults().await;
    }
    let ledger = rush.finish().await;
    assert_eq!(
        (ledger.accepted.len(), ledger.cut_off),
        (ORDERS, 0),
        "{:?}",
        ledger.refused
    );
    assert_eq!(ledger.expect_kept(&buyers).await.len(), ORDERS);
    assert_eq!(
        shop.admin().available(lantern).await,
        STOCK - u64::try_from(ORDERS).unwrap()
    );
    shop.audit().await;
}

/// No hook: a file system of sixteen megabytes, and a ballast file that takes all that the store has not.
#[tokio::test]
async fn a_really_full_disk_puts_orders_off_and_room_on_it_lets_service_resume() {
    only_with!(Embedded, "it fills the disk of the embedded store");
    let mount_point = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(mount_point.path()) else {
        return;
    };
    let setup = Setup {
        data_dir: Some(disk.path.join("data")),
        ..Setup::default()
    };
    let mut shop = Shop::open_with(setup).await;
    let lantern = shop.admin().product("LANTERN", 1_000_000).await;
    let anna = shop.customer("anna").await;
    let before = anna
        .place(&Order::of(lantern, 1))
        .await
        .expect_status(201)
        .id();

    disk.fill();
    let accepted = order_until_put_off(&anna, lantern).await;
    expect_full_disk_in_log(&shop).await;
    assert_eq!(anna.order(before).await["status"], "confirmed");

    disk.make_room();
    expect_service_resumed(&anna, &Order::of(lantern, 1)).await;
    // A first order, the accepted ones, and the last; a refused one may not have been half written.
    let orders = async || (anna.orders().await.len() == accepted + 2).then_some(());
    eventually(SOON, "every accepted order is there, and no other", orders).await;
    shop.audit().await;
    shop.terminate().await;
    shop.audit().await;
}

/// Orders one after the other until the disk holds no more; returns how many it still held.
async fn order_until_put_off(buyer: &Api, product_id: u64) -> usize {
    let mut accepted = 0;
    let last = eventually(FILLING_TIME_MAX, "the disk is full", async || {
        for _ in 0..50 {
            let answer = buyer
                .place(&Order::of(product_id, 1).prefer("wait=5"))
                .await;
            if answer.status() == 503 {
                return Some(answer);
            }
            assert!(matches!(answer.status(), 201 | 202), "{}", answer.told());
            accepted += 1;
        }
        None
    });
    last.await.expect_unavailable();
    accepted
}

async fn expect_full_disk_in_log(shop: &Shop) {
    let told = async || {
        let log = shop.stderr().to_lowercase();
        (log.contains("disk") && log.contains("full")).then_some(())
    };
    eventually(SOON, "the log says that the disk is full", told).await;
}

async fn expect_service_resumed(buyer: &Api, order: &Order) {
    eventually(SOON, "orders are confirmed again", async || {
        let answer = buyer.place(order).await;
        match answer.status() {
            201 => Some(()),
            _ => {
                answer.expect_unavailable();
                None
            }
        }
    })
    .await;
}

/// A file system in memory that ends after sixteen megabytes, unmounted when it is dropped.
struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts it; None, with the reason on standard error, where mounting is not allowed.
    fn mount(path: &Path) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"])
            .arg(path)
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self {
                path: path.to_owned(),
            }),
            refused => {
                eprintln!("not tested: a small file system cannot be mounted here: {refused:?}");
                None
            }
        }
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }

    fn fill(&self) {
        let mut ballast = File::create(self.ballast()).unwrap();
        let page = [0x5a; 4096];
        let full = loop {
            if let Err(error) = ballast.write_all(&page) {
                break error;
            }
        };
        assert_eq!(full.kind(), ErrorKind::StorageFull, "{full}");
    }

    fn make_room(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, so that it also goes when a failed test leaves the program running for a moment.
        let unmounted = Command::new("umount")
            .arg("--lazy")
            .arg(&self.path)
            .status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("{} is still mounted", self.path.display());
        }
    }
}
