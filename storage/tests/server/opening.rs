//! Migrating and opening: what is made once, and what is refused.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU32, Ordering},
};

use domain::{Domain, Topology};
use storage::{
    Directory, Journal, RowWrites, Views,
    postgres::{PostgresOptions, PostgresStore, migrate},
};

use super::{Databases, connect, mismatch, open, options, run};
use crate::contract::fixtures::*;

/// Steps of all schemas: one of the cluster, three of each of the four domains.
const STEPS: usize = 13;

#[tokio::test]
async fn a_database_that_was_not_migrated_is_refused() {
    let databases = Databases::new();
    let options = options(&databases.next().await);
    let text = mismatch(PostgresStore::open(options).await);
    assert!(text.contains("stampede migrate"), "{text}");
}

#[tokio::test]
async fn migrating_again_changes_nothing() {
    let databases = Databases::new();
    let options = options(&databases.next().await);
    let first = migrate(&options, &TOPOLOGY, || "first".to_owned())
        .await
        .unwrap();
    assert!(first.is_new && first.applied.len() == STEPS, "{first:?}");
    let store = PostgresStore::open(options.clone()).await.unwrap();
    let second = migrate(&options, &TOPOLOGY, || unreachable!())
        .await
        .unwrap();
    assert!(!second.is_new && second.applied.is_empty(), "{second:?}");
    assert_eq!(second.cluster_id, first.cluster_id);
    let again = PostgresStore::open(options).await.unwrap();
    assert_eq!(again.signing_key_pem(), "first");
    assert_eq!(again.cluster_id(), first.cluster_id);
    assert_eq!(again.incarnations(), store.incarnations());
}

