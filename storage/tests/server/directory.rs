//! The directory: nodes with their ages, and cursors that never move back.

use std::time::Duration;

use domain::{Domain, ShardRef};
use storage::{Directory, NodeRecord, Published};

use super::{Databases, open, options, run};
use crate::contract::fixtures::*;

fn node(name: &str) -> NodeRecord {
    NodeRecord {
        name: name.to_owned(),
        address: format!("http://{name}:50051"),
        domains: vec![Domain::Orders, Domain::Notifications],
        status: serde_json::json!({"actors": 7, "text": "größe \u{1}"}),
    }
}

#[tokio::test]
async fn nodes_come_age_and_go() {
    let databases = Databases::new();
    let url = databases.next().await;
    let store = open(options(&url)).await;
    assert_eq!(store.view().await.unwrap().nodes, []);
    for name in ["b", "a"] {
        store.announce(&node(name)).await.unwrap();
    }
    run(
        &url,
        "UPDATE cluster.node SET seen_at = seen_at - interval '1 hour' WHERE name = 'a'; \
         UPDATE cluster.node SET seen_at = seen_at + interval '1 hour' WHERE name = 'b'",
    )
    .await;
    let seen = store.view().await.unwrap().nodes;
    let nodes: Vec<_> = seen.iter().map(|entry| entry.node.clone()).collect();
    assert_eq!(nodes, [node("a"), node("b")]);
    let hour = Duration::from_secs(3_600);
    assert!((hour..hour * 2).contains(&seen[0].age), "{:?}", seen[0].age);
    assert_eq!(seen[1].age, Duration::ZERO, "the clock was set back");

    let mut changed = node("a");
    changed.status = serde_json::json!({"text": "\u{0}"});
    changed.domains.clear();
    store.announce(&changed).await.unwrap();
    let seen = store.view().await.unwrap().nodes;
    assert!(seen[0].age < hour / 2);
    assert_eq!(seen[0].node.status["text"], "\u{fffd}");
    assert_eq!(seen[0].node.domains, []);
    store.withdraw("a").await.unwrap();
    store.withdraw("nobody").await.unwrap();
    let left = store.view().await.unwrap().nodes;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].node.name, "b");
}

#[tokio::test]
async fn a_cursor_never_moves_back() {
    let databases = Databases::new();
    let store = databases.store().await;
    let asked = [orders(1), orders(2), products(1)];
    let cursors = async || {
        let mut cursors = store.published(&asked).await.unwrap();
        cursors.sort_by_key(|(shard, _)| *shard);
        cursors
    };
    let at = |shard: ShardRef, public, inbox| (shard, Published { public, inbox });
    assert_eq!(cursors().await, []);
    let all = [at(orders(1), 5, 3), at(products(1), 1, 0)];
    store.set_published(&all).await.unwrap();
    assert_eq!(cursors().await, all);
    let some_back = [
        at(orders(1), 4, 9),
        at(orders(1), 6, 2),
        at(products(1), 0, 0),
    ];
    store.set_published(&some_back).await.unwrap();
    assert_eq!(
        cursors().await,
        [at(orders(1), 6, 9), at(products(1), 1, 0)]
    );
    store.set_published(&[]).await.unwrap();
    assert_eq!(store.published(&[]).await.unwrap(), []);
}
