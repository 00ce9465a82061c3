//! The actor of the activity log over real SQLite stores: what it does with journals that are not as they should be.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, mpsc},
    time::Duration,
};

use actors::{Config, Running, Shop, Stores, auth::new_signing_key, start, system::Phase};
use domain::{
    Domain, Event, ShardRef, Timestamp, Topology,
    users::{SessionEnd, UserEvent},
};
use engine::{ShardCommit, StampedRecord};
use storage::{
    ActivityEntry, ActivityLog, ActivityQuery, Batch, Journal, NewRecord, RowWrites,
    sqlite::{OpenMode, SqliteActivityLog, SqliteStore},
};

const TOPOLOGY: Topology = Topology::uniform(1);
const USERS: ShardRef = ShardRef {
    domain: Domain::Auth,
    shard: 0,
};

async fn store(dir: &Path) -> Arc<SqliteStore> {
    let store = SqliteStore::open(dir, &TOPOLOGY, OpenMode::CreateIfMissing).await;
    Arc::new(store.unwrap())
}

/// Puts records in the journal of the users: their types and what they hold.
async fn record(store: &SqliteStore, records: &[(&'static str, Vec<u8>)]) {
    let head = store.claim(USERS, "test", None).await.unwrap();
    let records: Vec<_> = (1..)
        .zip(records)
        .map(|(nth, (event_type, payload))| StampedRecord {
            position: head.last_position + nth,
            stamps: vec![],
            payload: NewRecord {
                aggregate_id: 1,
                seq: head.last_position + nth,
                time: Timestamp::from_millis(1),
                event_type,
                payload: payload.clone(),
                trace: None,
            },
        })
        .collect();
    let commit = ShardCommit {
        shard: USERS,
        epoch: head.epoch,
        revision: head.revision,
        last_position: head.last_position + records.len() as u64,
        last_id: head.last_id,
        sent: BTreeMap::new(),
        watermarks: BTreeMap::new(),
        records,
    };
    let batch = Batch {
        commits: vec![commit],
        rows: RowWrites::default(),
    };
    store.commit(&Arc::new(batch)).await.unwrap();
}

fn session_closed() -> (&'static str, Vec<u8>) {
    let event = Event::User(UserEvent::SessionClosed {
        id: 1,
        end: SessionEnd::LoggedOut,
    });
    (proto::event_type(&event), proto::encode(&event))
}

async fn open(
    store: Arc<SqliteStore>,
    activity: Arc<dyn ActivityLog>,
) -> (Shop, Running, mpsc::Receiver<String>) {
    let (fatal, reasons) = mpsc::channel();
    let config = Config {
        node: "test".to_owned(),
        topology: TOPOLOGY,
        shard_threads: 1,
        password_threads: 1,
        signing_key_pem: new_signing_key().unwrap(),
        faults_allowed: false,
        on_fatal: Arc::new(move |reason| fatal.send(reason).unwrap()),
    };
    let stores = Stores {
        journal: store.clone(),
        views: store,
        activity,
        #[cfg(feature = "fault-injection")]
        faults: Arc::new(|_| Box::pin(async {})),
    };
    let (shop, running) = start(config, stores).unwrap();
    while shop.system.readiness().phase != Phase::Serving {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (shop, running, reasons)
}

async fn entries(shop: &Shop) -> Vec<ActivityEntry> {
    let query = ActivityQuery {
        limit: 10,
        ..ActivityQuery::default()
    };
    shop.logs.search(&query).await.unwrap().rows
}

#[test]
fn what_comes_before_a_record_that_cannot_be_decoded_is_written() {
    actix_rt::System::new().block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path()).await;
        let unknown = ("user.from_the_future.v9", vec![1, 2, 3]);
        record(
            &store,
            &[
                session_closed(),
                session_closed(),
                unknown,
                session_closed(),
            ],
        )
        .await;
        let activity = Arc::new(SqliteActivityLog::open(dir.path()).await.unwrap());
        let (shop, running, reasons) = open(store, activity.clone()).await;
        while entries(&shop).await.len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        running.stop(Duration::from_secs(10)).await;
        assert_eq!(activity.watermarks().await.unwrap(), [(USERS, 2)]);
        assert!(reasons.try_recv().is_err());
    });
}

#[test]
fn a_log_that_is_ahead_of_a_journal_ends_the_process() {
    actix_rt::System::new().block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let activity = Arc::new(SqliteActivityLog::open(dir.path()).await.unwrap());
        activity.append(vec![], &[(USERS, 3)]).await.unwrap();
        let restored = store(dir.path()).await;
        record(&restored, &[session_closed(), session_closed()]).await;
        let (_, running, reasons) = open(restored, activity).await;
        let reason = tokio::task::spawn_blocking(move || {
            reasons.recv_timeout(Duration::from_secs(30)).unwrap()
        });
        let reason = reason.await.unwrap();
        assert!(
            reason.contains("activity log is ahead of the journal of auth/0")
                && reason.contains("position 3")
                && reason.contains("ends at 2"),
            "{reason}"
        );
        running.stop(Duration::from_secs(2)).await;
    });
}
