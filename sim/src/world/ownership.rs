//! Who serves which shard: nodes start, die, stand still, take over and hand over. Here is only who is told to do what;
//! whether that is harmless is the head's business.

use std::collections::BTreeMap;

use domain::{Domain, ShardRef};

use super::{
    World,
    event::{Call, Desk, Event, Mail, Seat},
    feed::CURSORS_EVERY_MS,
    node::{Hosted, Node},
    plan::Fault,
    writer::WriterState,
};

/// A node that was not seen for so long is taken for dead, in milliseconds.
const DEAD_AFTER_MS: u64 = 5_000;
/// How often nodes look around, in milliseconds.
const LOOK_EVERY_MS: u64 = 1_000;

impl World {
    /// Which of a node's writers commits for a shard.
    fn writer_of(&self, shard: ShardRef) -> usize {
        if self.clockwork.plan.one_writer {
            return 0;
        }
        match shard.domain {
            Domain::Orders => 0,
            Domain::Products => 1,
            _ => 2,
        }
    }

    fn desk(&self, node: usize, shard: ShardRef) -> Desk {
        Desk {
            node,
            life: self.nodes[node].life,
            writer: self.writer_of(shard),
        }
    }

    /// A node is started: it hosts an actor of every shard, and serves those that it is told to.
    pub(super) fn start(&mut self, number: usize) {
        if self.nodes[number].is_up {
            return;
        }
        let life = self.nodes[number].life + 1;
        let shards: Vec<ShardRef> = self.store.shards.keys().copied().collect();
        let off_ms = i64::try_from(self.clockwork.draw(0..2_000)).unwrap_or(0) - 1_000;
        let mut node = Node {
            life,
            is_up: true,
            seen_at: self.clockwork.now_ms(),
            off_ms,
            ..Node::new()
        };
        node.writers.resize_with(3, WriterState::new);
        self.nodes[number] = node;
        for shard in shards {
            self.seat(number, shard, 0);
        }
        self.clockwork
            .after(CURSORS_EVERY_MS, Event::StoreCursors(number, life));
        self.clockwork.note(|| format!("node {number} starts"));
    }

    /// Puts a new actor in a shard's place.
    fn seat(&mut self, node: usize, shard: ShardRef, instance: u64) {
        let seat = Seat {
            node,
            life: self.nodes[node].life,
            shard,
            instance,
        };
        let (writer, off_ms) = (self.writer_of(shard), self.nodes[node].off_ms);
        let hosted = Hosted::new(seat, writer, off_ms, &self.clockwork);
        self.nodes[node].hosted.insert((shard, instance), hosted);
        let wait = self.clockwork.draw(0..250);
        self.clockwork.after(wait, Event::Tick(seat));
    }

    /// A node ends at once. Of what it had sent to the store some arrives.
    pub(super) fn crash(&mut self, number: usize) {
        let node = &mut self.nodes[number];
        if !node.is_up {
            return;
        }
        let life = node.life;
        self.clockwork.paused_until.remove(&number);
        *node = Node {
            life,
            seen_at: node.seen_at,
            ..Node::new()
        };
        let sent: Vec<u64> = self
            .transactions
            .iter()
            .filter(|(_, (desk, ..))| desk.node == number)
            .map(|(number, _)| *number)
            .collect();
        for transaction in sent {
            if self.clockwork.chance(0.5) {
                self.transactions.remove(&transaction);
            }
        }
        let wait = if self.clockwork.is_calm {
            500
        } else {
            self.clockwork.draw(200..9_000)
        };
        self.clockwork.after(wait, Event::Start(number));
    }

    /// Nodes are seen, or not; shards whose owner is dead are given to others, and owners that were replaced notice it.
    pub(super) fn look_around(&mut self) {
        let now = self.clockwork.now_ms();
        let alive: Vec<usize> = (0..self.nodes.len())
            .filter(|&number| self.nodes[number].is_up && !self.clockwork.is_paused(number))
            .collect();
        for &number in &alive {
            self.nodes[number].seen_at = now;
        }
        let owners: BTreeMap<ShardRef, Option<usize>> = self
            .store
            .shards
            .iter()
            .map(|(shard, kept)| (*shard, kept.owner))
            .collect();
        for (shard, owner) in owners {
            let is_dead = owner
                .is_none_or(|owner| now.saturating_sub(self.nodes[owner].seen_at) > DEAD_AFTER_MS);
            let is_idle =
                owner.is_some_and(|owner| alive.contains(&owner) && !self.serves(owner, shard));
            if (is_dead || is_idle) && !alive.is_empty() {
                let successor = match owner {
                    Some(owner) if is_idle => owner,
                    _ => {
                        alive[usize::try_from(self.clockwork.draw(0..alive.len() as u64))
                            .unwrap_or(0)]
                    }
                };
                self.order_claim(successor, shard);
            }
            for &node in &alive {
                if owner != Some(node) && owner.is_some() && self.has_open(node, shard) {
                    let desk = self.desk(node, shard);
                    self.clockwork
                        .after(0, Event::Mailed(desk, Mail::Release(shard)));
                }
            }
        }
        self.clockwork.after(LOOK_EVERY_MS, Event::LookAround);
    }

