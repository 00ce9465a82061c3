//! Turns: begun, and handed to the aggregates concerned.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Shard,
    calls::{
        Addressee, Completion, Execute, ExecuteError, Executed, Execution, KeyOwner, Outcome,
        ParkedError, Reply, Watch,
    },
    effects::Effects,
    parking::PARKED_BEHIND,
    rules::{Part, Rules},
};
use crate::{Ticket, Unavailable, supervision::is_to_be_parked};

/// A key that a turn takes.
#[derive(Clone, Debug)]
pub(super) struct TakenKey<T> {
    pub(super) text: String,
    pub(super) owner: KeyOwner<T>,
}

/// Where a turn comes from, and whom its outcome concerns.
pub(super) enum Origin<R: Rules> {
    /// A service.
    Command { reply: Reply<Execution<R>> },
    /// A link.
    Link {
        source: R::Shard,
        position: u64,
        fact: R::Fact,
    },
    /// A deadline.
    Deadline,
    /// An operator who has a parked command handled once more.
    Unparking {
        id: u64,
        reply: Reply<Result<(), ParkedError>>,
    },
    /// An operator who gives a parked command up.
    Discarding {
        id: u64,
        reply: Reply<Result<(), ParkedError>>,
    },
    /// Somebody whose key is taken. Where the one that took it had not been committed, it may come to nothing yet.
    KeyTaken {
        uncommitted: Option<TakenKey<R::Time>>,
        answer: Executed<R::Aggregate>,
        reply: Reply<Execution<R>>,
    },
    /// Somebody who is told something that must not be told before what it rests on is committed.
    Answer(Completion),
}

/// A turn of the shard.
pub(super) struct Turn<R: Rules> {
    pub(super) origin: Origin<R>,
    pub(super) parts: Vec<Part<R>>,
    pub(super) issued: Option<u64>,
    pub(super) rows: Vec<R::Row>,
    pub(super) key: Option<TakenKey<R::Time>>,
    /// Told when the aggregate that a command creates comes to rest.
    pub(super) at_rest: Option<Reply<R::Aggregate>>,
    /// The request that it goes back to, which its records carry on.
    pub(super) trace: Option<R::Trace>,
    /// How often each part has failed, and since when.
    failures: BTreeMap<usize, (u32, Duration)>,
    /// How it failed last.
    pub(super) error: Option<String>,
}

impl<R: Rules> Turn<R> {
    pub(super) fn new(origin: Origin<R>, parts: Vec<Part<R>>) -> Self {
        Self {
            origin,
            parts,
            issued: None,
            rows: Vec::new(),
            key: None,
            at_rest: None,
            trace: None,
            failures: BTreeMap::new(),
            error: None,
        }
    }

    /// Notes that a part has failed. Returns whether it has failed too often.
    pub(super) fn has_failed(&mut self, part: usize, now: Duration) -> bool {
        let (tries, since) = self.failures.entry(part).or_insert((0, now));
        *tries += 1;
        is_to_be_parked(*tries, now.saturating_sub(*since))
    }

    /// Tells whoever waits for the turn that nothing came of it, or that nobody knows.
    pub(super) fn refuse(self, reason: &Unavailable) {
        match self.origin {
            Origin::Command { reply } | Origin::KeyTaken { reply, .. } => {
                reply.tell(Err(ExecuteError::Unavailable(reason.clone())));
            }
            Origin::Unparking { reply, .. } | Origin::Discarding { reply, .. } => {
                reply.tell(Err(reason.clone().into()));
            }
            Origin::Answer(completion) => completion(Err(reason.clone())),
            Origin::Link { .. } | Origin::Deadline => {}
        }
    }
}

/// A turn that has retired and is not committed.
pub(super) struct Committing {
    pub(super) ticket: Ticket,
    pub(super) aggregates: Vec<u64>,
    /// The aggregate to which it was a command.
    pub(super) command_of: Option<u64>,
}

