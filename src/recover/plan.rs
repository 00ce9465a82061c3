//! What others remember, compared with what the journals have, and what follows from it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use actors::transport::kafka::KafkaConfig;
use anyhow::{Context, Result};
use domain::{Domain, OrderId, ProductId, ShardRef, Topology};
use engine::Head;
use storage::{
    Incarnations, StorageError,
    mongo::MongoActivitySnapshot,
    postgres::{LostRecord, Recovery},
};

use super::remembered;
use crate::{cluster::stores::mongo_options, config::Mongodb};

/// Lost events of a shard that are noted at once.
const NOTED_AT_ONCE: usize = 500;
/// What the types of events begin with that are about a command and not about an aggregate of the shard.
const PARKING: &str = "command.";

/// The journals as they are.
pub(super) struct Journals {
    topology: Topology,
    heads: BTreeMap<ShardRef, Head<ShardRef>>,
    incarnations: Incarnations,
}

/// What is lost.
#[derive(Debug)]
pub(super) struct Lost {
    topology: Topology,
    /// Of each shard, what is yet to be noted.
    pending: BTreeMap<ShardRef, Vec<LostRecord>>,
    /// Shards of which something is lost that was not noted before, or that would give out a name again.
    shards: BTreeSet<ShardRef>,
    /// The shards and what they write now in.
    current: BTreeMap<ShardRef, String>,
    /// How many of each type were not noted before.
    by_type: BTreeMap<String, u64>,
    /// The largest id of each shard.
    ids: BTreeMap<ShardRef, u64>,
}

/// How far somebody had come with a source, and how far it has come from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lowered {
    pub(super) source: ShardRef,
    pub(super) from: u64,
    pub(super) to: u64,
}

/// What is done.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Lost events that were not known to be lost, by type.
    pub(super) lost: BTreeMap<String, u64>,
    /// Shards with a new incarnation.
    pub(super) renewed: Vec<ShardRef>,
    /// Shards whose last id was raised, and to what.
    pub(super) raised: Vec<(ShardRef, u64)>,
    /// Watermarks of shards.
    pub(super) links: Vec<(ShardRef, Lowered)>,
    /// Watermarks of the activity log.
    pub(super) logged: Vec<Lowered>,
    /// Cursors of publishers that were put back.
    pub(super) cursors: u64,
}

impl Plan {
    /// Compares, and does what is to be done in the transactions of the recovery.
    pub(super) async fn make(
        recovery: &mut Recovery,
        kafka: &KafkaConfig,
        mongodb: Option<&Mongodb>,
    ) -> Result<Self> {
        let journals = Arc::new(Journals {
            topology: *recovery.topology(),
            heads: recovery.heads().await?,
            incarnations: recovery.incarnations().clone(),
        });
        let mut lost = Lost::of(&journals);
        remembered::from_kafka(kafka, &journals, &mut lost, recovery).await?;
        let mut logged = Vec::new();
        if let Some(mongodb) = mongodb {
            let options = mongo_options(mongodb, Arc::new(journals.incarnations.clone()));
            let log = MongoActivitySnapshot::open(mongodb.url.expose(), options)
                .await
                .context("the activity log in MongoDB")?;
            remembered::from_log(&log, &journals, &mut lost, recovery).await?;
            logged = journals.logged_beyond(&log.watermarks());
        }
        lost.finish(recovery).await?;
        let links = journals.applied_beyond();

        let beyond = links.iter().map(|(_, lowered)| lowered).chain(&logged);
        lost.shards.extend(beyond.map(|lowered| lowered.source));
        let renewed = lost.shards.iter().flat_map(|shard| recovery.beside(*shard));
        let renewed: BTreeSet<ShardRef> = renewed.collect();
        let renewed: Vec<ShardRef> = renewed.into_iter().collect();
        recovery.renew(&renewed).await?;
        let raised = recovery.raise_ids(&lost.ids).await?;
        for (target, lowered) in &links {
            let (source, to) = (lowered.source, lowered.to);
            recovery.lower_watermark(*target, source, to).await?;
        }
        let cursors = recovery.restart().await?;
        Ok(Self {
            lost: lost.by_type,
            renewed,
            raised,
            links,
            logged,
            cursors,
        })
    }

    /// Whether nothing was lost, and nobody was beyond a journal's end.
    pub(super) fn is_whole(&self) -> bool {
        self.renewed.is_empty() && self.lost.is_empty()
    }
}

