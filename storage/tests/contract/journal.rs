//! What every [`Journal`] must do. `make` gives a new, empty store of [`TOPOLOGY`].

use std::{collections::BTreeMap, sync::Arc};

use domain::{ShardRef, orders::OrderStatus, users::Role};
use storage::{Batch, Journal, RowWrites, StorageError};

use super::fixtures::*;

pub(crate) async fn all<J: Journal>(make: impl AsyncFn() -> J) {
    claims_raise_the_epoch(&make().await).await;
    an_expected_epoch_must_be_the_one(&make().await).await;
    heads_are_of_claimed_shards_only(&make().await).await;
    a_commit_moves_the_head(&make().await).await;
    a_watermark_alone_is_committed(&make().await).await;
    a_stale_epoch_writes_nothing(&make().await).await;
    a_stale_revision_writes_nothing(&make().await).await;
    a_record_in_a_wrong_place_writes_nothing(&make().await).await;
    records_come_back_in_order(&make().await).await;
    a_link_gives_its_own_records_only(&make().await).await;
    links_keep_their_chain(&make().await).await;
    the_last_state_wins(&make().await).await;
    rows_of_every_kind_come_back(&make().await).await;
    large_batches_are_whole(&make().await).await;
    keys_have_one_owner(&make().await).await;
    an_expired_key_may_be_taken_anew(&make().await).await;
    expired_keys_are_purged(&make().await).await;
    parked_commands_come_and_go(&make().await).await;
}

fn assert_moved(outcome: Result<impl std::fmt::Debug, StorageError>, shard: ShardRef) {
    match outcome {
        Err(StorageError::HeadMoved { shard: named }) => assert_eq!(named, shard),
        other => panic!("expected the head of {shard} to have moved, got {other:?}"),
    }
}

async fn claims_raise_the_epoch(journal: &impl Journal) {
    for epoch in 1..=3 {
        let head = journal.claim(orders(1), "node", None).await.unwrap();
        assert_eq!(head, engine::Head::empty(epoch));
    }
    let other = journal.claim(orders(2), "node", None).await.unwrap();
    assert_eq!(other.epoch, 1);
    let beyond = journal.claim(orders(16), "node", None).await;
    assert!(matches!(beyond, Err(StorageError::Mismatch(_))));
}

async fn an_expected_epoch_must_be_the_one(journal: &impl Journal) {
    let shard = orders(1);
    assert_moved(journal.claim(shard, "a", Some(5)).await, shard);
    assert_eq!(journal.heads(&[shard]).await.unwrap(), []);
    assert_eq!(journal.claim(shard, "a", Some(0)).await.unwrap().epoch, 1);
    assert_moved(journal.claim(shard, "b", Some(0)).await, shard);
    assert_eq!(journal.claim(shard, "b", Some(1)).await.unwrap().epoch, 2);
    assert_moved(journal.claim(shard, "a", Some(1)).await, shard);
    assert_eq!(journal.heads(&[shard]).await.unwrap()[0].1.epoch, 2);
    // Its own attempt, of which it did not learn, is no other owner's.
    assert_eq!(journal.claim(shard, "b", Some(1)).await.unwrap().epoch, 3);
}

async fn heads_are_of_claimed_shards_only(journal: &impl Journal) {
    journal.claim(orders(1), "node", None).await.unwrap();
    journal.claim(products(1), "node", None).await.unwrap();
    let asked = [products(1), orders(3)];
    let heads = journal.heads(&asked).await.unwrap();
    assert_eq!(heads, [(products(1), engine::Head::empty(1))]);
}

async fn a_commit_moves_the_head(journal: &impl Journal) {
    let mut pen = Pen::claiming(journal, &[orders(1), products(2)]).await;
    let mut first = turn(
        orders(1),
        vec![
            (record(1, 1), vec![products(2), products(3)]),
            (record(1, 2), vec![products(3)]),
        ],
    );
    first.last_id = Some(77);
    let mut second = turn(products(2), vec![]);
    second.watermark = Some((orders(1), 1));
    pen.write(journal, vec![first, second], RowWrites::default())
        .await
        .unwrap();
    let third = turn(orders(1), vec![(record(2, 1), vec![products(2)])]);
    pen.write(journal, vec![third], RowWrites::default())
        .await
        .unwrap();

    let head = journal.claim(orders(1), "other", Some(1)).await.unwrap();
    assert_eq!(head.epoch, 2);
    assert_eq!(
        (head.last_position, head.revision, head.last_id),
        (3, 2, 77)
    );
    assert_eq!(
        head.sent,
        BTreeMap::from([(products(2), 3), (products(3), 2)])
    );
    assert!(head.watermarks.is_empty());
    let target = journal.claim(products(2), "other", None).await.unwrap();
    assert_eq!((target.last_position, target.revision), (0, 1));
    assert_eq!(target.watermarks, BTreeMap::from([(orders(1), 1)]));
    assert!(target.sent.is_empty());
}