    /// Whether a node serves a shard or is about to.
    fn serves(&self, node: usize, shard: ShardRef) -> bool {
        let writer = &self.nodes[node].writers[self.writer_of(shard)];
        writer.epochs.contains_key(&shard) || !writer.is_idle()
    }

    fn has_open(&self, node: usize, shard: ShardRef) -> bool {
        self.nodes[node].writers[self.writer_of(shard)]
            .epoch(shard)
            .is_some()
    }

    fn order_claim(&mut self, node: usize, shard: ShardRef) {
        let desk = self.desk(node, shard);
        let wait = self.clockwork.draw(0..20);
        self.clockwork
            .after(wait, Event::Mailed(desk, Mail::Claim(shard)));
    }

    /// A fault strikes that strikes at a moment of its own.
    pub(super) fn strike(&mut self) {
        if self.clockwork.is_calm {
            return;
        }
        let kinds: Vec<Fault> = Fault::TIMED
            .into_iter()
            .filter(|kind| self.clockwork.plan.faults.contains_key(kind))
            .collect();
        if !kinds.is_empty() {
            let nth = usize::try_from(self.clockwork.draw(0..kinds.len() as u64)).unwrap_or(0);
            self.strike_with(kinds[nth]);
        }
        let every = self.clockwork.plan.fault_every_ms;
        let wait = self.clockwork.draw(1..every * 2);
        self.clockwork.after(wait, Event::Strike);
    }

    fn strike_with(&mut self, fault: Fault) {
        let number = usize::try_from(self.clockwork.draw(0..self.nodes.len() as u64)).unwrap_or(0);
        let now = self.clockwork.now_ms();
        self.clockwork.struck(fault);
        match fault {
            Fault::Crash => self.crash(number),
            Fault::Pause => {
                let time = self.clockwork.draw(200..12_000);
                let until = self.clockwork.paused_until.entry(number).or_default();
                *until = (*until).max(now + time);
            }
            Fault::SecondOwner => {
                if let Some(shard) = self.any_shard()
                    && self.nodes[number].is_up
                {
                    self.order_claim(number, shard);
                }
            }
            Fault::HandOver => self.hand_over(number),
            Fault::Replaced => self.replace(number),
            Fault::StoreAway => {
                self.clockwork.store_away_until = now + self.clockwork.draw(100..6_000);
            }
            Fault::BrokerAway => {
                self.clockwork.broker_away_until = now + self.clockwork.draw(500..20_000);
            }
            Fault::Gone => {
                if let Some(shard) = self.any_shard() {
                    let node = &mut self.nodes[number];
                    if let Some(instance) = node.current(shard)
                        && let Some(hosted) = node.hosted.get_mut(&(shard, instance))
                    {
                        hosted.lose_one(&mut self.clockwork);
                    }
                }
            }
            Fault::ClockStep => {
                let step = i64::try_from(self.clockwork.draw(0..8_000)).unwrap_or(0) - 6_000;
                let node = &mut self.nodes[number];
                node.off_ms = (node.off_ms + step).clamp(-8_000, 3_000);
                for hosted in node.hosted.values_mut() {
                    hosted.around.off_ms = node.off_ms;
                }
            }
            _ => {}
        }
    }

    fn any_shard(&mut self) -> Option<ShardRef> {
        let shards: Vec<ShardRef> = self.store.shards.keys().copied().collect();
        let nth = usize::try_from(self.clockwork.draw(0..shards.len() as u64)).ok()?;
        shards.get(nth).copied()
    }

    /// A shard's owner lets it come to rest and leaves it to a successor.
    fn hand_over(&mut self, successor: usize) {
        let Some(shard) = self.any_shard() else {
            return;
        };
        let owner = self.store.of(shard).owner;
        let Some(owner) = owner.filter(|owner| *owner != successor && self.nodes[*owner].is_up)
        else {
            return;
        };
        let node = &self.nodes[owner];
        let Some(instance) = node.current(shard) else {
            return;
        };
        let seat = Seat {
            node: owner,
            life: node.life,
            shard,
            instance,
        };
        self.clockwork.after(0, Event::Called(seat, Call::GiveUp));
        let desk = self.desk(owner, shard);
        let rests_in = self.clockwork.draw(5..400);
        self.clockwork
            .after(rests_in, Event::Mailed(desk, Mail::Release(shard)));
        let desk = self.desk(successor, shard);
        let wait = rests_in + self.clockwork.draw(0..30);
        self.clockwork
            .after(wait, Event::Mailed(desk, Mail::Claim(shard)));
    }

    /// The actors of some of a node's shards are replaced, as after their thread stood still. The former ones wake up.
    fn replace(&mut self, number: usize) {
        let Some(shard) = self.any_shard() else {
            return;
        };
        let Some(instance) = self.nodes[number].current(shard) else {
            return;
        };
        // The one before the former is long gone.
        self.nodes[number]
            .hosted
            .retain(|(of, which), _| *of != shard || *which == instance);
        self.seat(number, shard, instance + 1);
        let desk = self.desk(number, shard);
        self.clockwork
            .after(0, Event::Mailed(desk, Mail::Replaced(shard)));
    }
}