impl Journals {
    /// All of them.
    pub(super) fn shards(&self) -> Vec<ShardRef> {
        self.topology.journals().collect()
    }

    /// The last position of a journal.
    pub(super) fn end(&self, shard: ShardRef) -> u64 {
        self.heads.get(&shard).map_or(0, |head| head.last_position)
    }

    /// Whether a record that somebody remembers is there.
    pub(super) fn have(&self, shard: ShardRef, incarnation: &str, position: u64) -> bool {
        position <= self.end(shard) && self.incarnations.of(shard, position) == incarnation
    }

    /// Watermarks above what their source has sent.
    fn applied_beyond(&self) -> Vec<(ShardRef, Lowered)> {
        let links = self.heads.iter().flat_map(|(target, head)| {
            let watermarks = head.watermarks.iter();
            watermarks.map(|(source, watermark)| (*target, *source, *watermark))
        });
        links
            .filter_map(|(target, source, from)| {
                let to = self.sent(source, target);
                (from > to).then_some((target, Lowered { source, from, to }))
            })
            .collect()
    }

    /// The last position on a link.
    fn sent(&self, source: ShardRef, target: ShardRef) -> u64 {
        if target.domain == Domain::Notifications {
            // A public link carries every record.
            return self.end(source);
        }
        let head = self.heads.get(&source);
        head.and_then(|head| head.sent.get(&target).copied())
            .unwrap_or(0)
    }

    /// Watermarks of the activity log above the ends of the journals.
    fn logged_beyond(&self, watermarks: &[(ShardRef, u64)]) -> Vec<Lowered> {
        let beyond = watermarks.iter().map(|&(source, from)| Lowered {
            source,
            from,
            to: self.end(source),
        });
        beyond.filter(|lowered| lowered.from > lowered.to).collect()
    }
}

impl Lost {
    fn of(journals: &Journals) -> Self {
        let current = journals.shards().into_iter().map(|shard| {
            let incarnation = journals.incarnations.current(shard);
            (shard, incarnation.to_owned())
        });
        Self {
            topology: journals.topology,
            current: current.collect(),
            pending: BTreeMap::new(),
            shards: BTreeSet::new(),
            by_type: BTreeMap::new(),
            ids: BTreeMap::new(),
        }
    }

    /// Notes a record that somebody remembers and its journal does not have.
    pub(super) async fn note(
        &mut self,
        record: LostRecord,
        recovery: &mut Recovery,
    ) -> Result<(), StorageError> {
        let event = &record.event;
        let shard = event.shard;
        if i64::try_from(event.position).is_err() {
            // No journal has such a position.
            return Ok(());
        }
        if self.current.get(&shard) == Some(&event.incarnation) {
            self.shards.insert(shard);
        }
        let is_own = !event.event_type.starts_with(PARKING);
        if is_own && is_id_of(shard, event.aggregate_id, &self.topology) {
            let id = self.ids.entry(shard).or_default();
            *id = event.aggregate_id.max(*id);
        }
        let pending = self.pending.entry(shard).or_default();
        pending.push(record);
        if pending.len() >= NOTED_AT_ONCE {
            self.write(shard, recovery).await?;
        }
        Ok(())
    }

    async fn write(
        &mut self,
        shard: ShardRef,
        recovery: &mut Recovery,
    ) -> Result<(), StorageError> {
        let records = self.pending.remove(&shard).unwrap_or_default();
        for (event_type, count) in recovery.note_lost(&records).await? {
            self.shards.insert(shard);
            *self.by_type.entry(event_type).or_default() += count;
        }
        Ok(())
    }

    async fn finish(&mut self, recovery: &mut Recovery) -> Result<(), StorageError> {
        while let Some(shard) = self.pending.keys().next().copied() {
            self.write(shard, recovery).await?;
        }
        Ok(())
    }
}

/// Whether that is an id that this shard gives out.
fn is_id_of(shard: ShardRef, id: u64, topology: &Topology) -> bool {
    match shard.domain {
        Domain::Orders => OrderId::new(id).is_some_and(|id| id.shard() == shard.shard),
        domain => {
            let shards = u64::from(topology.shards(domain).max(1));
            // Users and notifications are numbered as products are.
            ProductId::new(id).is_some() && id % shards == u64::from(shard.shard)
        }
    }
}
