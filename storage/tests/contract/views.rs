//! What every [`Views`] must do. `make` gives a new, empty store of [`TOPOLOGY`].

use domain::{ProductId, UserId, notifications::Template, orders::OrderStatus, users::Role};
use storage::{Credentials, Journal, OrderQuery, ProductQuery, RowWrites, Unsettled, Views};

use super::fixtures::*;

pub(crate) async fn all<S: Journal + Views>(make: impl AsyncFn() -> S) {
    what_is_not_there_is_none(&make().await).await;
    orders_are_listed_newest_first(&make().await).await;
    orders_are_filtered(&make().await).await;
    unsettled_orders_are_listed_by_deadline(&make().await).await;
    an_order_has_its_history(&make().await).await;
    products_are_listed_newest_first(&make().await).await;
    products_are_searched(&make().await).await;
    users_prove_who_they_are(&make().await).await;
    notifications_are_listed_newest_first(&make().await).await;
    parked_commands_of_all_shards_are_listed(&make().await).await;
    shards_have_owners(&make().await).await;
}

async fn write(store: &impl Journal, rows: RowWrites) {
    Pen::default().write(store, vec![], rows).await.unwrap();
}

async fn what_is_not_there_is_none(store: &impl Views) {
    assert_eq!(store.order(order_id(1, 0)).await.unwrap(), None);
    assert_eq!(
        store.product(ProductId::new(1).unwrap()).await.unwrap(),
        None
    );
    assert_eq!(store.user(UserId::new(1).unwrap()).await.unwrap(), None);
    assert!(store.credentials("nobody").await.unwrap().is_none());
    assert!(!store.has_admin().await.unwrap());
    assert_eq!(store.existing_products(&[]).await.unwrap(), []);
    let page = store.notifications(None, None, 5).await.unwrap();
    assert!(page.rows.is_empty() && !page.has_more);
    assert_eq!(store.order_history(order_id(1, 0), 0, 5).await.unwrap(), []);
    assert_eq!(store.shard_owners().await.unwrap(), []);
}

async fn orders_are_listed_newest_first(store: &(impl Journal + Views)) {
    let orders: Vec<_> = (0..5)
        .map(|nth| (order(order_id(5, nth), 5, OrderStatus::Confirmed), 1))
        .collect();
    let rows = RowWrites {
        orders: orders.clone(),
        ..RowWrites::default()
    };
    write(store, rows).await;
    let newest = orders[4].0.clone();
    assert_eq!(store.order(newest.id).await.unwrap(), Some(newest));
    let page = async |before, limit| {
        let query = OrderQuery {
            before,
            limit,
            ..OrderQuery::default()
        };
        let page = store.orders(&query).await.unwrap();
        let ids: Vec<_> = page.rows.iter().map(|order| order.id).collect();
        (ids, page.has_more)
    };
    let ids: Vec<_> = orders.iter().rev().map(|(order, _)| order.id).collect();
    assert_eq!(page(None, 5).await, (ids.clone(), false));
    assert_eq!(page(None, 2).await, (ids[..2].to_vec(), true));
    assert_eq!(page(Some(ids[1]), 2).await, (ids[2..4].to_vec(), true));
    assert_eq!(page(Some(ids[3]), 2).await, (ids[4..].to_vec(), false));
}

async fn orders_are_filtered(store: &(impl Journal + Views)) {
    let mut all = Vec::new();
    for (nth, status) in (0..).zip(OrderStatus::ALL) {
        for (shard, user) in [(5, 5), (6, 6)] {
            let mut order = order(order_id(shard, nth), user, status);
            order.deadline = after_secs(10 * u64::from(nth) + 10);
            all.push((order, 1));
        }
    }
    let rows = RowWrites {
        orders: all.clone(),
        ..RowWrites::default()
    };
    write(store, rows).await;
    let every = OrderQuery {
        limit: 100,
        ..OrderQuery::default()
    };
    let list = async |query: OrderQuery| {
        let page = store.orders(&query).await.unwrap();
        page.rows
            .iter()
            .map(|order| (order.user_id.get(), order.status))
            .collect::<Vec<_>>()
    };
    assert_eq!(list(every).await.len(), all.len());
    let user_id = UserId::new(5);
    for status in OrderStatus::ALL {
        let query = OrderQuery {
            status: Some(status),
            ..every
        };
        assert_eq!(list(query).await, [(6, status), (5, status)]);
        let query = OrderQuery { user_id, ..query };
        assert_eq!(list(query).await, [(5, status)]);
    }
    let query = OrderQuery { user_id, ..every };
    let statuses: Vec<_> = list(query).await.into_iter().map(|row| row.1).collect();
    let expected: Vec<_> = OrderStatus::ALL.into_iter().rev().collect();
    assert_eq!(statuses, expected);
    // The deadline of the created ones is 10 s from now, that of the reserved ones 20 s; the others have none.
    let overdue = |secs| OrderQuery {
        overdue_at: Some(after_secs(secs)),
        ..every
    };
    assert_eq!(list(overdue(10)).await, []);
    let created = [(6, OrderStatus::Created), (5, OrderStatus::Created)];
    assert_eq!(list(overdue(11)).await, created);
    assert_eq!(list(overdue(999)).await.len(), 4);
    let query = OrderQuery {
        user_id,
        status: Some(OrderStatus::Reserved),
        ..overdue(999)
    };
    assert_eq!(list(query).await, [(5, OrderStatus::Reserved)]);
}

