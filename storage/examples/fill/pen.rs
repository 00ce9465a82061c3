//! Writes what a batch brings about: one transaction for the journals, one for the activity log.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use domain::{Domain, Event, OrderId, ShardRef, Timestamp, Topology, routing};
use engine::{Entry, Writer};
use storage::{ActivityLog, Batch, Journal, Level, NewActivity, NewRecord, RowWrites};

/// A record on its way to a shard that reads it.
#[derive(Clone)]
pub(super) struct Sent {
    pub(super) source: ShardRef,
    pub(super) position: u64,
    pub(super) about: u64,
    pub(super) event: Event,
}

/// What one shard adds to the batch.
#[derive(Default)]
struct Part {
    records: Vec<engine::NewRecord<ShardRef, NewRecord>>,
    last_id: Option<u64>,
    watermarks: BTreeMap<ShardRef, u64>,
}

/// The stores, and what is to be committed to them next.
pub(super) struct Pen {
    journal: Box<dyn Journal>,
    log: Option<Box<dyn ActivityLog>>,
    writer: Writer<ShardRef, NewRecord, ()>,
    topology: Topology,
    positions: BTreeMap<ShardRef, u64>,
    parts: BTreeMap<ShardRef, Part>,
    entries: Vec<NewActivity>,
    /// Rows of the batch; keys and new rows are pushed, what changes often is added before the commit.
    pub(super) rows: RowWrites,
    inboxes: BTreeMap<ShardRef, VecDeque<Sent>>,
    pub(super) records: u64,
}

impl Pen {
    /// Over these stores, which are empty.
    pub(super) async fn over(
        journal: Box<dyn Journal>,
        log: Option<Box<dyn ActivityLog>>,
        topology: Topology,
    ) -> Self {
        let mut writer = Writer::default();
        for shard in topology.journals() {
            let head = journal.claim(shard, "fill", None).await.unwrap();
            assert_eq!(head.last_position, 0, "{shard} has records already");
            writer.open(shard, head);
        }
        Self {
            journal,
            log,
            writer,
            topology,
            positions: BTreeMap::new(),
            parts: BTreeMap::new(),
            entries: Vec::new(),
            rows: RowWrites::default(),
            inboxes: BTreeMap::new(),
            records: 0,
        }
    }

    pub(super) const fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Records an event, and sends it to all that must act on it.
    pub(super) fn record(
        &mut self,
        shard: ShardRef,
        (about, seq): (u64, u64),
        time: Timestamp,
        event: Event,
    ) {
        self.records += 1;
        let position = self.positions.entry(shard).or_default();
        *position += 1;
        let position = *position;
        let event_type = proto::event_type(&event);
        let targets = routing::inbox_targets(&event, &self.topology);
        let record = engine::NewRecord {
            payload: NewRecord {
                aggregate_id: about,
                seq,
                time,
                event_type,
                payload: proto::encode(&event),
                trace: None,
            },
            targets: targets.clone(),
        };
        self.parts.entry(shard).or_default().records.push(record);
        if self.log.is_some() {
            let is_order = shard.domain == Domain::Orders;
            self.entries.push(NewActivity {
                source: Some((shard, position)),
                time,
                level: Level::Info,
                service: shard.domain.name(),
                event_type: event_type.to_owned(),
                order_id: is_order.then(|| OrderId::new(about)).flatten(),
                message: format!("{} {about}: {event_type}", shard.domain.name()),
            });
        }
        let public = routing::public_target(shard, &self.topology);
        for target in targets.into_iter().chain(public) {
            let sent = Sent {
                source: shard,
                position,
                about,
                event: event.clone(),
            };
            self.inboxes.entry(target).or_default().push_back(sent);
        }
    }

    /// The next record that a shard of this domain has to act on, and that shard. Its watermark passes it.
    pub(super) fn receive(&mut self, domain: Domain) -> Option<(ShardRef, Sent)> {
        for (&shard, inbox) in &mut self.inboxes {
            if shard.domain == domain
                && let Some(sent) = inbox.pop_front()
            {
                let part = self.parts.entry(shard).or_default();
                part.watermarks.insert(sent.source, sent.position);
                return Some((shard, sent));
            }
        }
        None
    }

    /// The shard has issued this id.
    pub(super) fn issued(&mut self, shard: ShardRef, id: u64) {
        self.parts.entry(shard).or_default().last_id = Some(id);
    }

    /// Commits the batch.
    pub(super) async fn commit(&mut self) {
        for (shard, part) in std::mem::take(&mut self.parts) {
            let generation = self.writer.generation();
            let entry = |records, last_id, watermark| Entry {
                shard,
                generation,
                records,
                last_id,
                watermark,
                companion: (),
            };
            self.writer
                .submit(entry(part.records, part.last_id, None))
                .unwrap();
            for watermark in part.watermarks {
                let entry = entry(Vec::new(), None, Some(watermark));
                self.writer.submit(entry).unwrap();
            }
        }
        let mut rows = std::mem::take(&mut self.rows);
        while let Some(batch) = self.writer.begin(usize::MAX) {
            let batch = Arc::new(Batch {
                commits: batch.commits,
                rows: std::mem::take(&mut rows),
            });
            self.journal.commit(&batch).await.unwrap();
            self.writer.committed();
        }
        let entries = std::mem::take(&mut self.entries);
        if let Some(log) = &self.log {
            let watermarks: Vec<_> = self
                .positions
                .iter()
                .map(|(&shard, &position)| (shard, position))
                .collect();
            log.append(entries, &watermarks).await.unwrap();
        }
    }
}
