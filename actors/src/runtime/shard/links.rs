//! The shard's incoming links: records are taken up in order, and what is missing is read from the source's journal.

use std::{sync::Arc, time::Duration};

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use domain::{Event, OrderId, ShardRef};
use engine::{Inlet, Offer};
use storage::{StorageError, StoredRecord};

use super::{
    ShardActor,
    turns::{Origin, Turn},
};
use crate::runtime::{
    Host,
    host::{LinkKind, Part},
    messages::{Deliver, Record},
    policy,
};

/// Records of one reading at most.
const READ_MAX: usize = 500;
/// A link without a delivery for so long is checked against the source's journal.
const QUIET: Duration = Duration::from_secs(1);

/// An incoming link.
pub(super) struct Link {
    inlet: Inlet,
    kind: LinkKind,
    delivered_at: Duration,
    /// The position of a record that cannot be taken up, which holds the link.
    held_at: Option<u64>,
}

impl Link {
    pub(super) fn new(kind: LinkKind, watermark: u64) -> Self {
        Self {
            inlet: Inlet::new(watermark),
            kind,
            delivered_at: Duration::ZERO,
            held_at: None,
        }
    }
}

impl<H: Host> ShardActor<H> {
    /// Takes up records that the feed has delivered.
    pub(super) fn take_up(&mut self, delivery: Deliver, ctx: &mut Context<Self>) {
        let Deliver {
            source,
            records,
            announced,
        } = delivery;
        let now = self.env.clock.uptime();
        if let Some(link) = self.links.get_mut(&source) {
            link.delivered_at = now;
            link.inlet.announce(announced);
        }
        for record in records {
            self.offer(record, ctx);
        }
        self.heal(source, ctx);
    }

    /// Begins the turn of a record if it is the next one on its link and the shard has room.
    fn offer(&mut self, record: Record, ctx: &mut Context<Self>) {
        let has_room = self.turns_pending() < policy::TURNS_MAX;
        let Some(link) = self.links.get_mut(&record.source) else {
            return;
        };
        if !has_room {
            link.inlet.announce(record.position);
            return;
        }
        if link.inlet.offer(record.position, record.prev) == Offer::Apply {
            self.begin_record(record, ctx);
        }
    }

    /// What a record asks of this shard's aggregates, or of one of them, and the newest id issued for it.
    pub(super) fn parts_of(
        &mut self,
        event: &Event,
        about: u64,
        only: Option<u64>,
    ) -> (Vec<Part<H::Aggregate>>, Option<u64>) {
        let mut last_id = self.last_id;
        let (host, topology, shard) = (&self.host, &self.env.topology, self.shard);
        let now = self.env.clock.now();
        let mut parts = host.parts(event, about, shard, topology, &mut || {
            last_id = host.next_id(last_id, shard, topology, now);
            last_id
        });
        if let Some(only) = only {
            parts.retain(|part| part.is_new || part.id == only);
        }
        let issued = (last_id != self.last_id).then_some(last_id);
        self.last_id = last_id;
        (parts, issued)
    }

    fn begin_record(&mut self, record: Record, ctx: &mut Context<Self>) {
        let (parts, issued) = self.parts_of(&record.event, record.aggregate_id, None);
        let mut turn = Turn::new(
            Origin::Link {
                source: record.source,
                position: record.position,
                event: record.event,
            },
            parts,
        );
        turn.issued = issued;
        turn.trace = record.trace;
        self.begin(turn, ctx);
    }

    /// Reads the journal of every source from which something is known to be missing.
    pub(super) fn heal_links(&mut self, ctx: &mut Context<Self>) {
        let sources: Vec<ShardRef> = self.links.keys().copied().collect();
        for source in sources {
            self.heal(source, ctx);
        }
    }

    /// Reads the journal of a source from the link's cursor on, if something is missing and there is room for it.
    fn heal(&mut self, source: ShardRef, ctx: &mut Context<Self>) {
        let has_room = self.turns_pending() + READ_MAX <= policy::TURNS_MAX;
        let Some(link) = self.links.get_mut(&source) else {
            return;
        };
        if !link.inlet.is_behind() || !has_room {
            return;
        }
        let kind = link.kind;
        let Some(after) = link.inlet.begin_healing() else {
            return;
        };
        self.env
            .stats
            .shard(self.shard, |stats| stats.healings += 1);
        let life = self.life;
        let journal = self.env.journal.clone();
        let target = self.shard;
        let reading = async move {
            match kind {
                LinkKind::Inbox => journal.read_link(source, target, after, READ_MAX).await,
                LinkKind::Public => journal.read(source, after, READ_MAX).await.map(|records| {
                    let reached_the_end = records.len() < READ_MAX;
                    (records, reached_the_end)
                }),
            }
        };
        ctx.spawn(reading.into_actor(self).map(move |read, this, ctx| {
            if this.is_current(life) {
                this.healed(source, read, ctx);
                this.retire_ready(ctx);
            }
        }));
    }

