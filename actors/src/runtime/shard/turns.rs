//! Turns: begun, handed to aggregates, retired to the writer in order, and answered after the commit.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use actix::Context;
use domain::{Addressee, Aggregate, Event, ShardRef, Timestamp, Topology, UserId, routing};
use engine::{NewRecord, Ticket, supervision::is_to_be_parked};
use storage::{Credentials, KeyRecord, TraceContext};
use tokio::sync::oneshot;

use super::{ShardActor, parking::PARKED_BEHIND};
use crate::{
    Unavailable,
    runtime::{
        Host,
        aggregate::{Decided, Outcome},
        host::Part,
        messages::{
            Companion, Completion, Entry, Execute, ExecuteError, Executed, Payload, Row, Watch,
        },
    },
    system::ParkedError,
};

/// Where a turn comes from, and whom its outcome concerns.
pub(super) enum Origin<A: Aggregate> {
    /// A service.
    Command {
        reply: oneshot::Sender<Result<Executed<A>, ExecuteError<A::Rejection>>>,
    },
    /// A link.
    Link {
        source: ShardRef,
        position: u64,
        event: Arc<Event>,
    },
    /// A deadline.
    Deadline,
    /// An operator who has a parked command handled once more.
    Unparking {
        id: u64,
        reply: oneshot::Sender<Result<(), ParkedError>>,
    },
    /// An operator who gives a parked command up.
    Discarding {
        id: u64,
        aggregate_id: u64,
        reply: oneshot::Sender<Result<(), ParkedError>>,
    },
    /// Somebody whose key is taken. Where the one that took it had not been committed, it may come to nothing yet.
    KeyTaken {
        uncommitted: Option<KeyRecord>,
        answer: Executed<A>,
        reply: oneshot::Sender<Result<Executed<A>, ExecuteError<A::Rejection>>>,
    },
    /// Somebody who is told something that must not be told before what it rests on is committed.
    Answer(Completion),
}

/// A turn of the shard.
pub(super) struct Turn<A: Aggregate> {
    pub(super) origin: Origin<A>,
    pub(super) parts: Vec<Part<A>>,
    pub(super) issued: Option<u64>,
    pub(super) rows: Vec<Row>,
    pub(super) key: Option<KeyRecord>,
    /// Told when the aggregate that a command creates comes to rest.
    pub(super) at_rest: Option<oneshot::Sender<A>>,
    /// The request that it goes back to, which its records carry on.
    pub(super) trace: Option<TraceContext>,
    /// How often each part has failed, and since when.
    failures: BTreeMap<usize, (u32, Duration)>,
}

impl<A: Aggregate> Turn<A> {
    pub(super) fn new(origin: Origin<A>, parts: Vec<Part<A>>) -> Self {
        Self {
            origin,
            parts,
            issued: None,
            rows: Vec::new(),
            key: None,
            at_rest: None,
            trace: None,
            failures: BTreeMap::new(),
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
                let _ = reply.send(Err(ExecuteError::Unavailable(reason.clone())));
            }
            Origin::Unparking { reply, .. } | Origin::Discarding { reply, .. } => {
                let _ = reply.send(Err(reason.clone().into()));
            }
            Origin::Answer(completion) => completion(Err(reason.clone())),
            Origin::Link { .. } | Origin::Deadline => {}
        }
    }
}

/// A turn that has retired and is not committed.
pub(super) struct Committing {
    ticket: Ticket,
    aggregates: Vec<u64>,
}

/// What a retiring turn puts together for the writer.
pub(super) struct Retiring<A> {
    records: Vec<NewRecord<ShardRef, Payload>>,
    pub(super) rows: Vec<Row>,
    settled: Vec<(oneshot::Sender<A>, A)>,
    pub(super) last_id: Option<u64>,
    trace: Option<TraceContext>,
}

type RejectionOf<H> = <<H as Host>::Aggregate as Aggregate>::Rejection;

