//! The shard's incoming links: records are taken up in order, and what is missing is read from the source's journal.

use std::{cmp::Ordering, collections::BTreeMap, time::Duration};

use super::{
    Shard,
    calls::{Deliver, Heads, HeadsFor, Question, ReadError, ReadRecord, Record},
    effects::{Effects, Notice},
    rules::{LinkKind, Part, Rules},
    turns::{Origin, Turn},
};
use crate::{Inlet, Offer};

/// Records of one link that are kept because something before them is missing. What is beyond is read from the journal.
const EARLY_MAX: usize = 1_024;

/// An incoming link.
pub(super) struct Link<R: Rules> {
    pub(super) inlet: Inlet,
    kind: LinkKind,
    delivered_at: Duration,
    /// Records that came before what they follow, by the position that they follow. Without them a link that has missed
    /// something would go on missing what arrives while it reads the journal, for as long as records keep coming.
    early: BTreeMap<u64, Record<R>>,
    /// The position of a record that cannot be taken up, which holds the link, and why it cannot.
    pub(super) held: Option<(u64, String)>,
}

impl<R: Rules> Link<R> {
    pub(super) fn new(kind: LinkKind, watermark: u64) -> Self {
        Self {
            inlet: Inlet::new(watermark),
            kind,
            delivered_at: Duration::ZERO,
            early: BTreeMap::new(),
            held: None,
        }
    }

    /// Keeps a record that is not the next one yet.
    fn keep(&mut self, record: Record<R>) {
        if self.early.len() < EARLY_MAX {
            self.early.insert(record.prev, record);
        }
    }

    /// The next record, if it has come early.
    fn next(&mut self) -> Option<Record<R>> {
        let cursor = self.inlet.cursor();
        while let Some(entry) = self.early.first_entry() {
            match entry.key().cmp(&cursor) {
                Ordering::Less => drop(entry.remove()),
                Ordering::Equal => return Some(entry.remove()),
                Ordering::Greater => return None,
            }
        }
        None
    }
}

impl<R: Rules> Shard<R> {
    /// Takes up records that the feed has delivered.
    pub(super) fn take_up(&mut self, delivery: Deliver<R>, fx: &mut dyn Effects<R>) {
        let Deliver {
            source,
            records,
            announced,
            term: _,
        } = delivery;
        if let Some(link) = self.links.get_mut(&source) {
            link.delivered_at = fx.uptime();
            link.inlet.announce(announced);
        }
        for record in records {
            self.offer(record, fx);
        }
        self.heal(source, fx);
    }

    /// Begins the turn of a record if it is the next one on its link and the shard has room, and of those that have come
    /// early and follow it.
    fn offer(&mut self, record: Record<R>, fx: &mut dyn Effects<R>) {
        let source = record.source;
        let mut next = Some(record);
        while let Some(record) = next {
            let has_room = self.turns_pending() < self.limits.turns_max;
            let Some(link) = self.links.get_mut(&source) else {
                return;
            };
            if !has_room {
                link.inlet.announce(record.position);
                return;
            }
            match link.inlet.offer(record.position, record.prev) {
                Offer::Apply => self.begin_record(record, fx),
                Offer::Duplicate => {}
                Offer::Gap => return link.keep(record),
            }
            next = self.links.get_mut(&source).and_then(Link::next);
        }
    }

    /// What a record asks of this shard's aggregates, or of one of them, and the newest id issued for it.
    pub(super) fn parts_of(
        &mut self,
        fact: &R::Fact,
        about: u64,
        only: Option<u64>,
        now: R::Time,
    ) -> (Vec<Part<R>>, Option<u64>) {
        let mut last_id = self.last_id;
        let rules = &self.rules;
        let mut parts = rules.parts(fact, about, &mut || {
            last_id = rules.next_id(last_id, now);
            last_id
        });
        if let Some(only) = only {
            parts.retain(|part| part.is_new || part.id == only);
        }
        let issued = (last_id != self.last_id).then_some(last_id);
        self.last_id = last_id;
        (parts, issued)
    }

    fn begin_record(&mut self, record: Record<R>, fx: &mut dyn Effects<R>) {
        let (parts, issued) = self.parts_of(&record.fact, record.about, None, fx.now());
        let origin = Origin::Link {
            source: record.source,
            position: record.position,
            fact: record.fact,
        };
        let mut turn = Turn::new(origin, parts);
        turn.issued = issued;
        turn.trace = record.trace;
        self.begin(turn, fx);
    }