async fn unsettled_orders_are_listed_by_deadline(store: &(impl Journal + Views)) {
    let mut rows = RowWrites::default();
    for (nth, deadline) in [(0, 30), (1, 10), (2, 20), (3, 5)] {
        let mut order = order(order_id(1, nth), 5, OrderStatus::Created);
        order.deadline = after_secs(deadline);
        rows.orders.push((order, 1));
    }
    rows.orders
        .push((order(order_id(2, 0), 5, OrderStatus::Created), 1));
    write(store, rows).await;
    let settled = order(order_id(1, 3), 5, OrderStatus::Confirmed);
    let rows = RowWrites {
        orders: vec![(settled, 2)],
        ..RowWrites::default()
    };
    write(store, rows).await;
    let expected = [(1, 10), (2, 20), (0, 30)].map(|(nth, deadline)| Unsettled {
        order_id: order_id(1, nth),
        deadline: after_secs(deadline),
    });
    assert_eq!(store.unsettled_orders(1).await.unwrap(), expected);
    assert_eq!(store.unsettled_orders(3).await.unwrap(), []);
}

async fn an_order_has_its_history(store: &(impl Journal + Views)) {
    let id = order_id(1, 0);
    let mut pen = Pen::claiming(store, &[orders(1), products(1)]).await;
    for seq in 1..=4 {
        let turns = vec![
            turn(orders(1), vec![(record(id.get(), seq), vec![products(1)])]),
            turn(orders(1), vec![(record(order_id(1, 1).get(), seq), vec![])]),
            // Another domain may use the same number.
            turn(products(1), vec![(record(id.get(), seq), vec![])]),
        ];
        pen.write(store, turns, RowWrites::default()).await.unwrap();
    }
    let all = store.order_history(id, 0, 100).await.unwrap();
    let seqs: Vec<_> = all.iter().map(|record| record.seq).collect();
    assert_eq!(seqs, [1, 2, 3, 4]);
    assert!(all.iter().all(|record| record.shard == orders(1)));
    assert_eq!(store.order_history(id, 1, 2).await.unwrap(), all[1..3]);
    assert_eq!(store.order_history(id, 4, 2).await.unwrap(), []);
}

async fn products_are_listed_newest_first(store: &(impl Journal + Views)) {
    let mut rows = RowWrites::default();
    for (id, created) in [(1, 5), (2, 9), (3, 5), (4, 1)] {
        let mut product = product(id, &format!("SKU-{id}"), "Thing");
        product.created_at = after_secs(created);
        rows.products.push((product, 1));
    }
    write(store, rows).await;
    let page = async |after, limit| {
        let query = ProductQuery {
            after,
            limit,
            ..ProductQuery::default()
        };
        let page = store.products(&query).await.unwrap();
        let ids: Vec<_> = page.rows.iter().map(|product| product.id.get()).collect();
        (ids, page.has_more)
    };
    assert_eq!(page(None, 9).await, (vec![2, 3, 1, 4], false));
    assert_eq!(page(None, 2).await, (vec![2, 3], true));
    let after = Some((after_secs(5), ProductId::new(3).unwrap()));
    assert_eq!(page(after, 2).await, (vec![1, 4], false));
    let asked = [4, 9, 1, 4].map(|id| ProductId::new(id).unwrap());
    let mut existing = store.existing_products(&asked).await.unwrap();
    existing.sort();
    assert_eq!(
        existing.iter().map(|id| id.get()).collect::<Vec<_>>(),
        [1, 4]
    );
}

