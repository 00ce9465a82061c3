//! What every [`Archive`] must do. `make` gives a new, empty store of [`TOPOLOGY`], to be written to and to be archived.

use storage::{Archive, Archived, Journal, RowWrites, StorageError, StoredRecord};

use super::fixtures::*;

pub(crate) async fn all<J: Journal, A: Archive>(make: impl AsyncFn() -> (J, A)) {
    let (journal, archive) = make().await;
    marks_come_and_go(&journal, archive).await;
    let (journal, archive) = make().await;
    records_up_to_the_mark_go_and_come_back(&journal, archive).await;
}

fn mark(shard: u16, position: u64) -> Archived {
    Archived {
        shard: orders(shard),
        position,
        before: after_secs(position),
    }
}

fn is_mismatch<T: std::fmt::Debug>(outcome: Result<T, StorageError>) {
    assert!(
        matches!(outcome, Err(StorageError::Mismatch(_))),
        "{outcome:?}"
    );
}

/// Ten records of two shards.
async fn fill(journal: &impl Journal) -> Vec<StoredRecord> {
    let mut pen = Pen::claiming(journal, &[orders(1), orders(11)]).await;
    for seq in 1..=10 {
        for shard in [orders(1), orders(11)] {
            let turn = turn(shard, vec![(record(7, seq), vec![products(2)])]);
            let written = pen.write(journal, vec![turn], RowWrites::default());
            written.await.unwrap();
        }
    }
    journal.read(orders(1), 0, 100).await.unwrap()
}

async fn marks_come_and_go(journal: &impl Journal, mut archive: impl Archive) {
    fill(journal).await;
    assert!(!archive.store_id().is_empty());
    assert_eq!(archive.archived().await.unwrap(), []);
    archive
        .set_archived(&[mark(1, 4), mark(11, 2)])
        .await
        .unwrap();
    archive.set_archived(&[mark(1, 10)]).await.unwrap();
    assert_eq!(
        archive.archived().await.unwrap(),
        [mark(1, 10), mark(11, 2)]
    );
    let asked = [orders(1), orders(2), products(1)];
    assert_eq!(journal.archived(&asked).await.unwrap(), [(orders(1), 10)]);
    is_mismatch(archive.set_archived(&[mark(11, 3), mark(1, 11)]).await);
    is_mismatch(archive.set_archived(&[mark(2, 1)]).await);
    assert_eq!(
        archive.archived().await.unwrap(),
        [mark(1, 10), mark(11, 2)]
    );
    archive.set_archived(&[mark(1, 0)]).await.unwrap();
    assert_eq!(archive.archived().await.unwrap(), [mark(11, 2)]);
}

async fn records_up_to_the_mark_go_and_come_back(
    journal: &impl Journal,
    mut archive: impl Archive,
) {
    let records = fill(journal).await;
    assert_eq!(archive.forget(orders(1), 0, 10).await.unwrap(), 0);
    is_mismatch(archive.put_back(&records[..1]).await);
    archive.set_archived(&[mark(1, 6)]).await.unwrap();
    assert_eq!(archive.forget(orders(1), 0, 2).await.unwrap(), 2);
    assert_eq!(archive.forget(orders(1), 2, 100).await.unwrap(), 4);
    assert_eq!(archive.forget(orders(1), 0, 100).await.unwrap(), 0);
    assert_eq!(journal.read(orders(1), 0, 100).await.unwrap(), records[6..]);
    assert_eq!(journal.read(orders(11), 0, 100).await.unwrap().len(), 10);
    let (link, _) = journal
        .read_link(orders(1), products(2), 6, 100)
        .await
        .unwrap();
    assert_eq!(link, records[6..]);
    // The shard goes on as if nothing had happened.
    let head = journal.heads(&[orders(1)]).await.unwrap();
    assert_eq!(head[0].1.last_position, 10);

    is_mismatch(archive.put_back(&records[5..7]).await);
    assert_eq!(archive.put_back(&records[2..6]).await.unwrap(), 4);
    assert_eq!(archive.put_back(&records[..6]).await.unwrap(), 2);
    assert_eq!(archive.put_back(&[]).await.unwrap(), 0);
    assert_eq!(journal.read(orders(1), 0, 100).await.unwrap(), records);
}