#[tokio::test]
async fn several_processes_may_migrate_at_once() {
    let databases = Databases::new();
    let options = options(&databases.next().await);
    let made = AtomicU32::new(0);
    let all = (0..6).map(|nth| {
        let (options, made) = (&options, &made);
        async move {
            migrate(options, &TOPOLOGY, || {
                made.fetch_add(1, Ordering::SeqCst);
                nth.to_string()
            })
            .await
            .unwrap()
        }
    });
    let mut running: Vec<_> = all.map(Box::pin).collect();
    let (a, b, c) = tokio::join!(
        running.pop().unwrap(),
        running.pop().unwrap(),
        running.pop().unwrap()
    );
    let done = [a, b, c];
    assert_eq!(done.iter().filter(|done| done.is_new).count(), 1);
    assert_eq!(made.load(Ordering::SeqCst), 1);
    let applied = done.iter().map(|done| done.applied.len());
    assert_eq!(applied.sum::<usize>(), STEPS);
    let ids: BTreeSet<_> = done.iter().map(|done| done.cluster_id.as_str()).collect();
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn the_number_of_shards_is_fixed() {
    let databases = Databases::new();
    let mut options = options(&databases.next().await);
    open(options.clone()).await;
    let other = Topology::uniform(8);
    let text = mismatch(migrate(&options, &other, || unreachable!()).await);
    assert!(
        text.contains("orders=16") && text.contains("orders=8"),
        "{text}"
    );
    options.topology = Some(other);
    let text = mismatch(PostgresStore::open(options.clone()).await);
    assert!(
        text.contains("orders=16") && text.contains("orders=8"),
        "{text}"
    );
    assert!(text.contains("fixed at the first migration"), "{text}");
    options.topology = None;
    let store = PostgresStore::open(options).await.unwrap();
    assert_eq!(*store.topology(), TOPOLOGY);
}

#[tokio::test]
async fn a_schema_of_another_version_is_refused() {
    let databases = Databases::new();
    for (change, expected) in [
        (
            "INSERT INTO orders.migration (part, version, digest) VALUES ('orders', 99, '')",
            "newer version",
        ),
        (
            "UPDATE products.migration SET digest = 'other' WHERE part = 'journal'",
            "another program",
        ),
        (
            "DELETE FROM auth.migration WHERE part = 'users'",
            "stampede migrate",
        ),
        ("DROP SCHEMA cluster CASCADE", "stampede migrate"),
    ] {
        let url = databases.next().await;
        open(options(&url)).await.close().await;
        run(&url, change).await;
        let text = mismatch(PostgresStore::open(options(&url)).await);
        assert!(text.contains(expected), "{change}: {text}");
    }
}

#[tokio::test]
async fn every_shard_has_a_first_incarnation() {
    let databases = Databases::new();
    let store = databases.store().await;
    let lives = store.incarnations();
    let names: BTreeSet<_> = TOPOLOGY
        .journals()
        .map(|shard| lives.of(shard, 1).to_owned())
        .collect();
    assert_eq!(names.len(), TOPOLOGY.journals().count(), "all different");
    for name in names {
        assert!(name.len() == 16 && name.chars().all(|c| c.is_ascii_hexdigit()));
    }
}

#[tokio::test]
async fn a_connection_sets_what_it_needs_whatever_the_database_says() {
    let databases = Databases::new();
    let url = databases.next().await;
    open(options(&url)).await.close().await;
    run(
        &url,
        "DO $$ BEGIN \
           EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); \
           EXECUTE format('ALTER DATABASE %I SET statement_timeout = 0', current_database()); \
         END $$; \
         CREATE TABLE seen (synchronous text, timeout text, idle text, name text); \
         CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
           INSERT INTO seen VALUES (current_setting('synchronous_commit'), current_setting('statement_timeout'), \
             current_setting('idle_in_transaction_session_timeout'), current_setting('application_name')); \
           RETURN new; END $$; \
         CREATE TRIGGER see BEFORE INSERT ON orders.head FOR EACH ROW EXECUTE FUNCTION public.see()",
    )
    .await;
    let store = PostgresStore::open(PostgresOptions {
        application_name: "a-node".to_owned(),
        ..options(&url)
    })
    .await
    .unwrap();
    store.claim(orders(1), "node", None).await.unwrap();
    let seen: (String, String, String, String) = sqlx::query_as("SELECT * FROM seen")
        .fetch_one(&mut connect(&url).await)
        .await
        .unwrap();
    let (synchronous, timeout, idle, name) = seen;
    assert_eq!(synchronous, "on");
    assert_eq!((timeout.as_str(), idle.as_str()), ("30s", "10s"));
    assert_eq!(name, "a-node");
}

#[tokio::test]
async fn domains_may_have_databases_of_their_own() {
    let databases = Databases::new();
    let mut options = options(&databases.next().await);
    options
        .urls
        .insert(Domain::Products, databases.next().await);
    let store = open(options.clone()).await;
    let mut pen = Pen::claiming(&store, &[orders(1), products(2)]).await;
    for (shard, nth) in [(products(2), 17), (orders(1), 5), (products(2), 18)] {
        let rows = RowWrites {
            parked: vec![parked(shard, nth, after_secs(nth))],
            ..RowWrites::default()
        };
        let turns = vec![turn(shard, vec![(record(nth, 1), vec![])])];
        pen.write(&store, turns, rows).await.unwrap();
    }
    assert_eq!(store.read(products(2), 0, 9).await.unwrap().len(), 2);
    let times: Vec<_> = store.all_parked(9).await.unwrap();
    let ids: Vec<_> = times.iter().map(|row| row.command.id).collect();
    assert_eq!(ids, [5, 17, 18]);
    let owners = store.shard_owners().await.unwrap();
    assert_eq!(owners.len(), 2);
    assert_eq!(store.view().await.unwrap().owners.len(), 2);

    // What is in two databases is not in one transaction.
    let both = vec![
        turn(orders(1), vec![(record(9, 1), vec![])]),
        turn(products(2), vec![(record(9, 1), vec![])]),
    ];
    let text = mismatch(pen.write(&store, both, RowWrites::default()).await);
    assert!(text.contains("different databases"), "{text}");
    assert_eq!(store.read(orders(1), 0, 9).await.unwrap().len(), 1);
    assert_eq!(store.read(products(2), 0, 9).await.unwrap().len(), 2);

    // Another cluster does not take the database of the first one for its own.
    options.url = databases.next().await;
    let text = mismatch(migrate(&options, &TOPOLOGY, String::new).await);
    assert!(text.contains("belongs to cluster"), "{text}");
}