async fn a_watermark_alone_is_committed(journal: &impl Journal) {
    let mut pen = Pen::claiming(journal, &[products(2)]).await;
    for position in [4, 9] {
        let mut moves = turn(products(2), vec![]);
        moves.watermark = Some((orders(1), position));
        pen.write(journal, vec![moves], RowWrites::default())
            .await
            .unwrap();
    }
    let heads = journal.heads(&[products(2)]).await.unwrap();
    assert_eq!(heads[0].1.watermark(orders(1)), 9);
    assert_eq!(heads[0].1.revision, 2);
    journal.commit(&Arc::default()).await.unwrap();
}

/// A batch for two shards with rows of many kinds.
fn telling_batch(pen: &mut Pen) -> Arc<Batch> {
    let id = order_id(1, 0);
    let rows = RowWrites {
        orders: vec![(order(id, 5, OrderStatus::Created), 1)],
        products: vec![(product(17, "TEE-XL", "T-shirt"), 1)],
        users: vec![(user(5, "ada", Role::Customer), 1)],
        keys: vec![taken(&key(orders(1), "5:abc"), id.get(), None)],
        parked: vec![parked(products(2), 3, NOW)],
        ..RowWrites::default()
    };
    let mut applies = turn(products(2), vec![(record(17, 1), vec![orders(1)])]);
    applies.watermark = Some((orders(1), 1));
    let turns = vec![
        turn(orders(1), vec![(record(id.get(), 1), vec![products(2)])]),
        applies,
    ];
    pen.batch(turns, rows)
}

async fn assert_nothing_of_it(journal: &impl Journal) {
    let shards = [orders(1), products(2)];
    for (_, head) in journal.heads(&shards).await.unwrap() {
        assert_eq!((head.last_position, head.revision, head.last_id), (0, 0, 0));
        assert!(head.sent.is_empty() && head.watermarks.is_empty());
    }
    for shard in shards {
        assert_eq!(journal.read(shard, 0, 10).await.unwrap(), []);
        assert_eq!(journal.parked(shard).await.unwrap(), []);
    }
    let loaded = journal.load_orders(&[order_id(1, 0)]).await.unwrap();
    assert_eq!(loaded, []);
    let product = product(17, "TEE-XL", "T-shirt");
    assert_eq!(journal.load_products(&[product.id]).await.unwrap(), []);
    let user = user(5, "ada", Role::Customer);
    assert_eq!(journal.load_users(&[user.id]).await.unwrap(), []);
    let key = key(orders(1), "5:abc");
    assert_eq!(journal.find_keys(&[key]).await.unwrap(), []);
}

async fn a_stale_epoch_writes_nothing(journal: &impl Journal) {
    let shards = [orders(1), products(2)];
    for stale in shards {
        let mut pen = Pen::claiming(journal, &shards).await;
        let batch = telling_batch(&mut pen);
        journal.claim(stale, "usurper", None).await.unwrap();
        assert_moved(journal.commit(&batch).await, stale);
        assert_nothing_of_it(journal).await;
    }
    let mut pen = Pen::claiming(journal, &shards).await;
    let batch = telling_batch(&mut pen);
    journal.commit(&batch).await.unwrap();
    assert_eq!(journal.read(orders(1), 0, 9).await.unwrap().len(), 1);
}

async fn a_stale_revision_writes_nothing(journal: &impl Journal) {
    let mut pen = Pen::claiming(journal, &[orders(1)]).await;
    let batch = pen.batch(
        vec![turn(orders(1), vec![(record(1, 1), vec![])])],
        RowWrites::default(),
    );
    journal.commit(&batch).await.unwrap();
    // The same once more: an own commit whose outcome was unknown had landed.
    assert_moved(journal.commit(&batch).await, orders(1));
    let mut early = batch.clone();
    Arc::make_mut(&mut early).commits[0].revision = 5;
    assert_moved(journal.commit(&early).await, orders(1));
    assert_eq!(journal.read(orders(1), 0, 9).await.unwrap().len(), 1);
    let heads = journal.heads(&[orders(1)]).await.unwrap();
    assert_eq!(heads[0].1.revision, 1);
}

