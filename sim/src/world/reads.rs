//! What the store answers to a shard's questions.

use domain::ShardRef;
use engine::shard::{
    calls::{Answer, HeadsFor, LoadedState, Question, ReadError, ReadRecord, Record},
    rules::{LinkKind, Rules},
};

use super::{
    World,
    event::{Event, Seat},
    feed::per_line,
    mutation::Mutation,
    plan::Fault,
    rules::ShopRules,
    store::{Kept, Stored},
};

/// Records of a link after a position, and whether the end of the journal was reached.
type LinkRead = (Vec<ReadRecord<ShopRules>>, bool);

impl World {
    /// A question reaches the store.
    pub(super) fn read(&mut self, seat: Seat, life: u64, question: Question<ShopRules>) {
        let fails = !self.clockwork.store_answers() || self.clockwork.strikes(Fault::ReadFails);
        let answer = if fails {
            failed(question)
        } else {
            self.answer(seat, question)
        };
        let mut wait = self.clockwork.draw(0..8);
        if self.clockwork.strikes(Fault::ReadLate) {
            wait += self.clockwork.draw(0..4_000);
        }
        self.clockwork
            .after(wait, Event::Answered(seat, life, answer));
    }

    fn answer(&self, seat: Seat, question: Question<ShopRules>) -> Answer<ShopRules> {
        let mine = self.store.of(seat.shard);
        match question {
            Question::State => Answer::State(Ok(self.state(seat, mine))),
            Question::Heads(shards, reason) => {
                let mut heads: Vec<_> = shards
                    .into_iter()
                    .map(|shard| (shard, self.store.of(shard).head.clone()))
                    .filter(|(_, head)| head.epoch > 0)
                    .collect();
                if reason == HeadsFor::Deadlines && self.clockwork.breaks(Mutation::HastyDeadline) {
                    for (shard, head) in &mut heads {
                        if *shard != seat.shard {
                            head.watermarks.insert(seat.shard, u64::MAX);
                            head.sent.remove(&seat.shard);
                        }
                    }
                }
                if reason == HeadsFor::Links && self.clockwork.breaks(Mutation::NoHealing) {
                    heads.clear();
                }
                Answer::Heads(reason, Ok(heads))
            }
            Question::Link {
                source,
                kind,
                after,
                limit,
            } => Answer::Link(
                source,
                Ok(self.link(seat.shard, source, kind, after, limit)),
            ),
            Question::Keys(texts) => {
                let owner = |text: String| mine.keys.get(&text).cloned().map(|owner| (text, owner));
                Answer::Keys(Ok(texts.into_iter().filter_map(owner).collect()))
            }
            Question::Aggregates(asked) => {
                let state = |(id, _): &(u64, u64)| {
                    let (state, version) = mine.states.get(id)?;
                    Some((*id, state.clone(), *version))
                };
                let found = asked.iter().filter_map(state).collect();
                Answer::Aggregates(asked, Ok(found))
            }
        }
    }

    fn state(&self, seat: Seat, kept: &Kept) -> LoadedState<ShopRules> {
        let rules = ShopRules {
            shard: seat.shard,
            topology: self.store.topology,
            forgets_last_id: false,
        };
        let states = kept.states.iter();
        LoadedState {
            waiting: states
                .filter_map(|(id, (state, _))| Some((*id, rules.deadline(state)?)))
                .collect(),
            parked: kept.parked.values().cloned().collect(),
        }
    }

    fn link(
        &self,
        target: ShardRef,
        source: ShardRef,
        kind: LinkKind,
        after: u64,
        limit: usize,
    ) -> LinkRead {
        if self.clockwork.breaks(Mutation::NoHealing) {
            return (Vec::new(), true);
        }
        let journal = &self.store.of(source).journal;
        let first = journal.partition_point(|record| record.position <= after);
        let mut of_link = journal[first..].iter().filter_map(|stored| {
            let prev = match kind {
                LinkKind::Public => stored.position - 1,
                LinkKind::Inbox => {
                    stored
                        .stamps
                        .iter()
                        .find(|stamp| stamp.target == target)?
                        .prev
                }
            };
            Some((stored, prev))
        });
        let mut found: Vec<(&Stored, u64)> = of_link.by_ref().take(limit).collect();
        let reached_the_end = found.len() < limit;
        self.skip(&mut found, source, after);
        let records = found
            .into_iter()
            .flat_map(|(stored, prev)| self.as_read(source, stored, prev))
            .collect();
        (records, reached_the_end)
    }

    /// Leaves out what a program leaves out that is wrong to.
    fn skip(&self, found: &mut Vec<(&Stored, u64)>, source: ShardRef, after: u64) {
        let skips_gap = self.clockwork.breaks(Mutation::GapSkipped);
        let skips_unreadable = self.clockwork.breaks(Mutation::DeadLetterPassed);
        if skips_gap && found.len() > 1 {
            found.remove(0);
        }
        if skips_unreadable {
            found.retain(|(stored, _)| self.clockwork.can_decode(source, stored.position));
        }
        if skips_gap || skips_unreadable {
            let mut before = after;
            for (stored, prev) in found {
                *prev = std::mem::replace(&mut before, stored.position);
            }
        }
    }

    fn as_read(&self, source: ShardRef, stored: &Stored, prev: u64) -> Vec<ReadRecord<ShopRules>> {
        let position = stored.position;
        if !self.clockwork.can_decode(source, position) {
            let record = Err("of a type that this program does not know".to_owned());
            return vec![ReadRecord { position, record }];
        }
        let record = Record {
            source,
            position,
            prev,
            about: stored.payload.about,
            fact: stored.payload.event.clone(),
            trace: None,
        };
        let records = match self.clockwork.breaks(Mutation::MessagePerLine) {
            true => per_line(record),
            false => vec![record],
        };
        records
            .into_iter()
            .map(|record| ReadRecord {
                position,
                record: Ok(record),
            })
            .collect()
    }
}

fn failed(question: Question<ShopRules>) -> Answer<ShopRules> {
    let error = ReadError::Failed;
    match question {
        Question::State => Answer::State(Err(error)),
        Question::Heads(_, reason) => Answer::Heads(reason, Err(error)),
        Question::Link { source, .. } => Answer::Link(source, Err(error)),
        Question::Keys(_) => Answer::Keys(Err(error)),
        Question::Aggregates(asked) => Answer::Aggregates(asked, Err(error)),
    }
}
