//! Snapshots see one moment, beside a live writer.

use domain::{notifications::Template, orders::OrderStatus, users::Role};
use storage::{
    ActivityLog, Level, NewActivity, RowWrites,
    sqlite::{
        ActivitySnapshot, NotificationColumns, OrderColumns, ProductColumns, SqliteActivityLog,
        SqliteSnapshot, UserColumns,
    },
};

use super::{Folders, open, place};
use crate::contract::fixtures::*;

#[tokio::test]
async fn a_snapshot_sees_one_moment() {
    let folders = Folders::new();
    let dir = folders.next();
    let store = open(&dir).await;
    let mut pen = Pen::claiming(&store, &[orders(1)]).await;
    for nth in 0..4 {
        place(&mut pen, &store, nth).await.unwrap();
    }
    let mut snapshot = SqliteSnapshot::open(&dir).await.unwrap();
    for nth in 4..40 {
        place(&mut pen, &store, nth).await.unwrap();
    }
    assert_eq!(snapshot.incarnation(), store.incarnation());
    let heads = snapshot.heads().await.unwrap();
    assert_eq!(heads.len(), 1);
    assert_eq!((heads[0].0, heads[0].1.as_str()), (orders(1), "node-1"));
    assert_eq!(heads[0].2.last_position, 4);
    assert_eq!(heads[0].2.sent[&products(1)], 4);
    let mut positions = Vec::new();
    loop {
        let after = positions.last().copied().unwrap_or(0);
        let page = snapshot.records(orders(1), after, 3).await.unwrap();
        if page.is_empty() {
            break;
        }
        positions.extend(page.iter().map(|record| record.position));
    }
    assert_eq!(positions, [1, 2, 3, 4]);
    assert_eq!(snapshot.orders(0, 99).await.unwrap().len(), 4);
    let history = snapshot.order_history(order_id(1, 2), 0, 9).await.unwrap();
    assert_eq!(history.len(), 1);
    let mut later = SqliteSnapshot::open(&dir).await.unwrap();
    assert_eq!(later.orders(0, 99).await.unwrap().len(), 40);
    assert_eq!(snapshot.orders(0, 99).await.unwrap().len(), 4);
}

#[tokio::test]
async fn columns_are_those_of_the_state() {
    let folders = Folders::new();
    let dir = folders.next();
    let store = open(&dir).await;
    let open_order = order(order_id(1, 0), 5, OrderStatus::Created);
    let settled = order(order_id(2, 0), 6, OrderStatus::Expired);
    let rows = RowWrites {
        orders: vec![(open_order.clone(), 1), (settled.clone(), 7)],
        products: vec![(product(17, "TEE", "Größe XL"), 3)],
        users: vec![(user(5, "Ada", Role::Admin), 2)],
        notifications: vec![(notification(33, settled.id, 6, Template::OrderExpired), 1)],
        keys: vec![
            taken(&key(orders(2), "b"), 2, None),
            taken(&key(orders(1), "a"), 1, Some(NOW)),
            taken(&key(products(1), "a"), 3, None),
        ],
        parked: vec![parked(products(2), 1, NOW)],
        ..RowWrites::default()
    };
    Pen::default()
        .write(&store, vec![], rows.clone())
        .await
        .unwrap();
    let mut snapshot = SqliteSnapshot::open(&dir).await.unwrap();
    let found = snapshot.orders(0, 9).await.unwrap();
    assert_eq!(found.len(), 2);
    for (row, (order, version)) in found.iter().zip(&rows.orders) {
        assert_eq!((row.id, row.version), (order.id.get(), *version));
        assert_eq!(row.state.as_ref(), Ok(order));
        assert_eq!(row.columns, OrderColumns::of(order));
    }
    assert_eq!(snapshot.orders(found[0].id, 9).await.unwrap(), found[1..]);
    let found = snapshot.products(0, 9).await.unwrap();
    assert_eq!(found[0].columns, ProductColumns::of(&rows.products[0].0));
    assert_eq!(found[0].version, 3);
    let found = snapshot.users(0, 9).await.unwrap();
    assert_eq!(found[0].columns, UserColumns::of(&rows.users[0].0));
    let found = snapshot.notifications(0, 9).await.unwrap();
    let told = &rows.notifications[0].0;
    assert_eq!(found[0].columns, NotificationColumns::of(told));
    let mut keys = snapshot.keys(None, 2).await.unwrap();
    let last = keys[1].key.clone();
    keys.extend(snapshot.keys(Some(&last), 2).await.unwrap());
    let expected = [&rows.keys[1], &rows.keys[0], &rows.keys[2]];
    assert!(keys.iter().eq(expected), "{keys:?}");
    assert_eq!(snapshot.parked().await.unwrap(), rows.parked);
}

#[tokio::test]
async fn the_activity_log_is_read_by_source() {
    let folders = Folders::new();
    let dir = folders.next();
    let log = SqliteActivityLog::open(&dir).await.unwrap();
    let entry = |source| NewActivity {
        source,
        time: NOW,
        level: Level::Info,
        service: "orders",
        event_type: "order.created.v1".to_owned(),
        order_id: None,
        message: "Placed".to_owned(),
    };
    let sources = [
        (orders(1), 2),
        (products(0), 1),
        (orders(1), 1),
        (orders(0), 1),
    ];
    let mut entries: Vec<_> = sources.map(|source| entry(Some(source))).into();
    entries.push(entry(None));
    log.append(entries, &[(orders(1), 2), (products(0), 1)])
        .await
        .unwrap();
    let mut snapshot = ActivitySnapshot::open(&dir).await.unwrap();
    log.append(vec![entry(Some((orders(3), 1)))], &[])
        .await
        .unwrap();
    let mut read = snapshot.sources(None, 3).await.unwrap();
    read.extend(snapshot.sources(read.last().copied(), 3).await.unwrap());
    let expected = [
        (orders(0), 1),
        (orders(1), 1),
        (orders(1), 2),
        (products(0), 1),
    ];
    assert_eq!(read, expected);
    let counts = snapshot.counts().await.unwrap();
    assert_eq!(counts, [(orders(0), 1), (orders(1), 2), (products(0), 1)]);
    let watermarks = snapshot.watermarks().await.unwrap();
    assert_eq!(watermarks, [(orders(1), 2), (products(0), 1)]);
}
