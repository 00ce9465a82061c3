//! What carries records from shard to shard: memory, or a broker with a publisher before it. Neither is trusted with
//! anything. How far records are in their public topic is counted by the engine's cursor.

use std::sync::Arc;

use domain::{Domain, Event as Fact, ShardRef, orders::OrderEvent, routing, saga};
use engine::{
    Cursor,
    shard::calls::{Deliver, Record},
};

use super::{
    World,
    event::{Desk, Event, Message, Seat, Way},
    mutation::Mutation,
    plan::{Fault, Intervention},
    rules::ShopRules,
    store::{Commit, Stored},
};

/// Positions that may be under way to the broker, for each shard.
const OPEN_MAX: usize = 16;
/// How often a node stores how far its records have come, in milliseconds.
pub(super) const CURSORS_EVERY_MS: u64 = 500;

/// The way of one shard's records to the broker.
pub(super) struct Lane {
    cursor: Cursor,
    /// What an earlier life of it hears is void.
    life: u64,
    is_open: bool,
    last: u64,
    /// The highest position acknowledged, which is not how far it has come.
    highest: u64,
}

/// The messages that a record is sent as.
fn messages(world: &World, source: ShardRef, stored: &Stored) -> Vec<Message> {
    let message = |target, is_public, prev| Message {
        source,
        target,
        is_public,
        position: stored.position,
        prev,
        about: stored.payload.about,
        fact: stored.payload.event.clone(),
        way: Way::Carried,
    };
    let reader = routing::public_target(source, &world.store.topology);
    let mut messages = vec![message(reader, true, stored.position - 1)];
    let stamps = stored.stamps.iter();
    messages.extend(stamps.map(|stamp| message(Some(stamp.target), false, stamp.prev)));
    messages
}

impl World {
    /// Records have been committed, and go on their way.
    pub(super) fn publish(&mut self, desk: Desk, commit: &Commit) {
        let Some(last) = commit.records.last() else {
            return;
        };
        if self.clockwork.plan.has_broker {
            if let Some(lane) = self.nodes[desk.node].lanes.get_mut(&commit.shard) {
                lane.last = lane.last.max(last.position);
            }
            self.produce_of(desk.node, commit.shard);
            return;
        }
        for stored in &commit.records {
            for mut message in messages(self, commit.shard, stored) {
                // What has run ahead is only spoken of.
                if !message.is_public {
                    message.way = Way::Announced;
                }
                self.carry(message);
            }
        }
    }

    /// Records run ahead of their commit to those of their targets that the same writer serves.
    pub(super) fn run_ahead(&mut self, desk: Desk, source: ShardRef, records: &[Stored]) {
        let goes_anywhere = self.clockwork.breaks(Mutation::AheadOfOtherWriter);
        for stored in records {
            for mut message in messages(self, source, stored) {
                let Some(target) = message.target.filter(|_| !message.is_public) else {
                    continue;
                };
                let mut writers = self.nodes[desk.node].writers.iter().enumerate();
                let writer = writers.find_map(|(number, writer)| {
                    let is_here = goes_anywhere || number == desk.writer;
                    (is_here && writer.epoch(target).is_some()).then(|| writer.term())
                });
                if let Some(term) = writer {
                    let (node, life) = (desk.node, desk.life);
                    message.way = Way::Ahead { node, life, term };
                    self.carry(message);
                }
            }
        }
    }

    /// A shard is served by a node from here on.
    pub(super) fn open_lane(&mut self, node: usize, shard: ShardRef, last: u64) {
        let published = self.store.of(shard).published;
        let node_state = &mut self.nodes[node];
        let life = node_state.lanes.get(&shard).map_or(0, |lane| lane.life);
        let lane = Lane {
            cursor: Cursor::new(published),
            life: life + 1,
            is_open: true,
            last,
            highest: published,
        };
        node_state.lanes.insert(shard, lane);
        self.produce_of(node, shard);
    }

    /// A shard is not served by a node any more.
    pub(super) fn close_lane(&mut self, node: usize, shard: ShardRef) {
        if let Some(lane) = self.nodes[node].lanes.get_mut(&shard) {
            lane.is_open = false;
        }
    }