async fn products_are_searched(store: &(impl Journal + Views)) {
    let names = [
        (1, "TEE-1", "Blue Shirt"),
        (2, "CAP_2", "100% Größe"),
        (3, "MUG.3", "1000 pieces"),
        (4, "CAPX2", "It's \"quoted\" \\ back"),
    ];
    let products = names.map(|(id, sku, name)| (product(id, sku, name), 1));
    let rows = RowWrites {
        products: products.to_vec(),
        ..RowWrites::default()
    };
    write(store, rows).await;
    let mut renamed = products[0].0.clone();
    renamed.name = "Red Shirt".into();
    let rows = RowWrites {
        products: vec![(renamed, 2)],
        ..RowWrites::default()
    };
    write(store, rows).await;
    for (text, expected) in [
        ("shirt", vec![1]),
        ("SHIRT", vec![1]),
        ("blue", vec![]),
        ("red", vec![1]),
        ("tee", vec![1]),
        ("cap_", vec![2]),
        ("CAP", vec![4, 2]),
        ("100%", vec![2]),
        ("GRÖSSE", vec![]),
        ("GRÖßE", vec![2]),
        ("%", vec![2]),
        ("_", vec![2]),
        ("\\", vec![4]),
        ("'s \"q", vec![4]),
        (".", vec![3]),
        ("*", vec![]),
        ("", vec![4, 3, 2, 1]),
    ] {
        let query = ProductQuery {
            text: Some(text.to_owned()),
            limit: 9,
            ..ProductQuery::default()
        };
        let page = store.products(&query).await.unwrap();
        let ids: Vec<_> = page.rows.iter().map(|product| product.id.get()).collect();
        assert_eq!(ids, expected, "{text}");
    }
}

async fn users_prove_who_they_are(store: &(impl Journal + Views)) {
    let (ada, bob) = (
        user(5, "Ada", Role::Customer),
        user(6, "bob", Role::Customer),
    );
    let credentials = |id, hash: &str| Credentials {
        user_id: id,
        password_hash: hash.to_owned(),
    };
    let rows = RowWrites {
        users: vec![(ada.clone(), 1), (bob.clone(), 1)],
        credentials: vec![credentials(ada.id, "hash-a"), credentials(bob.id, "hash-b")],
        ..RowWrites::default()
    };
    write(store, rows).await;
    assert_eq!(store.user(ada.id).await.unwrap(), Some(ada.clone()));
    for name in ["Ada", "ada", "ADA"] {
        let (found, proof) = store.credentials(name).await.unwrap().unwrap();
        assert_eq!((&found, proof.password_hash.as_str()), (&ada, "hash-a"));
    }
    assert!(store.credentials("ad").await.unwrap().is_none());
    assert!(!store.has_admin().await.unwrap());
    let promoted = user(6, "bob", Role::Admin);
    let rows = RowWrites {
        users: vec![(promoted, 2)],
        ..RowWrites::default()
    };
    write(store, rows).await;
    assert!(store.has_admin().await.unwrap());
}

async fn notifications_are_listed_newest_first(store: &(impl Journal + Views)) {
    let of = |id, user| {
        let order = order_id(1, u32::try_from(id).unwrap());
        (notification(id, order, user, Template::OrderConfirmed), 1)
    };
    let rows = RowWrites {
        notifications: vec![of(1, 5), of(2, 6), of(3, 5), of(4, 5)],
        ..RowWrites::default()
    };
    write(store, rows).await;
    let page = async |user: Option<u64>, before, limit| {
        let user = user.and_then(UserId::new);
        let page = store.notifications(user, before, limit).await.unwrap();
        let ids: Vec<_> = page.rows.iter().map(|row| row.id.get()).collect();
        (ids, page.has_more)
    };
    assert_eq!(page(None, None, 9).await, (vec![4, 3, 2, 1], false));
    assert_eq!(page(Some(5), None, 2).await, (vec![4, 3], true));
    assert_eq!(page(Some(5), Some(3), 2).await, (vec![1], false));
    assert_eq!(page(Some(7), None, 2).await, (vec![], false));
    let twice = RowWrites {
        notifications: vec![(
            notification(9, order_id(1, 1), 5, Template::OrderConfirmed),
            1,
        )],
        ..RowWrites::default()
    };
    let outcome = Pen::default().write(store, vec![], twice).await;
    assert!(outcome.is_err(), "one per order and template");
}

async fn parked_commands_of_all_shards_are_listed(store: &(impl Journal + Views)) {
    let all = [
        parked(products(2), 3, after_secs(1)),
        parked(orders(1), 1, after_secs(2)),
        parked(products(2), 1, after_secs(3)),
    ];
    let rows = RowWrites {
        parked: vec![all[2].clone(), all[0].clone(), all[1].clone()],
        ..RowWrites::default()
    };
    write(store, rows).await;
    assert_eq!(store.all_parked(9).await.unwrap(), all);
    assert_eq!(store.all_parked(2).await.unwrap(), all[..2]);
}

async fn shards_have_owners(store: &(impl Journal + Views)) {
    store.claim(products(2), "node-b", None).await.unwrap();
    store.claim(orders(1), "node-a", None).await.unwrap();
    store.claim(orders(1), "node-b", None).await.unwrap();
    let expected = [
        (orders(1), "node-b".to_owned(), 2),
        (products(2), "node-b".to_owned(), 1),
    ];
    assert_eq!(store.shard_owners().await.unwrap(), expected);
}
