//! Who may write: of two owners the later one, whatever the earlier one does.

use storage::{Directory, Journal, RowWrites, StorageError, Views, postgres::PostgresStore};

use super::{Databases, open, options, place, placing};
use crate::contract::fixtures::*;

async fn two_of_one(databases: &Databases) -> (PostgresStore, PostgresStore) {
    let options = options(&databases.next().await);
    (open(options.clone()).await, open(options).await)
}

#[tokio::test]
async fn a_former_owner_leaves_nothing() {
    let databases = Databases::new();
    let (former, later) = two_of_one(&databases).await;
    let mut pen = Pen::claiming(&former, &[orders(1)]).await;
    place(&mut pen, &former, 0).await.unwrap();
    let batch = placing(&mut pen, 1);
    let head = later.claim(orders(1), "later", Some(1)).await.unwrap();
    assert_eq!((head.epoch, head.last_position), (2, 1));
    match former.commit(&batch).await {
        Err(StorageError::HeadMoved { shard }) => assert_eq!(shard, orders(1)),
        other => panic!("{other:?}"),
    }
    assert_eq!(later.read(orders(1), 0, 9).await.unwrap().len(), 1);
    assert_eq!(later.order(order_id(1, 1)).await.unwrap(), None);
    let taken = later.find_keys(&[key(orders(1), "5:1")]).await.unwrap();
    assert_eq!(taken, []);
    let heads = later.heads(&[orders(1)]).await.unwrap();
    assert_eq!(heads, [(orders(1), head)]);
}

#[tokio::test]
async fn a_shard_that_changes_hands_in_full_flight_stays_whole() {
    const ROUNDS: u64 = 12;
    let databases = Databases::new();
    let (first, second) = two_of_one(&databases).await;
    let shard = orders(1);
    let mut committed = 0;
    for round in 0..ROUNDS {
        let (from, to) = if round % 2 == 0 {
            (&first, &second)
        } else {
            (&second, &first)
        };
        let mut pen = Pen::default();
        pen.open(shard, from.claim(shard, "from", None).await.unwrap());
        let writing = async {
            let mut written = 0;
            loop {
                let records = (0..20).map(|_| (record(7, 1), vec![products(1)])).collect();
                let turns = vec![turn(shard, records)];
                match pen.write(from, turns, RowWrites::default()).await {
                    Ok(()) => written += 20,
                    Err(StorageError::HeadMoved { .. }) => return written,
                    Err(error) => panic!("{error}"),
                }
            }
        };
        let claiming = async {
            tokio::time::sleep(std::time::Duration::from_millis(3 * round)).await;
            to.claim(shard, "to", None).await.unwrap()
        };
        let (written, head) = tokio::join!(writing, claiming);
        committed += written;
        assert_eq!(head.last_position, committed, "nothing after the claim");
        assert_eq!(head.sent.get(&products(1)).copied().unwrap_or(0), committed);
    }
    let all = first.read(shard, 0, usize::MAX).await.unwrap();
    let positions: Vec<_> = all.iter().map(|record| record.position).collect();
    assert_eq!(positions, (1..=committed).collect::<Vec<_>>());
}

#[tokio::test]
async fn of_many_claims_with_one_expectation_one_wins() {
    let databases = Databases::new();
    let (one, other) = two_of_one(&databases).await;
    for expected in 0..5 {
        let shard = orders(3);
        let claim = async |store: &PostgresStore, owner: &str| {
            store.claim(shard, owner, Some(expected)).await
        };
        let (a, b, c, d) = tokio::join!(
            claim(&one, "a"),
            claim(&other, "b"),
            claim(&one, "c"),
            claim(&other, "d")
        );
        let outcomes = [a, b, c, d];
        let won: Vec<_> = outcomes.iter().flatten().map(|head| head.epoch).collect();
        assert_eq!(won, [expected + 1], "{outcomes:?}");
        for lost in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
            assert!(matches!(lost, StorageError::HeadMoved { .. }), "{lost}");
        }
    }
}

#[tokio::test]
async fn a_released_shard_has_no_owner() {
    let databases = Databases::new();
    let (one, other) = two_of_one(&databases).await;
    one.claim(orders(1), "one", None).await.unwrap();
    one.claim(orders(2), "one", None).await.unwrap();
    other.claim(orders(2), "other", None).await.unwrap();
    one.release(orders(1), 1).await.unwrap();
    // It is somebody else's by now.
    one.release(orders(2), 1).await.unwrap();
    let owners: Vec<_> = (one.view().await.unwrap().owners.into_iter())
        .map(|entry| (entry.shard, entry.owner, entry.epoch))
        .collect();
    let expected = [
        (orders(1), None, 1),
        (orders(2), Some("other".to_owned()), 2),
    ];
    assert_eq!(owners, expected);
    let shown = one.shard_owners().await.unwrap();
    assert_eq!(shown, [(orders(2), "other".to_owned(), 2)]);
    let head = other.claim(orders(1), "other", Some(1)).await.unwrap();
    assert_eq!(head.epoch, 2);
}

#[tokio::test]
async fn an_owner_learns_that_it_is_one_no_more() {
    let databases = Databases::new();
    let (one, other) = two_of_one(&databases).await;
    let shards = [orders(1), orders(2), products(1)];
    for shard in shards {
        one.claim(shard, "one", None).await.unwrap();
    }
    let epochs = shards.map(|shard| (shard, 1));
    one.verify(&epochs).await.unwrap();
    one.verify(&[]).await.unwrap();
    for lost in [products(1), orders(2)] {
        other.claim(lost, "other", None).await.unwrap();
        match one.verify(&epochs).await {
            Err(StorageError::HeadMoved { shard }) => assert_eq!(shard, lost),
            other => panic!("{other:?}"),
        }
    }
    let never = one.verify(&[(orders(9), 1)]).await;
    assert!(matches!(never, Err(StorageError::HeadMoved { shard }) if shard == orders(9)));
}