async fn a_record_in_a_wrong_place_writes_nothing(journal: &impl Journal) {
    let mut pen = Pen::claiming(journal, &[orders(1)]).await;
    let mut batch = pen.batch(
        vec![turn(orders(1), vec![(record(1, 1), vec![])])],
        RowWrites::default(),
    );
    let commit = &mut Arc::get_mut(&mut batch).unwrap().commits[0];
    commit.last_position = 2;
    commit.records[0].position = 2;
    assert_moved(journal.commit(&batch).await, orders(1));
    let unclaimed = Arc::new(Batch {
        commits: vec![engine::ShardCommit {
            shard: orders(2),
            ..batch.commits[0].clone()
        }],
        rows: RowWrites::default(),
    });
    assert_moved(journal.commit(&unclaimed).await, orders(2));
    assert_eq!(journal.read(orders(1), 0, 9).await.unwrap(), []);
}

async fn records_come_back_in_order(journal: &impl Journal) {
    let mut pen = Pen::claiming(journal, &[orders(1), orders(11)]).await;
    for nth in 0..5 {
        let turns = vec![
            turn(
                orders(1),
                vec![
                    (record(1, 2 * nth + 1), vec![products(3)]),
                    (record(1, 2 * nth + 2), vec![]),
                ],
            ),
            turn(orders(11), vec![(record(2, nth + 1), vec![])]),
        ];
        pen.write(journal, turns, RowWrites::default())
            .await
            .unwrap();
    }
    let all = journal.read(orders(1), 0, 100).await.unwrap();
    let positions: Vec<_> = all.iter().map(|record| record.position).collect();
    assert_eq!(positions, (1..=10).collect::<Vec<_>>());
    for (record, seq) in all.iter().zip(1..) {
        assert_eq!((record.shard, record.aggregate_id), (orders(1), 1));
        assert_eq!((record.seq, record.time), (seq, NOW));
        assert_eq!(record.event_type, "order.created.v1");
        assert_eq!(record.payload, format!("1/{seq}").into_bytes());
    }
    let some = journal.read(orders(1), 3, 2).await.unwrap();
    assert_eq!(some, all[3..5]);
    assert_eq!(journal.read(orders(1), 10, 9).await.unwrap(), []);
    assert_eq!(journal.read(orders(11), 0, 100).await.unwrap().len(), 5);
}

async fn a_link_gives_its_own_records_only(journal: &impl Journal) {
    let mut pen = Pen::claiming(journal, &[orders(1)]).await;
    let records = (1..=12)
        .map(|seq| {
            let targets = match seq % 4 {
                0 => vec![products(1)],
                1 => vec![products(11)],
                2 => vec![products(1), products(11)],
                _ => vec![],
            };
            (record(1, seq), targets)
        })
        .collect();
    let turns = vec![turn(orders(1), records)];
    pen.write(journal, turns, RowWrites::default())
        .await
        .unwrap();
    let of = async |target, after, limit| {
        let (records, end) = journal
            .read_link(orders(1), target, after, limit)
            .await
            .unwrap();
        let positions: Vec<_> = records.iter().map(|record| record.position).collect();
        (positions, end)
    };
    assert_eq!(
        of(products(1), 0, 9).await,
        (vec![2, 4, 6, 8, 10, 12], true)
    );
    assert_eq!(
        of(products(11), 0, 9).await,
        (vec![1, 2, 5, 6, 9, 10], true)
    );
    assert_eq!(
        of(products(1), 0, 6).await,
        (vec![2, 4, 6, 8, 10, 12], true)
    );
    assert_eq!(of(products(1), 0, 5).await, (vec![2, 4, 6, 8, 10], false));
    assert_eq!(of(products(1), 10, 5).await, (vec![12], true));
    assert_eq!(of(products(1), 12, 5).await, (vec![], true));
    assert_eq!(of(products(2), 0, 5).await, (vec![], true));
    assert_eq!(of(orders(1), 0, 5).await, (vec![], true));
}

async fn links_keep_their_chain(journal: &impl Journal) {
    let mut pen = Pen::claiming(journal, &[orders(1)]).await;
    for seq in 1..=6 {
        let targets = if seq % 2 == 0 {
            vec![products(1), products(2)]
        } else {
            vec![products(2)]
        };
        let turns = vec![turn(orders(1), vec![(record(1, seq), targets)])];
        pen.write(journal, turns, RowWrites::default())
            .await
            .unwrap();
    }
    for (target, positions) in [
        (products(1), vec![2, 4, 6]),
        (products(2), (1..=6).collect()),
    ] {
        let (records, _) = journal.read_link(orders(1), target, 0, 99).await.unwrap();
        let mut prev = 0;
        for (record, position) in records.iter().zip(positions) {
            let stamp = record.stamps.iter().find(|stamp| stamp.target == target);
            assert_eq!((record.position, stamp.unwrap().prev), (position, prev));
            prev = position;
        }
    }
}

