//! Stores that somebody has damaged.

use std::path::Path;

use domain::invariants::Invariant::{self, *};
use sqlx::{Connection, SqliteConnection};
use storage::sqlite::{ACTIVITY_FILE, STORE_FILE};

use super::{audit, busy_shop, told};

/// The file, what is done to it, the invariant that must be named, and a part of what must be said.
type Case = (&'static str, &'static str, Invariant, &'static str);

pub(crate) async fn damage(file: &Path, sql: &'static str) {
    let url = format!("sqlite://{}", file.display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    let done = sqlx::query(sql).execute(&mut connection).await.unwrap();
    assert!(done.rows_affected() > 0, "nothing was damaged by {sql}");
    connection.close().await.unwrap();
}

async fn expect_each(cases: &[Case]) {
    for (file, sql, invariant, part) in cases {
        let dir = tempfile::tempdir().unwrap();
        busy_shop(dir.path()).await.close().await;
        damage(&dir.path().join(file), sql).await;
        let report = audit(dir.path()).await.unwrap();
        assert!(!report.is_ok(), "not found: {sql}");
        let finding = report.finding(*invariant);
        let is_named = finding
            .examples
            .iter()
            .any(|example| example.detail.contains(part));
        assert!(is_named, "{invariant} for {sql}: {:#?}", told(&report));
    }
}

#[tokio::test]
async fn damaged_journals_are_found() {
    expect_each(&[
        (
            STORE_FILE,
            "DELETE FROM journal WHERE domain = 2 AND position = 2",
            I9,
            "orders/0 position 3 follows position 1",
        ),
        (
            STORE_FILE,
            "DELETE FROM journal WHERE domain = 3 AND position = 5",
            I9,
            "the head of products/0",
        ),
        (
            STORE_FILE,
            "UPDATE journal SET payload = x'ff' WHERE domain = 2 AND position = 2",
            I9,
            "orders/0 position 2 cannot be decoded",
        ),
        (
            STORE_FILE,
            "UPDATE journal SET event_type = 'order.teleported.v9' WHERE domain = 2 AND position = 2",
            I9,
            "order.teleported.v9",
        ),
        (
            STORE_FILE,
            "UPDATE journal SET links = 'nonsense' WHERE domain = 3 AND position = 2",
            I9,
            "the journal of products/0 after position 0 cannot be read on",
        ),
        (
            STORE_FILE,
            "UPDATE journal SET links = ',3/0:9,' WHERE domain = 2 AND position = 3",
            I9,
            "is said to follow 9 on the link to products/0",
        ),
        (
            STORE_FILE,
            "UPDATE head SET last_id = 1 WHERE domain = 2",
            I9,
            "orders/0 position 1 creates order",
        ),
        (
            STORE_FILE,
            "UPDATE link SET sent = 1 WHERE domain = 2 AND peer_domain = 3",
            I9,
            "the head of orders/0 says that it has sent products/0 up to 1",
        ),
    ])
    .await;
}

#[tokio::test]
async fn damaged_links_are_found() {
    expect_each(&[
        (
            STORE_FILE,
            "UPDATE link SET watermark = 0 WHERE domain = 3 AND peer_domain = 2",
            I7,
            "the link's watermark is 0",
        ),
        (
            STORE_FILE,
            "UPDATE link SET watermark = watermark + 1000 WHERE domain = 2 AND peer_domain = 3",
            I7,
            "the last position there is 5",
        ),
        (
            STORE_FILE,
            "UPDATE link SET watermark = 5 WHERE domain = 2 AND peer_domain = 3",
            I7,
            "the answer of product 1 to order",
        ),
        (
            STORE_FILE,
            "DELETE FROM link WHERE domain = 5 AND watermark > 0",
            I6,
            "the notification order_confirmed of order",
        ),
    ])
    .await;
}

#[tokio::test]
async fn damaged_rows_are_found() {
    expect_each(&[
        (
            STORE_FILE,
            "UPDATE products SET available = available + 1",
            I10,
            "the row of product 1 has ProductColumns",
        ),
        (
            STORE_FILE,
            "UPDATE products SET version = version - 1",
            I10,
            "the row of product 1 has version 4",
        ),
        (
            STORE_FILE,
            "UPDATE orders SET status = 'expired' WHERE status = 'rejected'",
            I10,
            "status: \"expired\"",
        ),
        (
            STORE_FILE,
            "UPDATE orders SET state = (SELECT state FROM orders WHERE status = 'rejected') \
             WHERE id = (SELECT min(id) FROM orders)",
            I10,
            "differs from its replay",
        ),
        (
            STORE_FILE,
            "UPDATE users SET state = x'0102'",
            I10,
            "the stored state of user 1 cannot be read",
        ),
        (
            STORE_FILE,
            "DELETE FROM notifications WHERE id = 2",
            I10,
            "notification 2 has a history and no row",
        ),
        (
            STORE_FILE,
            "UPDATE keys SET aggregate_id = 12 \
             WHERE aggregate_id = (SELECT min(aggregate_id) FROM keys)",
            I10,
            "a key of orders/0 belongs to 12",
        ),
        (
            STORE_FILE,
            "UPDATE keys SET fingerprint = x'00', aggregate_id = 12",
            I10,
            "the rows of keys cannot be read on",
        ),
        (
            STORE_FILE,
            "INSERT INTO parked VALUES (3, 0, 9, 0, 2, 0, 1, 1, NULL, 'x', x'', 'x')",
            I10,
            "parked command 9 of products/0 has a row",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_damaged_activity_log_is_found() {
    expect_each(&[
        (
            ACTIVITY_FILE,
            "DELETE FROM activity WHERE source_domain = 2 AND position = 3",
            I8,
            "orders/0 position 3 is not in the activity log",
        ),
        (
            ACTIVITY_FILE,
            "UPDATE watermark SET position = position - 1 WHERE source_domain = 3",
            I8,
            "above its watermark 4",
        ),
        (
            ACTIVITY_FILE,
            "UPDATE watermark SET position = 99 WHERE source_domain = 3",
            I8,
            "products/0 positions 6 to 99 are not in the activity log",
        ),
        (
            ACTIVITY_FILE,
            "UPDATE activity SET position = 77 WHERE source_domain = 1 AND position = 1",
            I8,
            "auth/0 positions 1 to 76 are not in the activity log",
        ),
    ])
    .await;
}