impl<H: Host> ShardActor<H> {
    /// Issues the next id.
    pub(super) fn issue_id(&mut self) -> u64 {
        self.last_id = self.host.next_id(
            self.last_id,
            self.shard,
            &self.env.topology,
            self.env.clock.now(),
        );
        self.last_id
    }

    /// Begins the turn of a command. Its key has been found free.
    pub(super) fn begin_command(
        &mut self,
        execute: Execute<H::Aggregate>,
        key: Option<KeyRecord>,
        ctx: &mut Context<Self>,
    ) {
        let (id, command, issued) = match execute.addressee {
            Addressee::Existing(id, command) => (id, command, None),
            Addressee::New(draft) => {
                let id = self.issue_id();
                (id, H::Aggregate::create(draft, id), Some(id))
            }
        };
        let key = key.map(|mut key| {
            key.owner.aggregate_id = id;
            key
        });
        let mut turn = Turn::new(
            Origin::Command {
                reply: execute.reply,
            },
            vec![Part {
                id,
                is_new: issued.is_some(),
                command,
                order_id: None,
            }],
        );
        turn.issued = issued;
        turn.key = key.clone();
        let credentials = execute.credentials.zip(UserId::new(id));
        turn.rows
            .extend(credentials.map(|(password_hash, user_id)| {
                Row::Credentials(Credentials {
                    user_id,
                    password_hash,
                })
            }));
        turn.at_rest = execute.at_rest;
        turn.trace = execute.trace;
        let ticket = self.begin(turn, ctx);
        if let Some(key) = key {
            self.keys.taken(&key, ticket, self.env.clock.uptime());
        }
    }

    /// Begins a turn and hands its parts to their aggregates. A part of a record parks at once if something about the
    /// same order is parked for the same aggregate.
    pub(super) fn begin(&mut self, turn: Turn<H::Aggregate>, ctx: &mut Context<Self>) -> Ticket {
        let is_of_link = matches!(turn.origin, Origin::Link { .. });
        let parts = turn.parts.clone();
        let ticket = self.pipeline.begin(turn, parts.len());
        for (index, part) in parts.into_iter().enumerate() {
            if is_of_link && self.is_parked_for(part.id, part.order_id) {
                let parked = Outcome::Parked(PARKED_BEHIND.to_owned());
                self.pipeline.complete(ticket, index, parked);
            } else {
                self.dispatch((ticket, index), part.id, part.is_new, part.command, ctx);
            }
            self.slot(part.id).open += 1;
        }
        ticket
    }

    /// Tells somebody something once everything before it is committed.
    pub(super) fn answer_after_commit(&mut self, completion: Completion) {
        self.pipeline
            .begin(Turn::new(Origin::Answer(completion), Vec::new()), 0);
    }

    /// Waits for an aggregate to come to rest.
    pub(super) fn watch(&mut self, watch: Watch<H::Aggregate>, ctx: &mut Context<Self>) {
        let Watch { id, reply } = watch;
        let is_awaited = match self.slots.get(&id) {
            Some(slot) => !slot.is_at_rest,
            None => self.unsettled.contains_key(&id),
        };
        if !is_awaited {
            self.answer_after_commit(Box::new(move |committed| {
                if committed.is_ok() {
                    let _ = reply.send(None);
                }
            }));
            return;
        }
        let (watcher, at_rest) = oneshot::channel();
        self.slot(id).watchers.push(watcher);
        self.want(id, ctx);
        actix::spawn(async move {
            if let Ok(state) = at_rest.await {
                let _ = reply.send(Some(state));
            }
        });
    }

