//! Turns retire in order to the writer, and are answered after the commit.

use super::{
    Shard,
    calls::{
        Companion, Completion, Decided, Entry, ExecuteError, Executed, Execution, Outcome, Reply,
    },
    deadlines::Wait,
    effects::Effects,
    rules::Rules,
    turns::{Committing, Origin, TakenKey, Turn},
};
use crate::{NewRecord, Ticket, Unavailable};

/// What a retiring turn puts together for the writer.
pub(super) struct Retiring<R: Rules> {
    pub(super) records: Vec<NewRecord<R::Shard, R::Payload>>,
    pub(super) rows: Vec<R::Row>,
    settled: Vec<(Reply<R::Aggregate>, R::Aggregate)>,
    pub(super) last_id: Option<u64>,
    pub(super) trace: Option<R::Trace>,
}

/// What the parts of a turn came to, for whoever asked. An aggregate that does not exist decides too, and has no state.
type Results<R> =
    Vec<Result<Option<<R as Rules>::Aggregate>, ExecuteError<<R as Rules>::Rejection>>>;

impl<R: Rules> Shard<R> {
    /// Retires every turn whose time has come, and hands them to the writer.
    pub(super) fn retire_ready(&mut self, fx: &mut dyn Effects<R>) {
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
                Some((part, error)) => self.recover(ticket, part, error, fx),
                None => {
                    if let Some((ticket, turn, outcomes)) = self.pipeline.retire() {
                        self.retire(ticket, turn, outcomes, fx);
                    }
                }
            }
        }
        if !self.outbox.is_empty() {
            fx.submit(std::mem::take(&mut self.outbox));
        }
    }

    /// Puts a turn together for the writer.
    fn retire(
        &mut self,
        ticket: Ticket,
        turn: Turn<R>,
        outcomes: Vec<Outcome<R>>,
        fx: &mut dyn Effects<R>,
    ) {
        let mut retiring = Retiring {
            records: Vec::new(),
            rows: Vec::new(),
            settled: Vec::new(),
            last_id: turn.issued,
            trace: turn.trace,
        };
        let aggregates: Vec<u64> = turn.parts.iter().map(|part| part.id).collect();
        let is_command = matches!(turn.origin, Origin::Command { .. });
        let command_of = aggregates.first().copied().filter(|_| is_command);
        let (origin, key, rows, cause) = (turn.origin, turn.key, turn.rows, turn.error);
        let parts = turn.parts.into_iter().zip(outcomes);
        let mut at_rest = turn.at_rest;
        let mut results = Vec::with_capacity(parts.len());
        for (part, outcome) in parts {
            let slot = self.slot(part.id, fx.uptime());
            slot.open = slot.open.saturating_sub(1);
            slot.committing += 1;
            let error = match outcome {
                Outcome::Decided(decided) => {
                    slot.watchers.extend(at_rest.take());
                    results.push(Ok(self.decided(&mut retiring, part.id, decided, fx)));
                    continue;
                }
                Outcome::Rejected(rejection) => {
                    let error = rejection.to_string();
                    results.push(Err(ExecuteError::Rejected(rejection)));
                    error
                }
                Outcome::Parked(error) => error,
                Outcome::Failed(_) | Outcome::Bounced | Outcome::Dropped => {
                    results.push(Err(nothing()));
                    continue;
                }
            };
            if let Origin::Link {
                source,
                position,
                fact,
            } = &origin
            {
                self.park(&mut retiring, &part, (*source, *position, fact), error, fx);
            }
        }
        self.take_rows(&mut retiring, &results, rows, key);
        let (watermark, completion) = self.conclude(origin, (results, cause), &mut retiring, fx);
        self.committing.push_back(Committing {
            ticket,
            aggregates,
            command_of,
        });
        self.outbox.push(Entry::<R> {
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

    /// The rows that a turn brings along are written, and its key is taken, if everything came of it that was asked.
    fn take_rows(
        &mut self,
        retiring: &mut Retiring<R>,
        results: &Results<R>,
        rows: Vec<R::Row>,
        key: Option<TakenKey<R::Time>>,
    ) {
        if results.iter().all(Result::is_ok) {
            retiring.rows.extend(rows);
            let key_row = key.map(|key| self.rules.key_row(key.text, key.owner));
            retiring.rows.extend(key_row);
        } else if let Some(key) = key {
            self.keys.freed(&key);
        }
    }

    /// Turns what an aggregate has decided into records and rows.
    fn decided(
        &mut self,
        retiring: &mut Retiring<R>,
        id: u64,
        decided: Decided<R>,
        fx: &mut dyn Effects<R>,
    ) -> Option<R::Aggregate> {
        let Decided {
            events,
            state,
            version,
            at,
        } = decided;
        let has_changed = !events.is_empty();
        let first_seq = version + 1 - events.len() as u64;
        for (seq, event) in (first_seq..).zip(events) {
            let record = self.rules.record(event, id, seq, at, retiring.trace);
            retiring.records.push(record);
        }
        let state = state?;
        if has_changed {
            retiring.rows.push(self.rules.row(state.clone(), version));
            match self.rules.deadline(&state) {
                Some(end) => {
                    let on = self.rules.awaited_by(&state);
                    self.waiting.insert(id, Wait::on(end, on));
                }
                None => drop(self.waiting.remove(&id)),
            }
        }
        let is_at_rest = self.rules.at_rest(&state);
        let slot = self.slot(id, fx.uptime());
        slot.is_at_rest = is_at_rest;
        if is_at_rest {
            let watchers = slot.watchers.drain(..);
            retiring
                .settled
                .extend(watchers.map(|watcher| (watcher, state.clone())));
        }
        Some(state)
    }

    /// The watermark that a turn moves, and whom to tell once it is committed.
    fn conclude(
        &mut self,
        origin: Origin<R>,
        (mut results, cause): (Results<R>, Option<String>),
        retiring: &mut Retiring<R>,
        fx: &mut dyn Effects<R>,
    ) -> (Option<(R::Shard, u64)>, Option<Completion>) {
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
                let result = if is_taken { Ok(answer) } else { Err(nothing()) };
                Some(reply_after_commit::<R>(reply, result))
            }
            Origin::Command { reply } => {
                let result = results.pop().unwrap_or_else(|| Err(nothing()));
                let result = result.and_then(|state| state.map(Executed::Done).ok_or(nothing()));
                Some(reply_after_commit::<R>(reply, result))
            }
            Origin::Unparking { id, reply } => {
                let failure = results.into_iter().find_map(Result::err);
                Some(self.conclude_unparking(id, (failure, cause), reply, retiring, fx))
            }
            Origin::Discarding { id, reply } => {
                Some(self.conclude_discarding(id, reply, retiring, fx))
            }
        };
        if settled.is_empty() {
            return (watermark, tell);
        }
        let completion: Completion = Box::new(move |committed| {
            if committed.is_ok() {
                for (watcher, state) in settled {
                    watcher.tell(state);
                }
            }
            if let Some(tell) = tell {
                tell(committed);
            }
        });
        (watermark, Some(completion))
    }

    /// Everything up to this turn is committed.
    pub(super) fn on_committed(&mut self, ticket: Ticket, fx: &mut dyn Effects<R>) {
        self.committed = self.committed.max(ticket);
        while self
            .committing
            .front()
            .is_some_and(|turn| turn.ticket <= ticket)
        {
            let Some(turn) = self.committing.pop_front() else {
                break;
            };
            let slot = turn.command_of.and_then(|id| self.slots.get_mut(&id));
            if let Some(slot) = slot {
                slot.commands = slot.commands.saturating_sub(1);
            }
            for id in turn.aggregates {
                self.part_committed(id, fx);
            }
        }
        self.restart_if_waiting(fx);
    }
}

/// Nothing came of it, and it may be tried again.
const fn nothing<E>() -> ExecuteError<E> {
    ExecuteError::Unavailable(Unavailable::Restarted)
}

fn reply_after_commit<R: Rules>(reply: Reply<Execution<R>>, result: Execution<R>) -> Completion {
    Box::new(move |committed| {
        reply.tell(match committed {
            Ok(()) => result,
            Err(reason) => Err(ExecuteError::Unavailable(reason)),
        });
    })
}
