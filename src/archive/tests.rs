//! That what is taken out can be put back, that audits pass meanwhile, and that nothing is taken that is still needed.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use domain::{Domain, ShardRef, Timestamp, Topology, invariants::Invariant};
use storage::{
    Directory, Published,
    sqlite::{STORE_FILE, SqliteArchive, SqliteSnapshot},
};

use super::{
    place,
    plan::{Plan, plan},
    restore::{Restored, restore},
    take_out::{Taken, take_out},
};
use crate::{
    audit::{
        Audited, audit_all,
        tests::{damage::damage, servers::Servers, shop::Shop, told},
    },
    place::Place,
    progress::Progress,
};

const HOUR: Duration = Duration::from_secs(3_600);
const ORDERS: ShardRef = ShardRef {
    domain: Domain::Orders,
    shard: 0,
};

/// A place, and a directory for its archive.
struct Bench {
    place: Place,
    files: tempfile::TempDir,
}

impl Bench {
    fn of(place: Place) -> Self {
        Self {
            place,
            files: tempfile::tempdir().unwrap(),
        }
    }

    fn at(dir: &Path) -> Self {
        Self::of(Place::Directory(dir.to_owned()))
    }

    async fn plan(&self, before: Timestamp) -> Plan {
        let mut snapshot = place::snapshot(&self.place).await.unwrap();
        let read = place::read_by_others(&self.place).await.unwrap();
        plan(&mut *snapshot, &read, before).await.unwrap()
    }

    async fn write(&self, before: Timestamp) -> anyhow::Result<Taken> {
        let plan = self.plan(before).await;
        let snapshot = place::snapshot(&self.place).await?;
        let mut archive = place::archive(&self.place).await?;
        let progress = Progress::hidden();
        take_out(snapshot, &mut *archive, &plan, self.files.path(), &progress).await
    }

    async fn restore(&self) -> anyhow::Result<Restored> {
        let mut archive = place::archive(&self.place).await?;
        restore(&mut *archive, self.files.path(), &Progress::hidden()).await
    }

    /// An audit that must find nothing.
    async fn audit(&self) -> Audited {
        let audited = audit_all(&self.place).await.unwrap();
        assert_eq!(told(&audited.report), [""; 0]);
        audited
    }

    /// How many records the journals have.
    async fn records(&self) -> usize {
        let mut snapshot = place::snapshot(&self.place).await.unwrap();
        let mut records = 0;
        for shard in Topology::uniform(1).journals() {
            records += snapshot.records(shard, 0, 1_000).await.unwrap().len();
        }
        records
    }

    fn paths(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.files.path()).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

/// Takes out twice, goes on in between, puts back, and audits at each point.
async fn there_and_back(bench: &Bench, shop: &mut Shop, publish: impl AsyncFn()) {
    shop.sell(1).await;
    shop.sell(100).await;
    shop.sell(2).await;
    shop.pass(HOUR);
    let first = shop.now();
    shop.sell(1).await;
    shop.pass(HOUR);
    let second = shop.now();
    shop.sell(1).await;
    publish().await;
    let all = bench.audit().await.report.records;
    assert_eq!(all, 2 + 5 * 4);

    let taken = bench.write(first).await.unwrap();
    // The registration, the product, and three orders; the newest notification has not been told to anybody.
    assert_eq!((taken.records, taken.files), (14, 4));
    assert_eq!(bench.records().await, 22 - 14);
    let audited = bench.audit().await;
    assert_eq!(audited.archived_before, Some(first));
    assert_eq!((audited.report.records, audited.report.orders), (8, 2));

    shop.sell(1).await;
    publish().await;
    bench.audit().await;
    let taken = bench.write(second).await.unwrap();
    assert_eq!((taken.records, taken.files), (4, 3));
    assert_eq!(bench.audit().await.archived_before, Some(second));
    // There is nothing more of that age.
    assert_eq!(bench.write(second).await.unwrap(), Taken::default());

    let restored = bench.restore().await.unwrap();
    assert_eq!(
        restored,
        Restored {
            records: 18,
            files: 7,
            left: Vec::new()
        }
    );
    shop.sell(1).await;
    let audited = bench.audit().await;
    assert_eq!(audited.archived_before, None);
    assert_eq!((audited.report.records, audited.report.orders), (30, 7));
}

#[tokio::test]
async fn what_is_taken_out_of_a_directory_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut shop = Shop::open(dir.path(), 10).await;
    there_and_back(&Bench::at(dir.path()), &mut shop, async || {}).await;
    shop.close().await;
}

#[tokio::test]
async fn what_is_taken_out_of_a_cluster_comes_back() {
    for own_databases in [false, true] {
        let servers = Servers::with(own_databases, true).await;
        let mut shop = servers.shop(10).await;
        let store = servers.postgres().await;
        let bench = Bench::of(Place::Cluster(Box::new(servers.config.clone())));
        let publish = async || {
            let shards: Vec<ShardRef> = store.topology().journals().collect();
            let heads = storage::Journal::heads(&*store, &shards).await.unwrap();
            let published = |position| Published {
                public: position,
                inbox: position,
            };
            let cursors: Vec<_> = heads
                .iter()
                .map(|(shard, head)| (*shard, published(head.last_position)))
                .collect();
            store.set_published(&cursors).await.unwrap();
        };
        there_and_back(&bench, &mut shop, publish).await;
        servers.clean().await;
    }
}