    fn healed(
        &mut self,
        source: ShardRef,
        read: Result<(Vec<StoredRecord>, bool), StorageError>,
        ctx: &mut Context<Self>,
    ) {
        let Some(link) = self.links.get_mut(&source) else {
            return;
        };
        let kind = link.kind;
        let (records, reached_the_end) = match read {
            Ok(read) => read,
            Err(error) => {
                // Something is still missing, so that the next tick tries again.
                link.inlet.end_healing(false);
                self.env.store_failed(&error);
                tracing::warn!(shard = %self.shard, %source, %error, "a journal cannot be read yet");
                return;
            }
        };
        let first = records.first().map(|stored| stored.position);
        let last = records.last().map_or(0, |stored| stored.position);
        let cursor_before = link.inlet.cursor();
        for stored in records {
            let position = stored.position;
            match decode(stored, kind, self.shard) {
                Ok(record) => self.offer(record, ctx),
                Err(error) => {
                    self.hold(source, position, &error);
                    return;
                }
            }
        }
        let has_room = self.turns_pending() < policy::TURNS_MAX;
        let Some(link) = self.links.get_mut(&source) else {
            return;
        };
        let has_moved = link.inlet.cursor() > cursor_before;
        match first {
            Some(position) if !has_moved && has_room && position > cursor_before => {
                self.hold(source, position, &"it does not follow what was applied");
            }
            _ => {
                let has_all = reached_the_end && link.inlet.cursor() >= last;
                link.inlet.end_healing(has_all);
                if link.held_at.take().is_some() {
                    self.count_held_links();
                }
                if has_moved {
                    self.heal(source, ctx);
                }
            }
        }
    }

    /// A record that cannot be taken up holds its link: it is never skipped. The alarm is raised once per record.
    fn hold(&mut self, source: ShardRef, position: u64, error: &dyn std::fmt::Display) {
        let Some(link) = self.links.get_mut(&source) else {
            return;
        };
        link.inlet.end_healing(false);
        link.inlet.announce(position);
        if link.held_at.replace(position) != Some(position) {
            tracing::error!(shard = %self.shard, %source, position, %error, "a record cannot be taken up and holds its link");
        }
        self.count_held_links();
    }

    fn count_held_links(&self) {
        let held = self
            .links
            .values()
            .filter(|link| link.held_at.is_some())
            .count();
        self.env
            .stats
            .shard(self.shard, |stats| stats.held_links = held);
    }

    /// Asks what the sources of quiet links have sent, so that a lost last record is noticed.
    pub(super) fn look_at_sources(&mut self, ctx: &mut Context<Self>) {
        let now = self.env.clock.uptime();
        let quiet: Vec<ShardRef> = self
            .links
            .iter()
            .filter(|(_, link)| {
                link.delivered_at.is_zero() || now.saturating_sub(link.delivered_at) >= QUIET
            })
            .map(|(source, _)| *source)
            .collect();
        if quiet.is_empty() {
            return;
        }
        let life = self.life;
        let journal = self.env.journal.clone();
        let reading = async move { journal.heads(&quiet).await };
        ctx.spawn(reading.into_actor(self).map(move |read, this, ctx| {
            if !this.is_current(life) {
                return;
            }
            let Ok(heads) = read else {
                return;
            };
            let me = this.shard;
            for (source, head) in heads {
                if let Some(link) = this.links.get_mut(&source) {
                    link.inlet.announce(match link.kind {
                        LinkKind::Inbox => head.sent.get(&me).copied().unwrap_or(0),
                        LinkKind::Public => head.last_position,
                    });
                }
            }
            this.heal_links(ctx);
        }));
    }
}

/// A stored record as a link of this kind carries it to its target.
fn decode(
    stored: StoredRecord,
    kind: LinkKind,
    target: ShardRef,
) -> Result<Record, proto::DecodeError> {
    let prev = match kind {
        LinkKind::Public => stored.position.saturating_sub(1),
        LinkKind::Inbox => stored
            .stamps
            .iter()
            .find(|stamp| stamp.target == target)
            .map_or(0, |stamp| stamp.prev),
    };
    Ok(Record {
        source: stored.shard,
        position: stored.position,
        prev,
        aggregate_id: stored.aggregate_id,
        time: stored.time,
        trace: stored.trace,
        event: Arc::new(crate::runtime::decode::decode(
            &stored.event_type,
            &stored.payload,
        )?),
    })
}

/// What parks, parks for this aggregate and order.
pub(super) type ParkedFor = (u64, Option<OrderId>);
