//! Has done what a shard's machine wants, as events.

use std::{collections::VecDeque, time::Duration};

use domain::{ShardRef, Timestamp};
use engine::{
    Effects,
    shard::{
        Notice, Wake,
        calls::{Decide, Entry, Outcome, Question, WriterSignal},
    },
};

use super::{Actor, Around, part_done};
use crate::world::{
    clockwork::Clockwork,
    event::{Desk, Event, Mail},
    mutation::Mutation,
    rules::{Memory, ShopRules, State},
};

/// What a shard's machine needs of the world, for one call.
pub(super) struct Driver<'a> {
    pub(super) clockwork: &'a mut Clockwork,
    pub(super) around: &'a mut Around,
}

impl Driver<'_> {
    fn desk(&self) -> Desk {
        Desk {
            node: self.around.seat.node,
            life: self.around.seat.life,
            writer: self.around.writer,
        }
    }
}

impl Effects<ShopRules> for Driver<'_> {
    fn now(&self) -> Timestamp {
        self.clockwork.time_of_day(self.around.off_ms)
    }

    fn uptime(&self) -> Duration {
        self.clockwork.uptime()
    }

    fn ask(&mut self, life: u64, question: Question<ShopRules>) {
        let wait = self.clockwork.draw(0..8);
        self.clockwork
            .after(wait, Event::Read(self.around.seat, life, question));
    }

    fn wake(&mut self, after: Duration, life: u64, wake: Wake) {
        let wait = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        self.clockwork
            .after(wait, Event::Woken(self.around.seat, life, wake));
    }

    fn build(&mut self, id: u64, stored: Option<(State, u64)>) {
        self.around.drop_actor(id, self.clockwork);
        self.around.actors_made += 1;
        let memory = match self.around.kept.remove(&id) {
            Some(kept) => kept,
            None => Memory::new(self.around.seat.shard.domain, stored),
        };
        let actor = Actor {
            number: self.around.actors_made,
            memory: Some(memory),
            mailbox: VecDeque::new(),
        };
        self.around.actors.insert(id, actor);
    }

    fn decide(&mut self, id: u64, decide: Decide<ShopRules>) {
        let seat = self.around.seat;
        let Some(actor) = self.around.actors.get_mut(&id) else {
            let done = part_done(id, &decide, Outcome::Bounced);
            self.clockwork.after(0, Event::PartDone(seat, done));
            return;
        };
        actor.mailbox.push_back(decide);
        let number = actor.number;
        let wait = self.clockwork.draw(0..4);
        self.clockwork.after(wait, Event::Decide(seat, id, number));
    }

    fn let_go(&mut self, id: u64) {
        self.around.drop_actor(id, self.clockwork);
    }

    fn let_all_go(&mut self) {
        for id in self.around.actors.keys().copied().collect::<Vec<_>>() {
            self.around.drop_actor(id, self.clockwork);
        }
    }

    fn submit(&mut self, mut entries: Vec<Entry<ShopRules>>) {
        for entry in &mut entries {
            if self.clockwork.breaks(Mutation::ReplyBeforeCommit)
                && let Some(completion) = entry.companion.completion.take()
            {
                completion(Ok(()));
            }
            if self.clockwork.breaks(Mutation::RebuildBeforeCommit) {
                let signal = WriterSignal::Committed {
                    generation: entry.generation,
                    ticket: entry.companion.ticket,
                };
                self.clockwork
                    .after(0, Event::Signal(self.around.seat, signal));
            }
        }
        let at = self.clockwork.now_ms() + self.clockwork.draw(0..3);
        self.around.mailed_at = self.around.mailed_at.max(at);
        let desk = self.desk();
        self.clockwork.at(
            self.around.mailed_at,
            Event::Mailed(desk, Mail::Entries(entries)),
        );
    }

    fn note(&mut self, notice: Notice<ShardRef>) {
        let seat = self.around.seat;
        if let Notice::CannotGoOn(_) = notice {
            self.clockwork.fatal.push(seat.node);
        }
        self.clockwork.note(|| {
            format!(
                "node {} {} #{}: {notice:?}",
                seat.node, seat.shard, seat.instance
            )
        });
    }
}