#[tokio::test]
async fn what_somebody_has_still_to_read_stays() {
    let dir = tempfile::tempdir().unwrap();
    let mut shop = Shop::open(dir.path(), 10).await;
    let bench = Bench::at(dir.path());
    shop.sell(1).await;
    shop.pass(HOUR);
    let waiting = shop.now();
    shop.place(1).await;
    shop.pass(HOUR);
    let plan = bench.plan(shop.now()).await;
    assert_eq!(plan.before, waiting);
    assert!(
        plan.describe(shop.now())
            .contains("still to read the journal of orders/0"),
        "{}",
        plan.describe(shop.now())
    );
    shop.close().await;
    // Nor what the activity log has not.
    let log = dir.path().join(storage::sqlite::ACTIVITY_FILE);
    damage(
        &log,
        "UPDATE watermark SET position = 1 WHERE source_domain = 2",
    )
    .await;
    let plan = bench.plan(waiting).await;
    assert!(plan.before < waiting.minus(HOUR));
}

#[tokio::test]
async fn nothing_is_taken_from_a_cluster_that_was_not_published() {
    let servers = Servers::with(false, false).await;
    let mut shop = servers.shop(10).await;
    shop.sell(1).await;
    shop.pass(HOUR);
    let bench = Bench::of(Place::Cluster(Box::new(servers.config.clone())));
    assert!(bench.plan(shop.now()).await.is_empty());
    servers.clean().await;
}

#[tokio::test]
async fn a_removal_that_was_cut_short_is_finished_by_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut shop = Shop::open(dir.path(), 10).await;
    let bench = Bench::at(dir.path());
    shop.sell(1).await;
    shop.pass(HOUR);
    let before = shop.now();
    shop.sell(1).await;
    shop.close().await;
    let plan = bench.plan(before).await;
    let mut archive = place::archive(&bench.place).await.unwrap();
    archive.set_archived(&plan.marks()).await.unwrap();
    archive.forget(ORDERS, 0, 1).await.unwrap();
    assert_eq!(bench.records().await, 9);
    bench.audit().await;
    assert_eq!(bench.write(before).await.unwrap().records, 0);
    assert_eq!(bench.records().await, 4);
    bench.audit().await;
}

#[tokio::test]
async fn an_audit_finds_what_is_wrong_behind_the_marks() {
    let dir = tempfile::tempdir().unwrap();
    let mut shop = Shop::open(dir.path(), 10).await;
    let bench = Bench::at(dir.path());
    shop.sell(1).await;
    shop.pass(HOUR);
    let before = shop.now();
    shop.sell(1).await;
    shop.close().await;
    bench.write(before).await.unwrap();
    bench.audit().await;
    let sql = "DELETE FROM journal WHERE domain = 2 AND position = 3";
    damage(&dir.path().join(STORE_FILE), sql).await;
    let report = audit_all(&bench.place).await.unwrap().report;
    assert!(report.finding(Invariant::I9).violations > 0);
}

#[tokio::test]
async fn files_that_are_damaged_or_of_another_store_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut shop = Shop::open(dir.path(), 10).await;
    let bench = Bench::at(dir.path());
    shop.sell(1).await;
    shop.pass(HOUR);
    bench.write(shop.now()).await.unwrap();
    shop.close().await;
    let archived = SqliteSnapshot::open(dir.path()).await.unwrap();
    let archived = { archived }.archived().await.unwrap();

    let path = bench.paths().into_iter();
    let path = path
        .max_by_key(|path| fs::metadata(path).unwrap().len())
        .unwrap();
    let whole = fs::read(&path).unwrap();
    let mut wrong = whole.clone();
    let middle = wrong.len() / 2;
    wrong[middle] ^= 0xff;
    for bytes in [&wrong, &whole[..whole.len() - 12], &whole[..0]] {
        fs::write(&path, bytes).unwrap();
        let error = bench.restore().await.unwrap_err();
        let name = path.file_name().unwrap().to_string_lossy();
        assert!(format!("{error:#}").contains(&*name), "{error:#}");
    }
    fs::write(&path, &whole).unwrap();

    let other = tempfile::tempdir().unwrap();
    Shop::open(other.path(), 10).await.close().await;
    let mut archive = SqliteArchive::open(other.path()).await.unwrap();
    let error = restore(&mut archive, bench.files.path(), &Progress::hidden()).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("comes from the store"), "{error}");

    // All but the files that were damaged may be back by now.
    let restored = bench.restore().await.unwrap();
    assert!(restored.left.is_empty() && !archived.is_empty());
    assert_eq!(bench.audit().await.archived_before, None);
}