async fn the_last_state_wins(journal: &impl Journal) {
    let mut pen = Pen::claiming(journal, &[orders(1)]).await;
    let id = order_id(1, 0);
    let created = order(id, 5, OrderStatus::Created);
    let confirmed = order(id, 5, OrderStatus::Confirmed);
    let rows = RowWrites {
        orders: vec![(created.clone(), 1), (confirmed.clone(), 2)],
        ..RowWrites::default()
    };
    pen.write(journal, vec![], rows).await.unwrap();
    let loaded = journal.load_orders(&[id]).await.unwrap();
    assert_eq!(loaded, [(confirmed, 2)]);
    let cancelled = order(id, 5, OrderStatus::Cancelled);
    let rows = RowWrites {
        orders: vec![(cancelled.clone(), 3)],
        ..RowWrites::default()
    };
    pen.write(journal, vec![], rows).await.unwrap();
    let loaded = journal.load_orders(&[order_id(1, 9), id]).await.unwrap();
    assert_eq!(loaded, [(cancelled, 3)]);
    assert_eq!(journal.load_orders(&[]).await.unwrap(), []);
}

async fn rows_of_every_kind_come_back(journal: &impl Journal) {
    let mut pen = Pen::claiming(journal, &[orders(1)]).await;
    let (tee, ada) = (product(17, "TEE", "T-shirt"), user(5, "Ada", Role::Admin));
    let rows = RowWrites {
        products: vec![(tee.clone(), 4)],
        users: vec![(ada.clone(), 2)],
        ..RowWrites::default()
    };
    pen.write(journal, vec![], rows).await.unwrap();
    let loaded = journal.load_products(&[tee.id]).await.unwrap();
    assert_eq!(loaded, [(tee.clone(), 4)]);
    let loaded = journal.load_users(&[ada.id]).await.unwrap();
    assert_eq!(loaded, [(ada, 2)]);
    // A SKU belongs to one product.
    let twin = RowWrites {
        products: vec![(product(33, "TEE", "Another"), 1)],
        ..RowWrites::default()
    };
    let outcome = pen.write(journal, vec![], twin).await;
    assert!(matches!(outcome, Err(StorageError::Conflict(_))));
    pen.write(journal, vec![], RowWrites::default())
        .await
        .unwrap();
}

async fn large_batches_are_whole(journal: &impl Journal) {
    const ORDERS: u32 = 1_500;
    let mut pen = Pen::claiming(journal, &[orders(1)]).await;
    let mut id = order_id(1, 0);
    let mut all = Vec::new();
    let mut records = Vec::new();
    for _ in 0..ORDERS {
        records.push((record(id.get(), 1), vec![products(3)]));
        all.push((order(id, 5, OrderStatus::Created), 1));
        id = domain::OrderId::next(Some(id), 1, NOW);
    }
    let rows = RowWrites {
        orders: all.clone(),
        ..RowWrites::default()
    };
    pen.write(journal, vec![turn(orders(1), records)], rows)
        .await
        .unwrap();
    let ids: Vec<_> = all.iter().map(|(order, _)| order.id).collect();
    let mut loaded = journal.load_orders(&ids).await.unwrap();
    loaded.sort_by_key(|(order, _)| order.id);
    assert_eq!(loaded, all);
    let read = journal.read(orders(1), 0, usize::MAX).await.unwrap();
    assert_eq!(read.len(), all.len());
}