impl<R: Rules> Shard<R> {
    /// Issues the next id.
    pub(super) fn issue_id(&mut self, now: R::Time) -> u64 {
        self.last_id = self.rules.next_id(self.last_id, now);
        self.last_id
    }

    /// Whether an aggregate takes no more commands for now. Records of links are not counted: they wait.
    fn is_full(&self, id: u64) -> bool {
        let slot = self.slots.get(&id);
        slot.is_some_and(|slot| slot.commands >= self.limits.aggregate_commands_max)
    }

    /// Begins the turn of a command, unless its aggregate is full. Its key has been found free.
    pub(super) fn begin_command(
        &mut self,
        execute: Execute<R>,
        key: Option<TakenKey<R::Time>>,
        fx: &mut dyn Effects<R>,
    ) {
        let (id, command, issued) = match execute.addressee {
            Addressee::Existing(id, _) if self.is_full(id) => {
                self.refused += 1;
                let busy = ExecuteError::Unavailable(Unavailable::Busy);
                return execute.reply.tell(Err(busy));
            }
            Addressee::Existing(id, command) => (id, command, None),
            Addressee::New(draft) => {
                let id = self.issue_id(fx.now());
                (id, self.rules.create(draft, id), Some(id))
            }
        };
        let key = key.map(|mut key| {
            key.owner.aggregate_id = id;
            key
        });
        let part = Part {
            id,
            is_new: issued.is_some(),
            command,
            subject: self.rules.subject_of_command(id),
        };
        let origin = Origin::Command {
            reply: execute.reply,
        };
        let mut turn = Turn::new(origin, vec![part]);
        turn.issued = issued;
        turn.key.clone_from(&key);
        let attachment = execute.attachment;
        turn.rows
            .extend(attachment.and_then(|attachment| self.rules.attachment_row(attachment, id)));
        turn.at_rest = execute.at_rest;
        turn.trace = execute.trace;
        let ticket = self.begin(turn, fx);
        self.slot(id, fx.uptime()).commands += 1;
        if let Some(key) = key {
            self.keys.taken(key, ticket, fx.uptime());
        }
    }

    /// Begins a turn and hands its parts to their aggregates. A part of a record parks at once if something about the
    /// same is parked for the same aggregate.
    pub(super) fn begin(&mut self, turn: Turn<R>, fx: &mut dyn Effects<R>) -> Ticket {
        let is_of_link = matches!(turn.origin, Origin::Link { .. });
        let parts = turn.parts.clone();
        let ticket = self.pipeline.begin(turn, parts.len());
        self.peaks.0 = self.peaks.0.max(self.turns_pending());
        for (index, part) in parts.into_iter().enumerate() {
            if is_of_link && self.is_parked_for(part.id, part.subject) {
                let parked = Outcome::Parked(PARKED_BEHIND.to_owned());
                self.pipeline.complete(ticket, index, parked);
            } else {
                self.dispatch((ticket, index), part.id, part.is_new, part.command, fx);
            }
            let slot = self.slot(part.id, fx.uptime());
            slot.open += 1;
            let open = slot.open;
            self.peaks.1 = self.peaks.1.max(open);
        }
        ticket
    }

    /// Tells somebody something once everything before it is committed.
    fn answer_after_commit(&mut self, completion: Completion) {
        self.pipeline
            .begin(Turn::new(Origin::Answer(completion), Vec::new()), 0);
    }

    /// Waits for an aggregate to come to rest.
    pub(super) fn begin_watch(&mut self, watch: Watch<R::Aggregate>, fx: &mut dyn Effects<R>) {
        let Watch { id, reply } = watch;
        let is_awaited = match self.slots.get(&id) {
            Some(slot) => !slot.is_at_rest,
            None => self.waiting.contains_key(&id),
        };
        if is_awaited {
            let watcher = super::calls::AtRest(reply);
            self.slot(id, fx.uptime()).watchers.push(Box::new(watcher));
            self.want(id, fx);
        } else {
            self.answer_after_commit(Box::new(move |committed| {
                if committed.is_ok() {
                    reply.tell(None);
                }
            }));
        }
    }
}
