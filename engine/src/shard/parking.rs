//! Parked commands: set aside when their handling keeps failing, shown to operators, retried or discarded.

use super::{
    Shard,
    calls::{Completion, DealWithParked, ExecuteError, ParkedAction, ParkedError, Reply},
    effects::{Effects, Notice},
    retiring::Retiring,
    rules::{Parking, Part, PartToPark, Rules},
    turns::{Origin, Turn},
};
use crate::Unavailable;

/// Why something parks that has not failed itself.
pub(super) const PARKED_BEHIND: &str = "parked behind an older command about the same order";

impl<R: Rules> Shard<R> {
    /// Whether something is parked for this aggregate about the same.
    pub(super) fn is_parked_for(&self, aggregate_id: u64, subject: R::Subject) -> bool {
        self.parked
            .iter()
            .any(|parked| self.rules.parked_for(parked) == (aggregate_id, subject))
    }

    /// Sets a part of a record aside: journaled in the transaction that passes the watermark.
    pub(super) fn park(
        &mut self,
        retiring: &mut Retiring<R>,
        part: &Part<R>,
        (source, position, fact): (R::Shard, u64, &R::Fact),
        error: String,
        fx: &mut dyn Effects<R>,
    ) {
        let at = fx.now();
        let id = self.issue_id(at);
        retiring.last_id = Some(id);
        fx.note(Notice::Parked {
            source,
            position,
            aggregate_id: part.id,
            error: error.clone(),
        });
        let parked = self.rules.park(PartToPark {
            id,
            source,
            position,
            fact,
            part,
            error,
            at,
        });
        let what = Parking::Parked;
        let record = self.rules.parking_record(&parked, what, at, retiring.trace);
        retiring.records.push(record);
        self.parked.push(parked.clone());
        retiring.rows.push(self.rules.parking_row(parked, what));
    }

    /// Begins what an operator has asked for.
    pub(super) fn begin_dealing(&mut self, call: DealWithParked, fx: &mut dyn Effects<R>) {
        let DealWithParked { id, action, reply } = call;
        let rules = &self.rules;
        let mut all = self.parked.iter();
        let Some(parked) = all.find(|parked| rules.parked_id(parked) == id).cloned() else {
            return reply.tell(Err(ParkedError::NotFound));
        };
        let (aggregate_id, subject) = rules.parked_for(&parked);
        let first = self
            .parked
            .iter()
            .find(|other| rules.parked_for(other) == (aggregate_id, subject))
            .map_or(id, |first| rules.parked_id(first));
        if first != id {
            return reply.tell(Err(ParkedError::NotFirst { first }));
        }
        if !self.dealing_with.insert(id) {
            return reply.tell(Err(Unavailable::Busy.into()));
        }
        if action == ParkedAction::Discard {
            self.begin(Turn::new(Origin::Discarding { id, reply }, Vec::new()), fx);
            return;
        }
        match rules.parked_fact(&parked) {
            Ok((fact, about)) => {
                let (parts, issued) = self.parts_of(&fact, about, Some(aggregate_id), fx.now());
                let mut turn = Turn::new(Origin::Unparking { id, reply }, parts);
                turn.issued = issued;
                self.begin(turn, fx);
            }
            Err(error) => {
                self.dealing_with.remove(&id);
                reply.tell(Err(ParkedError::FailedAgain { error }));
            }
        }
    }

    /// Ends a retry: what it brought about is in the same transaction as its end.
    pub(super) fn conclude_unparking(
        &mut self,
        id: u64,
        (failure, cause): (Option<ExecuteError<R::Rejection>>, Option<String>),
        reply: Reply<Result<(), ParkedError>>,
        retiring: &mut Retiring<R>,
        fx: &mut dyn Effects<R>,
    ) -> Completion {
        self.dealing_with.remove(&id);
        let error = match failure {
            None => {
                self.unpark(id, Parking::Retried, retiring, fx);
                None
            }
            Some(ExecuteError::Rejected(rejection)) => Some(rejection.to_string()),
            Some(ExecuteError::Unavailable(reason)) => {
                Some(cause.unwrap_or_else(|| reason.to_string()))
            }
        };
        if let Some(error) = &error {
            self.park_again(id, error.clone(), retiring, fx);
        }
        Box::new(move |committed| {
            reply.tell(match (committed, error) {
                (Err(reason), _) => Err(reason.into()),
                (Ok(()), Some(error)) => Err(ParkedError::FailedAgain { error }),
                (Ok(()), None) => Ok(()),
            });
        })
    }

    /// Ends a parked command without effect.
    pub(super) fn conclude_discarding(
        &mut self,
        id: u64,
        reply: Reply<Result<(), ParkedError>>,
        retiring: &mut Retiring<R>,
        fx: &mut dyn Effects<R>,
    ) -> Completion {
        self.dealing_with.remove(&id);
        self.unpark(id, Parking::Discarded, retiring, fx);
        Box::new(move |committed| reply.tell(committed.map_err(Into::into)))
    }

    /// A parked command has failed once more: it is parked anew under its number, with the error that it failed with.
    fn park_again(
        &mut self,
        id: u64,
        error: String,
        retiring: &mut Retiring<R>,
        fx: &mut dyn Effects<R>,
    ) {
        let rules = &self.rules;
        let mut all = self.parked.iter_mut();
        let Some(parked) = all.find(|parked| rules.parked_id(parked) == id) else {
            return;
        };
        *parked = rules.failed_again(parked.clone(), error);
        let what = Parking::Parked;
        let record = rules.parking_record(parked, what, fx.now(), retiring.trace);
        retiring.records.push(record);
        retiring.rows.push(rules.parking_row(parked.clone(), what));
    }

    fn unpark(
        &mut self,
        id: u64,
        what: Parking,
        retiring: &mut Retiring<R>,
        fx: &mut dyn Effects<R>,
    ) {
        let rules = &self.rules;
        let mut all = self.parked.iter();
        let Some(index) = all.position(|parked| rules.parked_id(parked) == id) else {
            return;
        };
        let parked = self.parked.remove(index);
        let record = rules.parking_record(&parked, what, fx.now(), retiring.trace);
        retiring.records.push(record);
        retiring.rows.push(rules.parking_row(parked, what));
    }
}