    fn produce_of(&mut self, node: usize, shard: ShardRef) {
        let state = &self.nodes[node];
        let life = state.lanes.get(&shard).map_or(0, |lane| lane.life);
        let seat = Seat {
            node,
            life: state.life,
            shard,
            instance: 0,
        };
        if self.clockwork.plan.has_broker {
            let wait = self.clockwork.draw(0..3);
            self.clockwork.after(wait, Event::Produce(seat, life));
        }
    }

    /// A node hands a shard's next records to the broker.
    pub(super) fn produce(&mut self, seat: Seat, life: u64) {
        loop {
            let lane = self.nodes[seat.node].lanes.get(&seat.shard);
            let Some(lane) = lane.filter(|lane| lane.is_open && lane.life == life) else {
                return;
            };
            let position = lane.cursor.taken() + 1;
            if lane.cursor.open() >= OPEN_MAX || position > lane.last {
                return;
            }
            let index = usize::try_from(position - 1).unwrap_or(usize::MAX);
            let Some(stored) = self.store.of(seat.shard).journal.get(index).cloned() else {
                return;
            };
            let messages = messages(self, seat.shard, &stored);
            if let Some(lane) = self.nodes[seat.node].lanes.get_mut(&seat.shard) {
                lane.cursor
                    .take(u32::try_from(messages.len()).unwrap_or(u32::MAX));
            }
            for message in messages {
                self.send_to_broker(seat, life, message);
            }
        }
    }

    fn send_to_broker(&mut self, seat: Seat, life: u64, message: Message) {
        let clockwork = &mut self.clockwork;
        let position = message.position;
        let is_away = clockwork.now_ms() < clockwork.broker_away_until;
        let fails = is_away || clockwork.strikes(Fault::ProduceFails);
        // Of those that fail, some have arrived.
        let arrives = !is_away && (!fails || clockwork.chance(0.5));
        let mut wait = clockwork.draw(0..4);
        if clockwork.strikes(Fault::Late) {
            wait += clockwork.draw(0..4_000);
        }
        if arrives {
            clockwork.after(wait, Event::Accept(message));
        }
        let wait = wait + clockwork.draw(0..4);
        clockwork.after(wait, Event::Acknowledged(seat, life, position, !fails));
    }

    /// The publisher hears of a message.
    pub(super) fn acknowledged(&mut self, seat: Seat, life: u64, position: u64, is_so: bool) {
        let lane = self.nodes[seat.node].lanes.get_mut(&seat.shard);
        let Some(lane) = lane.filter(|lane| lane.life == life) else {
            return;
        };
        if is_so {
            lane.cursor.acknowledge(position);
            lane.highest = lane.highest.max(position);
            self.produce(seat, life);
            return;
        }
        // A delivery error ends the producer: the next one begins at the cursor.
        lane.life += 1;
        lane.cursor.rewind();
        if self.clockwork.plan.mutation == Some(Mutation::HighestAcknowledgement) {
            lane.cursor = Cursor::new(lane.highest);
        }
        let life = lane.life;
        let wait = self.clockwork.draw(50..500);
        self.clockwork.after(wait, Event::Produce(seat, life));
    }

    /// A node stores how far its shards' records have come.
    pub(super) fn store_cursors(&mut self, node: usize, life: u64) {
        let takes_highest = self.clockwork.breaks(Mutation::HighestAcknowledgement);
        if self.clockwork.store_answers() {
            for (shard, lane) in self.nodes[node]
                .lanes
                .iter()
                .filter(|(_, lane)| lane.is_open)
            {
                let position = match takes_highest {
                    true => lane.highest,
                    false => lane.cursor.acknowledged(),
                };
                self.store.published(*shard, position);
            }
        }
        self.clockwork
            .after(CURSORS_EVERY_MS, Event::StoreCursors(node, life));
    }

    /// A message has reached the broker.
    pub(super) fn accept(&mut self, message: Message) {
        if message.is_public {
            self.topics
                .entry(message.source)
                .or_default()
                .insert(message.position);
        }
        self.carry(message);
    }

