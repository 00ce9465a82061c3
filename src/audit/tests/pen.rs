//! A small store, written through the storage port as the program writes it.

use std::{collections::HashMap, path::Path, sync::Arc};

use domain::{Event, ShardRef, Timestamp, Topology, routing};
use engine::{Entry, Writer};
use storage::{
    ActivityLog, Batch, Journal, KeyRecord, Level, NewActivity, NewRecord, RowWrites,
    sqlite::{OpenMode, SqliteActivityLog, SqliteStore},
};

/// One shard of each domain.
pub(crate) const TOPOLOGY: Topology = Topology::uniform(1);

/// What a turn of a shard brings about beside its events.
#[derive(Default)]
pub(super) struct Beside {
    pub(super) last_id: Option<u64>,
    pub(super) watermark: Option<(ShardRef, u64)>,
    pub(super) key: Option<KeyRecord>,
}

/// Writes journals, rows and the activity log.
pub(super) struct Pen {
    journal: Arc<dyn Journal>,
    log: Option<Arc<dyn ActivityLog>>,
    /// The files, to be closed.
    files: Option<(Arc<SqliteStore>, Arc<SqliteActivityLog>)>,
    writer: Writer<ShardRef, NewRecord, ()>,
    pub(super) memory: Memory,
}

/// What was written.
#[derive(Clone)]
pub(super) struct Memory {
    pub(super) now: Timestamp,
    /// What was recorded in each shard: the aggregate and the event.
    journals: HashMap<ShardRef, Vec<(u64, Event)>>,
}

impl Pen {
    /// In files in this directory.
    pub(super) async fn open(dir: &Path) -> Self {
        let store = SqliteStore::open(dir, &TOPOLOGY, OpenMode::CreateIfMissing).await;
        let store = Arc::new(store.unwrap());
        let log = Arc::new(SqliteActivityLog::open(dir).await.unwrap());
        Self {
            files: Some((store.clone(), log.clone())),
            ..Self::over(store, Some(log), Memory::default()).await
        }
    }

    /// In these stores, which hold what the memory says.
    pub(super) async fn over(
        journal: Arc<dyn Journal>,
        log: Option<Arc<dyn ActivityLog>>,
        memory: Memory,
    ) -> Self {
        let mut writer = Writer::default();
        for shard in TOPOLOGY.journals() {
            writer.open(shard, journal.claim(shard, "test", None).await.unwrap());
        }
        Self {
            journal,
            log,
            files: None,
            writer,
            memory,
        }
    }

    pub(super) async fn close(self) {
        if let Some((store, log)) = self.files {
            store.close().await.unwrap();
            log.close().await.unwrap();
        }
    }

    /// How many records a shard has.
    pub(super) fn recorded(&self, shard: ShardRef) -> u64 {
        self.memory.journals.get(&shard).map_or(0, Vec::len) as u64
    }

    /// The newest record of a shard with its position.
    pub(super) fn newest(&self, shard: ShardRef) -> (u64, (u64, Event)) {
        let journal = &self.memory.journals[&shard];
        (journal.len() as u64, journal.last().unwrap().clone())
    }

    /// One turn of a shard, and its entries in the activity log. Time goes on after it.
    pub(super) async fn commit(
        &mut self,
        shard: ShardRef,
        (id, first_seq): (u64, u64),
        events: Vec<Event>,
        mut rows: RowWrites,
        beside: Beside,
    ) {
        rows.keys = beside.key.into_iter().collect();
        let record = |(seq, event): (u64, &Event)| engine::NewRecord {
            targets: routing::inbox_targets(event, &TOPOLOGY),
            payload: NewRecord {
                aggregate_id: id,
                seq,
                time: self.memory.now,
                event_type: proto::event_type(event),
                payload: proto::encode(event),
                trace: None,
            },
        };
        let records = (first_seq..).zip(&events).map(record).collect();
        let entry = Entry {
            shard,
            generation: self.writer.generation(),
            records,
            last_id: beside.last_id,
            watermark: beside.watermark,
            companion: (),
        };
        self.writer.submit(entry).unwrap();
        let commits = self.writer.begin(usize::MAX).unwrap().commits;
        let batch = Arc::new(Batch { commits, rows });
        self.journal.commit(&batch).await.unwrap();
        self.writer.committed();

        let journal = self.memory.journals.entry(shard).or_default();
        for event in events {
            journal.push((id, event));
            let position = journal.len() as u64;
            let entry = NewActivity {
                source: Some((shard, position)),
                time: self.memory.now,
                level: Level::Info,
                service: "test",
                event_type: "test.v1".to_owned(),
                order_id: None,
                message: "something happened".to_owned(),
            };
            if let Some(log) = &self.log {
                log.append(vec![entry], &[(shard, position)]).await.unwrap();
            }
        }
        self.memory.now = self.memory.now.plus(std::time::Duration::from_millis(100));
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            now: Timestamp::from_millis(1_800_000_000_000),
            journals: HashMap::new(),
        }
    }
}
