//! A user's rows are found however far back they lie.

use domain::{UserId, notifications::Template, orders::OrderStatus};
use storage::{OrderQuery, RowWrites, Views, sqlite::SqliteStore};

use super::Folders;
use crate::contract::fixtures::*;

/// Records that bring a shard of [`TOPOLOGY`] from one era into the next.
const RECORDS_OF_AN_ERA: u64 = 65_536 / 16;
/// Ids that bring notifications into the next.
const NOTIFICATIONS_OF_AN_ERA: u64 = 1 << 14;
/// In the order in which they order something; all of them are of shard 5.
const BUYERS: [u64; 12] = [5, 21, 5, 5, 37, 21, 5, 21, 21, 5, 5, 37];

/// Each order is followed by so many records that the next one is of another era, but for every third.
async fn fill(store: &SqliteStore) {
    let mut pen = Pen::claiming(store, &[orders(5)]).await;
    for (nth, user) in (0..).zip(BUYERS) {
        let id = order_id(5, nth);
        let notification_id = u64::from(nth) * NOTIFICATIONS_OF_AN_ERA * 2 / 3 + 1;
        let rows = RowWrites {
            orders: vec![(order(id, user, OrderStatus::Created), 1)],
            notifications: vec![(
                notification(notification_id, id, user, Template::OrderConfirmed),
                1,
            )],
            ..RowWrites::default()
        };
        let records = if nth % 3 == 0 { 1 } else { RECORDS_OF_AN_ERA };
        let records = (1..=records)
            .map(|seq| (record(id.get(), seq), vec![]))
            .collect();
        pen.write(store, vec![turn(orders(5), records)], rows)
            .await
            .unwrap();
        // A later state stays where the order is.
        let rows = RowWrites {
            orders: vec![(order(order_id(5, 0), 5, OrderStatus::Confirmed), 2)],
            ..RowWrites::default()
        };
        let turns = vec![turn(orders(5), vec![(record(1, 1), vec![])])];
        pen.write(store, turns, rows).await.unwrap();
    }
}

#[tokio::test]
async fn a_user_finds_all_orders() {
    let folders = Folders::new();
    let store = folders.store().await;
    fill(&store).await;
    for user in [5, 21, 37, 53, 6] {
        let mut expected: Vec<_> = (0..)
            .zip(BUYERS)
            .filter(|&(_, buyer)| buyer == user)
            .map(|(nth, _)| order_id(5, nth))
            .collect();
        expected.reverse();
        for limit in [1, 2, 3, 100] {
            let mut query = OrderQuery {
                user_id: UserId::new(user),
                limit,
                ..OrderQuery::default()
            };
            let mut found = Vec::new();
            loop {
                let page = store.orders(&query).await.unwrap();
                found.extend(page.rows.iter().map(|order| order.id));
                if !page.has_more {
                    break;
                }
                assert_eq!(page.rows.len(), limit);
                query.before = found.last().copied();
            }
            assert_eq!(found, expected, "user {user}, {limit} a page");
        }
        // Another user's order, and one that does not exist, are a bound like any other.
        for before in [
            order_id(5, 4),
            order_id(5, 11),
            order_id(6, 0),
            order_id(5, 99),
        ] {
            let query = OrderQuery {
                user_id: UserId::new(user),
                before: Some(before),
                limit: 100,
                ..OrderQuery::default()
            };
            let page = store.orders(&query).await.unwrap();
            let below = expected.iter().filter(|&&id| id < before);
            assert!(page.rows.iter().map(|order| &order.id).eq(below));
        }
    }
}

#[tokio::test]
async fn a_user_finds_all_notifications() {
    let folders = Folders::new();
    let store = folders.store().await;
    fill(&store).await;
    for user in [5, 21, 37, 53] {
        let mut expected = Vec::new();
        let mut before = None;
        let user_id = UserId::new(user);
        loop {
            let page = store.notifications(user_id, before, 2).await.unwrap();
            expected.extend(page.rows.iter().map(|row| row.order_id));
            before = page.rows.last().map(|row| row.id.get());
            if !page.has_more {
                break;
            }
        }
        let of_user = (0..).zip(BUYERS).filter(|&(_, buyer)| buyer == user);
        let mut orders: Vec<_> = of_user.map(|(nth, _)| order_id(5, nth)).collect();
        orders.reverse();
        assert_eq!(expected, orders);
    }
}