    fn carry(&mut self, message: Message) {
        let clockwork = &mut self.clockwork;
        if message.target.is_none() || clockwork.strikes(Fault::Forgotten) {
            return;
        }
        let mut wait = clockwork.draw(0..4);
        let comes_twice = match clockwork.intervention {
            Some(Intervention::EveryMessageTwice) => true,
            Some(Intervention::EveryUndoTwice) => is_undo(&message),
            _ => false,
        };
        if comes_twice || clockwork.strikes(Fault::Doubled) {
            let again = clockwork.draw(0..3_000);
            clockwork.after(again, Event::Deliver(message.clone()));
        }
        if clockwork.strikes(Fault::Late) {
            wait += clockwork.draw(0..5_000);
        }
        clockwork.after(wait, Event::Deliver(message));
    }

    /// A message goes to every node that takes itself for its target's owner.
    pub(super) fn deliver(&mut self, message: Message) {
        let Some(target) = message.target else {
            return;
        };
        for (number, node) in self.nodes.iter().enumerate() {
            let is_for = match message.way {
                Way::Ahead { node, life, .. } => (number, self.nodes[number].life) == (node, life),
                Way::Carried | Way::Announced => true,
            };
            let instance = node.current(target).filter(|_| node.is_up && is_for);
            if let Some(instance) = instance {
                let seat = Seat {
                    node: number,
                    life: node.life,
                    shard: target,
                    instance,
                };
                self.clockwork
                    .after(0, Event::Delivered(seat, vec![message.clone()]));
            }
        }
    }

    /// Messages have reached a shard.
    pub(super) fn delivered(&mut self, seat: Seat, messages: Vec<Message>) {
        let mut announced = 0;
        let mut records = Vec::new();
        let mut source = None;
        let mut term = None;
        for message in messages {
            source = Some(message.source);
            if let Way::Ahead { term: of, .. } = message.way {
                term = Some(of).filter(|_| !self.clockwork.breaks(Mutation::AheadOutlivesTerm));
            }
            if message.way != Way::Announced
                && self.clockwork.can_decode(message.source, message.position)
            {
                records.push(message);
            } else {
                announced = announced.max(message.position);
            }
        }
        let Some(source) = source else {
            return;
        };
        let forgets_prev = self.clockwork.breaks(Mutation::NoPrev);
        let splits = self.clockwork.breaks(Mutation::MessagePerLine);
        let Some(hosted) = self.hosted(seat) else {
            return;
        };
        let cursor = hosted.machine.cursor(source).unwrap_or(0);
        let records = records
            .into_iter()
            .map(|mut message| {
                if forgets_prev && message.position > cursor {
                    message.prev = cursor;
                }
                as_carried(message)
            })
            .flat_map(|record| {
                if splits {
                    per_line(record)
                } else {
                    vec![record]
                }
            })
            .collect();
        let delivery = Deliver {
            source,
            records,
            announced,
            term,
        };
        self.drive(seat, |machine, fx| machine.deliver(delivery, fx));
    }
}

/// Whether a message gives something back.
fn is_undo(message: &Message) -> bool {
    matches!(&*message.fact, Fact::Order(event) if !saga::releases(event).is_empty())
}

fn as_carried(message: Message) -> Record<ShopRules> {
    Record {
        source: message.source,
        position: message.position,
        prev: message.prev,
        about: message.about,
        fact: message.fact,
        trace: None,
    }
}

/// A record as one message for each of its lines, all with the record's position: wrong.
pub(super) fn per_line(record: Record<ShopRules>) -> Vec<Record<ShopRules>> {
    let Fact::Order(OrderEvent::OrderCreated {
        order_id,
        user_id,
        lines,
        deadline,
        idempotency,
    }) = &*record.fact
    else {
        return vec![record];
    };
    debug_assert_eq!(record.source.domain, Domain::Orders);
    let of_line = |line| Record {
        fact: Arc::new(Fact::Order(OrderEvent::OrderCreated {
            order_id: *order_id,
            user_id: *user_id,
            lines: vec![line],
            deadline: *deadline,
            idempotency: idempotency.clone(),
        })),
        ..record.clone()
    };
    lines.iter().copied().map(of_line).collect()
}
