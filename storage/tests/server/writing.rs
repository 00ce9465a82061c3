//! What the contracts leave open: traces, texts that PostgreSQL does not take, keys twice in one batch.

use std::sync::Arc;

use domain::users::Role;
use storage::{Batch, Journal, ProductQuery, RowWrites, StorageError, TraceContext, Views};

use super::Databases;
use crate::contract::fixtures::*;

#[tokio::test]
async fn a_record_remembers_its_request() {
    let databases = Databases::new();
    let store = databases.store().await;
    let mut pen = Pen::claiming(&store, &[orders(1)]).await;
    let trace = TraceContext {
        trace_id: *b"0123456789abcdef",
        span_id: *b"ABCDEFGH",
    };
    let mut with = record(1, 1);
    with.trace = Some(trace);
    let records = vec![(with, vec![products(1)]), (record(1, 2), vec![products(1)])];
    pen.write(&store, vec![turn(orders(1), records)], RowWrites::default())
        .await
        .unwrap();
    let read = store.read(orders(1), 0, 9).await.unwrap();
    let traces: Vec<_> = read.iter().map(|record| record.trace).collect();
    assert_eq!(traces, [Some(trace), None]);
    let (linked, _) = store.read_link(orders(1), products(1), 0, 9).await.unwrap();
    assert_eq!(linked, read);
}

#[tokio::test]
async fn a_character_that_postgresql_does_not_know_fails_nothing() {
    let databases = Databases::new();
    let store = databases.store().await;
    let mut pen = Pen::claiming(&store, &[products(1)]).await;
    let mut row = parked(products(1), 1, NOW);
    row.command.error = "a\0b".to_owned();
    let named = product(17, "TEE", "Red\0Shirt");
    let rows = RowWrites {
        products: vec![(named.clone(), 1)],
        parked: vec![row],
        users: vec![(user(5, "ada", Role::Customer), 1)],
        ..RowWrites::default()
    };
    pen.write(&store, vec![], rows).await.unwrap();
    assert_eq!(store.product(named.id).await.unwrap(), Some(named));
    let parked = store.parked(products(1)).await.unwrap();
    assert_eq!(parked[0].command.error, "a\u{fffd}b");
    let query = ProductQuery {
        text: Some("d\0s".to_owned()),
        limit: 9,
        ..ProductQuery::default()
    };
    assert_eq!(store.products(&query).await.unwrap().rows.len(), 1);
    assert!(store.credentials("a\0da").await.unwrap().is_none());
    let found = store.find_keys(&[key(orders(1), "\0")]).await.unwrap();
    assert_eq!(found, []);
}

#[tokio::test]
async fn two_of_one_batch_do_not_get_the_same_key() {
    let databases = Databases::new();
    let store = databases.store().await;
    let key = key(orders(1), "5:key");
    let batch = |first_expires, second| {
        let keys = vec![
            taken(&key, 100, first_expires),
            taken(&key, second, Some(after_secs(60))),
        ];
        let rows = RowWrites {
            keys,
            ..RowWrites::default()
        };
        Arc::new(Batch {
            commits: vec![],
            rows,
        })
    };
    for expires in [None, Some(after_secs(1))] {
        let outcome = store.commit(&batch(expires, 101)).await;
        assert!(matches!(outcome, Err(StorageError::Conflict(_))));
    }
    let asked = std::slice::from_ref(&key);
    assert_eq!(store.find_keys(asked).await.unwrap(), []);
    store.commit(&batch(None, 100)).await.unwrap();
    let found = store.find_keys(asked).await.unwrap();
    assert_eq!(found, [taken(&key, 100, Some(after_secs(60)))]);
}

#[tokio::test]
async fn a_shard_of_a_domain_without_a_journal_is_refused() {
    let databases = Databases::new();
    let store = databases.store().await;
    let payments = domain::ShardRef {
        domain: domain::Domain::Payments,
        shard: 0,
    };
    for outcome in [
        store.claim(payments, "node", None).await.map(drop),
        store.read(payments, 0, 9).await.map(drop),
    ] {
        assert!(matches!(outcome, Err(StorageError::Mismatch(_))));
    }
}