    /// Reads the journal of every source from which something is known to be missing.
    pub(super) fn heal_links(&mut self, fx: &mut dyn Effects<R>) {
        let sources: Vec<R::Shard> = self.links.keys().copied().collect();
        for source in sources {
            self.heal(source, fx);
        }
    }

    /// Reads the journal of a source from the link's cursor on, if something is missing and there is room for it.
    fn heal(&mut self, source: R::Shard, fx: &mut dyn Effects<R>) {
        let limit = self.limits.read_max;
        let has_room = self.turns_pending() + limit <= self.limits.turns_max;
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
        fx.note(Notice::Healing);
        let question = Question::Link {
            source,
            kind,
            after,
            limit,
        };
        fx.ask(self.life, question);
    }

    /// A source's journal was read.
    pub(super) fn healed(
        &mut self,
        source: R::Shard,
        read: Result<(Vec<ReadRecord<R>>, bool), ReadError>,
        fx: &mut dyn Effects<R>,
    ) {
        let Some(link) = self.links.get_mut(&source) else {
            return;
        };
        let Ok((records, reached_the_end)) = read else {
            // Something is still missing, so that the next tick tries again.
            link.inlet.end_healing(false);
            return;
        };
        let first = records.first().map(|read| read.position);
        let last = records.last().map_or(0, |read| read.position);
        let cursor_before = link.inlet.cursor();
        for ReadRecord { position, record } in records {
            match record {
                Ok(record) => self.offer(record, fx),
                Err(error) => {
                    self.hold(source, position, error, fx);
                    return;
                }
            }
        }
        let has_room = self.turns_pending() < self.limits.turns_max;
        let Some(link) = self.links.get_mut(&source) else {
            return;
        };
        let has_moved = link.inlet.cursor() > cursor_before;
        match first {
            Some(position) if !has_moved && has_room && position > cursor_before => {
                let error = "it does not follow what was applied".to_owned();
                self.hold(source, position, error, fx);
            }
            _ => {
                let has_all = reached_the_end && link.inlet.cursor() >= last;
                link.inlet.end_healing(has_all);
                if link.held.take().is_some() {
                    self.count_held_links(fx);
                }
                if has_moved {
                    self.heal(source, fx);
                }
            }
        }
    }

    /// A record that cannot be taken up holds its link: it is never skipped. The alarm is raised once per record.
    fn hold(&mut self, source: R::Shard, position: u64, error: String, fx: &mut dyn Effects<R>) {
        let Some(link) = self.links.get_mut(&source) else {
            return;
        };
        link.inlet.end_healing(false);
        link.inlet.announce(position);
        let held_at = link.held.as_ref().map(|(position, _)| *position);
        link.held = Some((position, error.clone()));
        if held_at != Some(position) {
            fx.note(Notice::Held {
                source,
                position,
                error,
            });
        }
        self.count_held_links(fx);
    }

    fn count_held_links(&self, fx: &mut dyn Effects<R>) {
        let held = self.links.values().filter(|link| link.held.is_some());
        fx.note(Notice::HeldLinks(held.count()));
    }

    /// Asks what the sources of quiet links have sent, so that a lost last record is noticed.
    pub(super) fn look_at_sources(&mut self, fx: &mut dyn Effects<R>) {
        let (now, quiet_for) = (fx.uptime(), self.limits.quiet);
        let quiet: Vec<R::Shard> = self
            .links
            .iter()
            .filter(|(_, link)| {
                link.delivered_at.is_zero() || now.saturating_sub(link.delivered_at) >= quiet_for
            })
            .map(|(source, _)| *source)
            .collect();
        if !quiet.is_empty() {
            fx.ask(self.life, Question::Heads(quiet, HeadsFor::Links));
        }
    }

    /// The heads of the sources of quiet links were read.
    pub(super) fn sources_seen(
        &mut self,
        read: Result<Heads<R::Shard>, ReadError>,
        fx: &mut dyn Effects<R>,
    ) {
        let Ok(heads) = read else {
            return;
        };
        for (source, head) in heads {
            if let Some(link) = self.links.get_mut(&source) {
                link.inlet.announce(match link.kind {
                    LinkKind::Inbox => head.sent.get(&self.shard).copied().unwrap_or(0),
                    LinkKind::Public => head.last_position,
                });
            }
        }
        self.heal_links(fx);
    }
}