    /// Retires every turn whose time has come, and hands them to the writer.
    pub(super) fn retire_ready(&mut self, ctx: &mut Context<Self>) {
        while let Some((ticket, _, outcomes)) = self.pipeline.front() {
            let failure = outcomes
                .iter()
                .enumerate()
                .find_map(|(part, outcome)| match outcome {
                    Some(Outcome::Failed(error)) => Some((part, Some(error.clone()))),
                    Some(Outcome::Bounced) => Some((part, None)),
                    _ => None,
                });
            match failure {
                Some((part, error)) => self.recover(ticket, part, error, ctx),
                None => {
                    if let Some((ticket, turn, outcomes)) = self.pipeline.retire() {
                        self.retire(ticket, turn, outcomes);
                    }
                }
            }
        }
        if !self.outbox.is_empty() {
            self.writer.submit(std::mem::take(&mut self.outbox));
        }
    }

    /// Puts a turn together for the writer.
    fn retire(
        &mut self,
        ticket: Ticket,
        turn: Turn<H::Aggregate>,
        outcomes: Vec<Outcome<H::Aggregate>>,
    ) {
        let Turn {
            origin,
            parts,
            issued,
            rows,
            key,
            mut at_rest,
            trace,
            ..
        } = turn;
        let mut retiring = Retiring {
            records: Vec::new(),
            rows: Vec::new(),
            settled: Vec::new(),
            last_id: issued,
            trace,
        };
        let mut results = Vec::with_capacity(outcomes.len());
        let mut aggregates = Vec::with_capacity(outcomes.len());
        for (part, outcome) in parts.into_iter().zip(outcomes) {
            aggregates.push(part.id);
            let slot = self.slot(part.id);
            slot.open = slot.open.saturating_sub(1);
            slot.committing += 1;
            let error = match outcome {
                Outcome::Decided(decided) => {
                    self.slot(part.id).watchers.extend(at_rest.take());
                    results.push(self.decided(&mut retiring, part.id, decided));
                    continue;
                }
                Outcome::Rejected(rejection) => {
                    let error = rejection.to_string();
                    results.push(Err(ExecuteError::Rejected(rejection)));
                    error
                }
                Outcome::Parked(error) => error,
                Outcome::Failed(_) | Outcome::Bounced | Outcome::Dropped => {
                    results.push(Err(ExecuteError::Unavailable(Unavailable::Restarted)));
                    continue;
                }
            };
            if let Origin::Link {
                source,
                position,
                event,
            } = &origin
            {
                self.park(&mut retiring, &part, (*source, *position, event), error);
            }
        }
        if results.iter().all(Result::is_ok) {
            retiring.rows.extend(rows);
            retiring.rows.extend(key.map(Row::Key));
        } else if let Some(key) = key {
            self.keys.freed(&key);
        }
        let (watermark, completion) = self.conclude(origin, results, &mut retiring);
        self.committing.push_back(Committing { ticket, aggregates });
        self.outbox.push(Entry {
            shard: self.shard,
            generation: self.generation,
            records: retiring.records,
            last_id: retiring.last_id,
            watermark,
            companion: Companion {
                shard: self.shard,
                ticket,
                rows: retiring.rows,
                completion,
            },
        });
    }

    /// Turns what an aggregate has decided into records and rows.
    fn decided(
        &mut self,
        retiring: &mut Retiring<H::Aggregate>,
        id: u64,
        decided: Decided<H::Aggregate>,
    ) -> Result<H::Aggregate, ExecuteError<RejectionOf<H>>> {
        let Decided {
            events,
            state,
            version,
            at,
        } = decided;
        let has_changed = !events.is_empty();
        let first_seq = version + 1 - events.len() as u64;
        for (seq, event) in (first_seq..).zip(events) {
            retiring.record(event.into(), id, seq, at, &self.env.topology);
        }
        let Some(state) = state else {
            return Err(ExecuteError::Unavailable(Unavailable::Restarted));
        };
        if has_changed {
            retiring.rows.push(self.host.row(state.clone(), version));
            match self.host.deadline(&state) {
                Some(deadline) => self.unsettled.insert(id, deadline),
                None => self.unsettled.remove(&id),
            };
        }
        let slot = self.slot(id);
        slot.is_at_rest = state.at_rest();
        if slot.is_at_rest {
            let watchers = slot.watchers.drain(..);
            retiring
                .settled
                .extend(watchers.map(|watcher| (watcher, state.clone())));
        }
        Ok(state)
    }

