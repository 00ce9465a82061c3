//! Audits of a part: what is damaged in it is found, what is damaged outside is said to be not checked.

use std::{path::Path, time::Duration};

use domain::{
    Timestamp,
    invariants::Invariant::{self, *},
};
use storage::sqlite::{ACTIVITY_FILE, STORE_FILE};

use super::{Asked, Audited, Progress, audit_directory, damage::damage, shop::Shop, told};

async fn audit(dir: &Path, asked: &Asked) -> Audited {
    let audited = audit_directory(dir, asked, &Progress::hidden()).await;
    audited.unwrap()
}

fn sku(sku: &str) -> Asked {
    Asked {
        skus: vec![sku.parse().unwrap()],
        since: None,
    }
}

/// A shop that sells lanterns and ropes, each product twice.
async fn two_products(dir: &Path) {
    let mut shop = Shop::open(dir, 10).await;
    shop.sell(1).await;
    shop.sell(2).await;
    shop.sells(2, "ROPE", 10).await;
    shop.sell(2).await;
    shop.sell(3).await;
    shop.close().await;
}

/// Damages a store that is made anew for each case, and expects that each part finds this invariant violated, or nothing.
async fn expect(
    make: impl AsyncFn(&Path) -> Vec<Asked>,
    cases: &[(&str, &'static str, &[Option<Invariant>])],
) {
    for (file, sql, violated) in cases {
        let dir = tempfile::tempdir().unwrap();
        let parts = make(dir.path()).await;
        damage(&dir.path().join(file), sql).await;
        for (asked, violated) in parts.iter().zip(*violated) {
            let audited = audit(dir.path(), asked).await;
            let told = told(&audited.report);
            match violated {
                None => assert_eq!(told, [""; 0], "{sql}: {asked:?}"),
                Some(invariant) => {
                    let finding = audited.report.finding(*invariant);
                    assert!(finding.violations > 0, "{sql}: {asked:?}: {told:#?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn what_concerns_a_product_is_checked_and_nothing_else() {
    let make = async |dir: &Path| {
        two_products(dir).await;
        vec![sku("LANTERN"), sku("ROPE")]
    };
    let (lantern, rope) = (
        |invariant| [Some(invariant), None],
        |invariant| [None, Some(invariant)],
    );
    expect(
        make,
        &[
            (STORE_FILE, "UPDATE products SET version = version - 1 WHERE id = 1", &lantern(I10)),
            (STORE_FILE, "UPDATE products SET available = 0 WHERE id = 2", &rope(I10)),
            (
                STORE_FILE,
                "DELETE FROM orders WHERE id = (SELECT max(id) FROM orders)",
                &rope(I10),
            ),
            (
                STORE_FILE,
                "UPDATE journal SET payload = (SELECT payload FROM journal WHERE domain = 3 AND position = 2) \
                 WHERE domain = 3 AND position = 3",
                &lantern(I1),
            ),
            // They share their shards, so a gap concerns both.
            (
                STORE_FILE,
                "DELETE FROM journal WHERE domain = 2 AND position = 2",
                &[Some(I9), Some(I9)],
            ),
            (STORE_FILE, "DELETE FROM users", &[None, None]),
            (STORE_FILE, "DELETE FROM notifications WHERE id = 1", &[None, None]),
            (ACTIVITY_FILE, "DELETE FROM activity WHERE source_domain = 2", &[None, None]),
        ],
    )
    .await;
}

#[tokio::test]
async fn what_is_not_checked_for_a_product_is_said() {
    let dir = tempfile::tempdir().unwrap();
    two_products(dir.path()).await;
    let audited = audit(dir.path(), &sku("ROPE")).await;
    assert_eq!(told(&audited.report), [""; 0]);
    assert_eq!(audited.report.orders, 2);
    for finding in audited.report.findings() {
        let invariant = finding.invariant;
        let is_checked = audited.is_checked(invariant);
        assert_eq!(
            is_checked,
            ![I4, I5, I6, I8].contains(&invariant),
            "{invariant}"
        );
        assert_eq!(is_checked, finding.checked > 0, "{finding:?}");
        assert!(!audited.limits(invariant).is_empty(), "{invariant}");
    }
    let both = Asked {
        skus: vec!["ROPE".parse().unwrap(), "LANTERN".parse().unwrap()],
        since: None,
    };
    assert_eq!(audit(dir.path(), &both).await.report.orders, 4);
    let unknown = audit_directory(dir.path(), &sku("ROPES"), &Progress::hidden()).await;
    let error = unknown.unwrap_err().to_string();
    assert!(error.contains("no product with the SKU ROPES"), "{error}");
}

/// A shop with a yesterday and a today, an order that was on its way at midnight, and that midnight.
async fn two_days(dir: &Path) -> Timestamp {
    let mut shop = Shop::open(dir, 100).await;
    shop.sell(1).await;
    shop.sell(2).await;
    shop.place(3).await;
    shop.answer().await;
    shop.pass(Duration::from_secs(3_600));
    let midnight = shop.now();
    shop.pass(Duration::from_secs(3_600));
    shop.hear().await;
    shop.notify().await;
    shop.sell(4).await;
    shop.sell(5).await;
    shop.sells(2, "ROPE", 10).await;
    shop.sell(1).await;
    shop.close().await;
    midnight
}

fn since(time: Timestamp) -> Asked {
    Asked {
        skus: Vec::new(),
        since: Some(time),
    }
}

#[tokio::test]
async fn what_has_happened_since_is_checked_and_nothing_else() {
    let make = async |dir: &Path| {
        let midnight = two_days(dir).await;
        let both = Asked {
            skus: sku("ROPE").skus,
            ..since(midnight)
        };
        vec![since(midnight), both]
    };
    let (today, rope, neither) = (
        |invariant| [Some(invariant), None],
        |invariant| [Some(invariant), Some(invariant)],
        [None, None],
    );
    expect(
        make,
        &[
            (STORE_FILE, "DELETE FROM orders WHERE id = (SELECT min(id) FROM orders)", &neither),
            (STORE_FILE, "DELETE FROM journal WHERE domain = 2 AND position = 2", &neither),
            (STORE_FILE, "DELETE FROM notifications WHERE id = 1", &neither),
            (STORE_FILE, "DELETE FROM users", &neither),
            (ACTIVITY_FILE, "DELETE FROM activity WHERE source_domain = 2 AND position < 4", &neither),
            (STORE_FILE, "DELETE FROM notifications WHERE id = 5", &today(I10)),
            (STORE_FILE, "DELETE FROM orders WHERE id = (SELECT max(id) FROM orders)", &rope(I10)),
            (STORE_FILE, "DELETE FROM journal WHERE domain = 2 AND position = 9", &rope(I9)),
            (ACTIVITY_FILE, "DELETE FROM activity WHERE source_domain = 2 AND position = 9", &today(I8)),
            // Of what is older, at least the newest is compared.
            (STORE_FILE, "UPDATE products SET version = version - 1 WHERE id = 1", &today(I10)),
            (
                STORE_FILE,
                "UPDATE journal SET payload = (SELECT payload FROM journal WHERE domain = 3 AND position = 5) \
                 WHERE domain = 3 AND position = 6",
                &today(I1),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_store_passes_since_any_time() {
    let dir = tempfile::tempdir().unwrap();
    let midnight = two_days(dir.path()).await;
    let minutes = [-600, -60, -1, 0, 1, 59, 60, 61, 600];
    for minute in minutes {
        let time = Timestamp::from_millis(midnight.as_millis() + minute * 60_000);
        let audited = audit(dir.path(), &since(time)).await;
        assert_eq!(told(&audited.report), [""; 0], "{minute}");
        let orders = if minute < -60 { 6 } else { 3 };
        let expected = if minute > 60 { 0 } else { orders };
        let is_between = minute == -60 || minute == 60;
        assert!(
            is_between || audited.report.orders == expected,
            "{minute}: {:?}",
            audited.report
        );
    }
}
