//! That a whole store passes, also beside its writer, and that what is damaged is named.

#![allow(clippy::unwrap_used)]

mod cluster;
pub(crate) mod damage;
mod part;
pub(crate) mod pen;
pub(crate) mod servers;
pub(crate) mod shop;

use domain::{
    Timestamp,
    invariants::{Invariant, Report, Service},
};
use storage::sqlite::{ActivitySnapshot, SqliteSnapshot, served_since};

use self::shop::Shop;
use super::{Audited, PAGE, audit_directory, audit_stores, log::Log, scope::Asked};
use crate::progress::Progress;

/// What an audit of a directory finds.
async fn audit(dir: &std::path::Path) -> anyhow::Result<Report> {
    let audited = audit_directory(dir, &Asked::default(), &Progress::hidden()).await?;
    assert_eq!((audited.has_log, audited.lost.total), (true, 0));
    Ok(audited.report)
}

/// A shop that has sold, has refused, and has an order and an answer on their way.
async fn busy_shop(dir: &std::path::Path) -> Shop {
    let mut shop = Shop::open(dir, 10).await;
    be_busy(&mut shop).await;
    shop
}

async fn be_busy(shop: &mut Shop) {
    shop.sell(3).await;
    shop.sell(100).await;
    shop.sell(2).await;
    shop.place(1).await;
    shop.answer().await;
    shop.place(1).await;
}

pub(crate) fn told(report: &Report) -> Vec<String> {
    let findings = report.findings().iter();
    findings
        .flat_map(|finding| &finding.examples)
        .map(ToString::to_string)
        .collect()
}

#[tokio::test]
async fn a_whole_store_passes_beside_its_writer_and_at_rest() {
    let dir = tempfile::tempdir().unwrap();
    let shop = busy_shop(dir.path()).await;
    let beside = audit(dir.path()).await.unwrap();
    shop.close().await;
    let at_rest = audit(dir.path()).await.unwrap();
    assert_eq!(told(&at_rest), [""; 0]);
    assert_eq!(beside, at_rest);
    assert_eq!((at_rest.records, at_rest.orders), (17, 5));
    for finding in at_rest.findings() {
        let is_looked_at = finding.checked > 0;
        assert_eq!(
            is_looked_at,
            finding.invariant != Invariant::I5,
            "{finding:?}"
        );
    }
}

#[tokio::test]
async fn a_store_that_goes_on_while_it_is_audited_passes_every_time() {
    let dir = tempfile::tempdir().unwrap();
    let mut shop = Shop::open(dir.path(), 1_000).await;
    for _ in 0..20 {
        let selling = shop.sell(1);
        let (_, report) = futures::future::join(selling, audit(dir.path())).await;
        assert_eq!(told(&report.unwrap()), [""; 0]);
    }
}

#[tokio::test]
async fn a_store_of_many_pages_is_read_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut shop = Shop::open(dir.path(), 1_000).await;
    for _ in 0..40 {
        shop.sell(1).await;
    }
    let report = audit(dir.path()).await.unwrap();
    assert_eq!(told(&report), [""; 0]);
    assert_eq!((report.records, report.orders), (2 + 40 * 4, 40));
    assert_eq!(report.finding(Invariant::I8).violations, 0);
}

#[tokio::test]
async fn little_is_kept_however_many_records_there_are() {
    let dir = tempfile::tempdir().unwrap();
    let mut shop = Shop::open(dir.path(), 1_000_000).await;
    for _ in 0..300 {
        shop.sell(1).await;
    }
    shop.close().await;
    let audited = audit_directory(dir.path(), &Asked::default(), &Progress::hidden()).await;
    let audited = audited.unwrap();
    assert_eq!(told(&audited.report), [""; 0]);
    let kept = audited.retained;
    // Four journals and three lists are read at one pace, a page of each.
    assert!((1..7 * PAGE).contains(&kept.tasks), "{kept:?}");
    assert!((1..7 * PAGE).contains(&kept.rows), "{kept:?}");
    assert_eq!((kept.aggregates, kept.stocks), (2, 2), "{kept:?}");
    assert_eq!(
        (kept.aggregate_rows, kept.waiting_orders, kept.parked),
        (0, 0, 0)
    );
    // All of them were used within two days.
    assert_eq!(kept.keys, 300);
}

#[tokio::test]
async fn orders_that_wait_are_told_by_what_they_wait_for() {
    let dir = tempfile::tempdir().unwrap();
    let mut shop = Shop::open(dir.path(), 1_000).await;
    shop.sell(1).await;
    shop.place(1).await;
    let now = shop.now().plus(std::time::Duration::from_secs(3_600));
    shop.close().await;
    let waiting = async |since: Option<Timestamp>| {
        let mut store = SqliteSnapshot::open(dir.path()).await.unwrap();
        let shards = store.topology().journals();
        let service = Service {
            now,
            since: since
                .map(|since| shards.map(|shard| (shard, since)).collect())
                .unwrap_or_default(),
        };
        let asked = Asked::default();
        let audited = audit_stores(&mut store, None, service, &asked, &Progress::hidden()).await;
        let report = audited.unwrap().report;
        assert_eq!(told(&report), [""; 0]);
        report.waiting
    };
    let nobody = waiting(None).await;
    assert_eq!((nobody.total(), nobody.not_served), (1, 1));
    // Its request has not come to the products, so that it may not be given up.
    let somebody = waiting(Some(Timestamp::default())).await;
    assert_eq!((somebody.total(), somebody.suspended), (1, 1));
}

#[tokio::test]
async fn it_is_known_whether_a_directory_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let shop = Shop::open(dir.path(), 10).await;
    assert!(served_since(dir.path()).unwrap().is_some());
    shop.close().await;
    assert_eq!(served_since(dir.path()).unwrap(), None);
}

#[tokio::test]
async fn what_is_not_there_cannot_be_audited() {
    let dir = tempfile::tempdir().unwrap();
    let error = audit(dir.path()).await.unwrap_err();
    assert!(error.to_string().contains("activity.db"), "{error}");
}

#[tokio::test]
async fn entries_that_were_kept_for_long_enough_may_be_missing() {
    let dir = tempfile::tempdir().unwrap();
    let mut shop = Shop::open(dir.path(), 1_000).await;
    let begun = shop.now();
    for _ in 0..10 {
        shop.sell(1).await;
    }
    let ended = shop.now();
    shop.close().await;
    let removed = "DELETE FROM activity WHERE source_domain = 2 AND position <= 10";
    damage::damage(&dir.path().join(storage::sqlite::ACTIVITY_FILE), removed).await;
    let half = (begun.as_millis() + ended.as_millis()) / 2;
    let missing = async |before: Option<i64>| {
        let log = Log {
            snapshot: Box::new(ActivitySnapshot::open(dir.path()).await.unwrap()),
            expired_before: before.map(Timestamp::from_millis),
        };
        let mut store = SqliteSnapshot::open(dir.path()).await.unwrap();
        let (service, asked) = (Service::default(), Asked::default());
        let audited = audit_stores(&mut store, Some(log), service, &asked, &Progress::hidden())
            .await
            .unwrap();
        audited.report.finding(Invariant::I8).violations
    };
    assert_eq!(missing(None).await, 10);
    assert_eq!(missing(Some(begun.as_millis())).await, 10);
    assert_eq!(missing(Some(ended.as_millis())).await, 0);
    // Half of ten orders and a little more are older.
    assert_eq!(missing(Some(half)).await, 0);
    let quarter = (begun.as_millis() + half) / 2;
    assert!((1..10).contains(&missing(Some(quarter)).await));
}
