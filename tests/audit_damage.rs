//! The auditor finds what somebody did to the store, and names the invariant.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::harness::{Order, SOON, Shop, audit, eventually, only_with, stampede};

/// The domain codes of the store.
const ORDERS: u8 = 2;
const PRODUCTS: u8 = 3;

/// Runs SQL on the store and prints how many rows it changed.
const DAMAGE_SCRIPT: &str = "\
import sqlite3, sys
store = sqlite3.connect(sys.argv[1])
changed = store.execute(sys.argv[2]).rowcount
store.commit()
store.close()
print(changed)
";

/// A store at rest: one shard with several confirmed orders, one refused and one cancelled.
pub(crate) async fn closed_shop() -> Shop {
    let mut shop = Shop::open().await;
    let lantern = shop.admin().product("LANTERN", 10).await;
    let rope = shop.admin().product("ROPE", 10).await;
    let anna = shop.customer("anna").await;
    for _ in 0..2 {
        anna.place(&Order::of(lantern, 1).and(rope, 1))
            .await
            .expect_status(201);
    }
    anna.place(&Order::of(lantern, 100))
        .await
        .expect_problem(409, "out_of_stock");
    let last = anna
        .place(&Order::of(rope, 2))
        .await
        .expect_status(201)
        .id();
    anna.cancel(last).await.expect_status(200);
    eventually(
        SOON,
        "the last order is notified and its stock is back",
        async || {
            let back = shop.admin().available(rope).await == 8;
            (back && !anna.notifications_of(last).await.is_empty()).then_some(())
        },
    )
    .await;
    shop.terminate().await;
    shop
}

/// A damaged copy of a store; the original stays whole.
pub(crate) struct DamagedCopy {
    home: TempDir,
}

impl DamagedCopy {
    /// Of this shop's store, damaged by this SQL.
    pub(crate) fn of(shop: &Shop, sql: &str) -> Self {
        let copy = Self {
            home: tempfile::tempdir().unwrap(),
        };
        copy_directory(&shop.data_dir(), &copy.data_dir());
        change(&copy.data_dir(), sql);
        copy
    }

    /// Where it is.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.home.path().join("data")
    }
}

/// Changes rows of a store at rest.
pub(crate) fn change(data_dir: &Path, sql: &str) {
    let run = Command::new("python3")
        .args(["-c", DAMAGE_SCRIPT])
        .arg(data_dir.join("stampede.db"))
        .arg(sql)
        .output()
        .unwrap();
    assert!(run.status.success(), "{run:?}");
    let changed: u32 = String::from_utf8(run.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    assert!(changed > 0, "nothing was changed by {sql}");
}

fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_directory(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

async fn expect_violation(sql: &str, invariants: &[&str]) {
    let shop = closed_shop().await;
    shop.audit().await;
    let copy = DamagedCopy::of(&shop, sql);
    audit(&["--data-dir".into(), copy.data_dir().into()])
        .await
        .expect_violation_of(invariants);
    shop.audit().await;
}

#[tokio::test]
async fn a_deleted_journal_row_is_found_as_i9() {
    only_with!(Embedded, "it damages the file of the embedded store");
    let sql = format!(
        "delete from journal where domain = {ORDERS} and position = 2 and shard = \
         (select shard from journal where domain = {ORDERS} group by shard order by count(*) desc limit 1)"
    );
    expect_violation(&sql, &["I9"]).await;
}

#[tokio::test]
async fn a_deleted_last_journal_row_is_found_as_i9() {
    only_with!(Embedded, "it damages the file of the embedded store");
    let sql = format!(
        "delete from journal where (domain, shard, position) in \
         (select domain, shard, max(position) from journal where domain = {PRODUCTS} group by shard limit 1)"
    );
    expect_violation(&sql, &["I9"]).await;
}

#[tokio::test]
async fn a_changed_stock_figure_is_found_as_i1_or_i10() {
    only_with!(Embedded, "it damages the file of the embedded store");
    let sql =
        "update products set available = available + 1 where id = (select min(id) from products)";
    expect_violation(sql, &["I1", "I10"]).await;
}

#[tokio::test]
async fn a_watermark_that_was_put_back_is_found_as_i7() {
    only_with!(Embedded, "it damages the file of the embedded store");
    let sql = format!(
        "update link set watermark = 0 where domain = {PRODUCTS} and peer_domain = {ORDERS} and watermark > 0"
    );
    expect_violation(&sql, &["I7"]).await;
}

#[tokio::test]
async fn a_watermark_that_was_put_forward_is_found_as_i7() {
    only_with!(Embedded, "it damages the file of the embedded store");
    let sql = format!(
        "update link set watermark = watermark + 1000 \
         where domain = {ORDERS} and peer_domain = {PRODUCTS} and watermark > 0"
    );
    expect_violation(&sql, &["I7"]).await;
}

#[tokio::test]
async fn the_table_for_people_names_the_invariant_too() {
    only_with!(Embedded, "it damages the file of the embedded store");
    let shop = closed_shop().await;
    let sql =
        "update products set available = available + 1 where id = (select min(id) from products)";
    let copy = DamagedCopy::of(&shop, sql);
    let table = stampede([
        "audit".as_ref(),
        "--data-dir".as_ref(),
        copy.data_dir().as_os_str(),
    ])
    .await;
    assert_eq!(table.exit_code, 1, "{table:?}");
    for invariant in ["I1", "I7", "I9", "I10"] {
        assert!(table.stdout.contains(invariant), "{table:?}");
    }
    let whole = stampede([
        "audit".as_ref(),
        "--data-dir".as_ref(),
        shop.data_dir().as_os_str(),
    ])
    .await;
    assert_eq!(whole.exit_code, 0, "{whole:?}");
}