async fn keys_have_one_owner(journal: &impl Journal) {
    let mut pen = Pen::claiming(journal, &[orders(1)]).await;
    let (first, second) = (key(orders(1), "5:first"), key(orders(1), "5:second"));
    let elsewhere = key(products(1), "5:first");
    let until = Some(after_secs(60));
    let keys = vec![
        taken(&first, 100, until),
        taken(&elsewhere, 200, None),
        taken(&first, 100, until),
    ];
    let rows = |keys| RowWrites {
        keys,
        ..RowWrites::default()
    };
    let turns = |seq| vec![turn(orders(1), vec![(record(100, seq), vec![])])];
    pen.write(journal, turns(1), rows(keys)).await.unwrap();
    let asked = [first.clone(), second.clone(), elsewhere.clone()];
    let mut found = journal.find_keys(&asked).await.unwrap();
    found.sort_by_key(|record| record.owner.aggregate_id);
    let expected = [taken(&first, 100, until), taken(&elsewhere, 200, None)];
    assert_eq!(found, expected);
    assert_eq!(journal.find_keys(&[]).await.unwrap(), []);

    let foreign = rows(vec![taken(&second, 101, until), taken(&first, 101, until)]);
    let outcome = pen.write(journal, turns(2), foreign).await;
    assert!(matches!(outcome, Err(StorageError::Conflict(_))));
    assert_eq!(journal.find_keys(&[second]).await.unwrap(), []);
    assert_eq!(journal.read(orders(1), 0, 9).await.unwrap().len(), 1);
    let forever = rows(vec![taken(&elsewhere, 201, None)]);
    let outcome = journal
        .commit(&Arc::new(Batch {
            commits: vec![],
            rows: forever,
        }))
        .await;
    assert!(matches!(outcome, Err(StorageError::Conflict(_))));
}

async fn an_expired_key_may_be_taken_anew(journal: &impl Journal) {
    let mut pen = Pen::claiming(journal, &[orders(1)]).await;
    let key = key(orders(1), "5:key");
    let rows = |aggregate, until| RowWrites {
        keys: vec![taken(&key, aggregate, Some(until))],
        ..RowWrites::default()
    };
    let turns = |secs| {
        let record = record_at(100, 1, after_secs(secs));
        vec![turn(orders(1), vec![(record, vec![])])]
    };
    pen.write(journal, turns(0), rows(100, after_secs(60)))
        .await
        .unwrap();
    let found = journal.find_keys(std::slice::from_ref(&key)).await.unwrap();
    assert_eq!(found[0].owner.expires_at, Some(after_secs(60)));
    pen.write(journal, turns(61), rows(101, after_secs(120)))
        .await
        .unwrap();
    let found = journal.find_keys(&[key]).await.unwrap();
    assert_eq!(found[0].owner.aggregate_id, 101);
    assert_eq!(found[0].owner.expires_at, Some(after_secs(120)));
}

async fn expired_keys_are_purged(journal: &impl Journal) {
    let mut pen = Pen::claiming(journal, &[orders(1)]).await;
    let keys: Vec<_> = (0..10)
        .map(|nth| key(orders(1), &format!("5:{nth}")))
        .collect();
    let mut records: Vec<_> = keys
        .iter()
        .zip(0..)
        .map(|(key, secs)| taken(key, 100, Some(after_secs(secs))))
        .collect();
    records[0].owner.expires_at = None;
    let rows = RowWrites {
        keys: records,
        ..RowWrites::default()
    };
    pen.write(journal, vec![], rows).await.unwrap();
    assert_eq!(journal.purge_keys(after_secs(5), 3).await.unwrap(), 3);
    assert_eq!(journal.purge_keys(after_secs(5), 99).await.unwrap(), 2);
    assert_eq!(journal.purge_keys(after_secs(5), 99).await.unwrap(), 0);
    assert_eq!(journal.find_keys(&keys).await.unwrap().len(), 5);
}

async fn parked_commands_come_and_go(journal: &impl Journal) {
    let shard = products(2);
    let mut pen = Pen::claiming(journal, &[shard]).await;
    let rows = RowWrites {
        parked: vec![
            parked(shard, 2, after_secs(5)),
            parked(shard, 1, after_secs(9)),
            parked(shard, 3, after_secs(1)),
            parked(shard, 4, after_secs(1)),
            parked(products(3), 1, after_secs(1)),
        ],
        unparked: vec![(shard, 4)],
        ..RowWrites::default()
    };
    pen.write(journal, vec![], rows).await.unwrap();
    // The order of ids is that of parking, also where the clock has stepped back.
    let expected = [
        parked(shard, 1, after_secs(9)),
        parked(shard, 2, after_secs(5)),
        parked(shard, 3, after_secs(1)),
    ];
    assert_eq!(journal.parked(shard).await.unwrap(), expected);
    let rows = RowWrites {
        unparked: vec![(shard, 3), (shard, 1), (shard, 99)],
        ..RowWrites::default()
    };
    pen.write(journal, vec![], rows).await.unwrap();
    assert_eq!(journal.parked(shard).await.unwrap(), expected[1..2]);
    assert_eq!(journal.parked(products(3)).await.unwrap().len(), 1);
}