    /// The watermark that a turn moves, and whom to tell once it is committed.
    fn conclude(
        &mut self,
        origin: Origin<H::Aggregate>,
        mut results: Vec<Result<H::Aggregate, ExecuteError<RejectionOf<H>>>>,
        retiring: &mut Retiring<H::Aggregate>,
    ) -> (Option<(ShardRef, u64)>, Option<Completion>) {
        let settled = std::mem::take(&mut retiring.settled);
        let watermark = match &origin {
            Origin::Link {
                source, position, ..
            } => Some((*source, *position)),
            _ => None,
        };
        let tell: Option<Completion> = match origin {
            Origin::Link { .. } | Origin::Deadline => None,
            Origin::Answer(completion) => Some(completion),
            Origin::KeyTaken {
                uncommitted,
                answer,
                reply,
            } => {
                let is_taken = uncommitted.is_none_or(|key| self.keys.is_taken(&key));
                let result = if is_taken {
                    Ok(answer)
                } else {
                    Err(ExecuteError::Unavailable(Unavailable::Restarted))
                };
                Some(reply_after_commit::<H::Aggregate>(reply, result))
            }
            Origin::Command { reply } => {
                let result = results
                    .pop()
                    .unwrap_or(Err(ExecuteError::Unavailable(Unavailable::Restarted)))
                    .map(Executed::Done);
                Some(reply_after_commit::<H::Aggregate>(reply, result))
            }
            Origin::Unparking { id, reply } => {
                let failure = results.into_iter().find_map(Result::err);
                Some(self.conclude_unparking(id, failure, reply, retiring))
            }
            Origin::Discarding {
                id,
                aggregate_id,
                reply,
            } => Some(self.conclude_discarding(id, aggregate_id, reply, retiring)),
        };
        if settled.is_empty() {
            return (watermark, tell);
        }
        let completion: Completion = Box::new(move |committed| {
            if committed.is_ok() {
                for (watcher, state) in settled {
                    let _ = watcher.send(state);
                }
            }
            if let Some(tell) = tell {
                tell(committed);
            }
        });
        (watermark, Some(completion))
    }

    /// Everything up to this turn is committed.
    pub(super) fn on_committed(&mut self, ticket: Ticket, ctx: &mut Context<Self>) {
        self.committed = self.committed.max(ticket);
        while self
            .committing
            .front()
            .is_some_and(|turn| turn.ticket <= ticket)
        {
            let Some(turn) = self.committing.pop_front() else {
                break;
            };
            for id in turn.aggregates {
                self.part_committed(id, ctx);
            }
        }
        self.restart_if_waiting(ctx);
    }
}

fn reply_after_commit<A: Aggregate>(
    reply: oneshot::Sender<Result<Executed<A>, ExecuteError<A::Rejection>>>,
    result: Result<Executed<A>, ExecuteError<A::Rejection>>,
) -> Completion {
    Box::new(move |committed| {
        let _ = reply.send(match committed {
            Ok(()) => result,
            Err(reason) => Err(ExecuteError::Unavailable(reason)),
        });
    })
}

impl<A: Aggregate> Retiring<A> {
    /// Adds a record, encoded, with the shards that must act on it.
    pub(super) fn record(
        &mut self,
        event: Event,
        aggregate_id: u64,
        seq: u64,
        time: Timestamp,
        topology: &Topology,
    ) {
        self.records.push(NewRecord {
            targets: routing::inbox_targets(&event, topology),
            payload: Payload {
                record: storage::NewRecord {
                    aggregate_id,
                    seq,
                    time,
                    event_type: proto::event_type(&event),
                    payload: proto::encode(&event),
                    trace: self.trace,
                },
                event: Arc::new(event),
            },
        });
    }
}
