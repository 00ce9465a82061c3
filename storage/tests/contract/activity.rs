//! What every [`ActivityLog`] must do. `make` gives a new, empty log.

use domain::ShardRef;
use storage::{ActivityLog, ActivityQuery, Level, NewActivity};

use super::fixtures::*;

pub(crate) async fn all<A: ActivityLog>(make: impl AsyncFn() -> A) {
    entries_are_listed_newest_first(&make().await).await;
    an_entry_is_written_once(&make().await).await;
    watermarks_move_on(&make().await).await;
    entries_are_filtered(&make().await).await;
    many_entries_are_whole(&make().await).await;
}

fn entry(source: Option<(ShardRef, u64)>, message: &str) -> NewActivity {
    NewActivity {
        source,
        time: NOW,
        level: Level::Info,
        service: "orders",
        event_type: "order.created.v1".to_owned(),
        order_id: None,
        message: message.to_owned(),
    }
}

async fn messages(log: &impl ActivityLog, query: ActivityQuery) -> Vec<String> {
    let query = ActivityQuery {
        limit: 100,
        ..query
    };
    let page = log.search(&query).await.unwrap();
    page.rows.into_iter().map(|row| row.message).collect()
}

async fn entries_are_listed_newest_first(log: &impl ActivityLog) {
    for message in ["one", "two", "three"] {
        log.append(vec![entry(None, message)], &[]).await.unwrap();
    }
    let mut query = ActivityQuery {
        limit: 2,
        ..ActivityQuery::default()
    };
    let page = log.search(&query).await.unwrap();
    assert!(page.has_more && page.rows.len() == 2);
    assert!(page.rows[0].id > page.rows[1].id);
    let newest = &page.rows[0];
    assert_eq!((newest.message.as_str(), newest.time), ("three", NOW));
    assert_eq!(
        (newest.level, newest.service.as_str()),
        (Level::Info, "orders")
    );
    assert_eq!(newest.event_type, "order.created.v1");
    query.before = Some(page.rows[1].id);
    let page = log.search(&query).await.unwrap();
    assert!(!page.has_more);
    assert_eq!(page.rows[0].message, "one");
}

async fn an_entry_is_written_once(log: &impl ActivityLog) {
    let (source, other) = (Some((orders(1), 7)), Some((orders(11), 7)));
    log.append(vec![entry(source, "first")], &[]).await.unwrap();
    let again = vec![
        entry(source, "again"),
        entry(other, "other"),
        entry(other, "other again"),
        entry(None, "node"),
        entry(None, "node"),
    ];
    log.append(again, &[]).await.unwrap();
    let all = messages(log, ActivityQuery::default()).await;
    assert_eq!(all, ["node", "node", "other", "first"]);
}

async fn watermarks_move_on(log: &impl ActivityLog) {
    assert_eq!(log.watermarks().await.unwrap(), []);
    log.append(vec![], &[(orders(1), 7), (products(2), 3)])
        .await
        .unwrap();
    log.append(vec![entry(None, "x")], &[(orders(1), 9)])
        .await
        .unwrap();
    let mut watermarks = log.watermarks().await.unwrap();
    watermarks.sort();
    assert_eq!(watermarks, [(orders(1), 9), (products(2), 3)]);
    log.append(vec![], &[]).await.unwrap();
}

async fn entries_are_filtered(log: &impl ActivityLog) {
    let order = order_id(1, 0);
    let entries = vec![
        NewActivity {
            order_id: Some(order),
            ..entry(None, "Placed by Ada")
        },
        NewActivity {
            level: Level::Warn,
            time: after_secs(10),
            service: "products",
            event_type: "stock.refused.v1".to_owned(),
            order_id: Some(order),
            ..entry(None, "100% gone")
        },
        NewActivity {
            level: Level::Error,
            time: after_secs(20),
            service: "node",
            ..entry(None, "Überlauf_1")
        },
    ];
    log.append(entries, &[]).await.unwrap();
    let every = ActivityQuery::default;
    let text = |text: &str| ActivityQuery {
        text: Some(text.to_owned()),
        ..every()
    };
    let level = |level| ActivityQuery {
        level: Some(level),
        ..every()
    };
    let (first, second, third) = ("Placed by Ada", "100% gone", "Überlauf_1");
    let service = Some("products".to_owned());
    let event_type = Some("stock.refused.v1".to_owned());
    let order_id = Some(order);
    let since = Some(after_secs(10));
    for (query, expected) in [
        (every(), vec![third, second, first]),
        (level(Level::Info), vec![first]),
        (level(Level::Warn), vec![second]),
        (level(Level::Error), vec![third]),
        (ActivityQuery { service, ..every() }, vec![second]),
        (
            ActivityQuery {
                event_type,
                ..every()
            },
            vec![second],
        ),
        (
            ActivityQuery {
                order_id,
                ..every()
            },
            vec![second, first],
        ),
        (ActivityQuery { since, ..every() }, vec![third, second]),
        (
            ActivityQuery {
                until: since,
                ..every()
            },
            vec![first],
        ),
        (text("ADA"), vec![first]),
        (text("überlauf"), vec![third]),
        (text("ÜBERLAUF_"), vec![third]),
        (text("_"), vec![third]),
        (text("%"), vec![second]),
        (text("1"), vec![third, second]),
        (text("nothing"), vec![]),
        (
            ActivityQuery {
                order_id,
                since,
                ..level(Level::Warn)
            },
            vec![second],
        ),
    ] {
        assert_eq!(messages(log, query.clone()).await, expected, "{query:?}");
    }
}

async fn many_entries_are_whole(log: &impl ActivityLog) {
    let entries: Vec<_> = (1..=1_000)
        .map(|position| entry(Some((orders(1), position)), &position.to_string()))
        .collect();
    log.append(entries[..700].to_vec(), &[(orders(1), 700)])
        .await
        .unwrap();
    log.append(entries[300..].to_vec(), &[(orders(1), 1_000)])
        .await
        .unwrap();
    let query = ActivityQuery {
        limit: 2_000,
        ..ActivityQuery::default()
    };
    let page = log.search(&query).await.unwrap();
    assert_eq!(page.rows.len(), 1_000);
    assert_eq!(page.rows[0].message, "1000");
}
