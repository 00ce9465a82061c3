//! Parked commands: set aside when their handling keeps failing, shown to operators, retried or discarded.

use std::sync::Arc;

use actix::Context;
use domain::{
    Aggregate, Event, OrderId, ShardRef,
    parking::{ParkedCommand, ParkingEvent},
};
use storage::ParkedRow;
use tokio::sync::oneshot;

use super::{
    ShardActor,
    links::ParkedFor,
    turns::{Origin, Retiring, Turn},
};
use crate::{
    Unavailable,
    runtime::{
        Host,
        decode::decode,
        host::Part,
        messages::{Completion, DealWithParked, ExecuteError, ParkedAction, Row},
    },
    system::{ParkedError, parked_id},
};

/// Why something parks that has not failed itself.
pub(super) const PARKED_BEHIND: &str = "parked behind an older command about the same order";

impl<H: Host> ShardActor<H> {
    /// Whether something is parked for this aggregate about this order.
    pub(super) fn is_parked_for(&self, aggregate_id: u64, order_id: Option<OrderId>) -> bool {
        self.parked
            .iter()
            .any(|row| parked_for(row) == (aggregate_id, order_id))
    }

    /// Sets a part of a record aside: journaled in the transaction that passes the watermark.
    pub(super) fn park(
        &mut self,
        retiring: &mut Retiring<H::Aggregate>,
        part: &Part<H::Aggregate>,
        (source, position, event): (ShardRef, u64, &Arc<Event>),
        error: String,
    ) {
        let id = self.issue_id();
        retiring.last_id = Some(id);
        let command = ParkedCommand {
            id,
            source_domain: source.domain,
            source_shard: source.shard,
            source_position: position,
            aggregate_id: part.id,
            order_id: part.order_id,
            event_type: proto::event_type(event).to_owned(),
            payload: proto::encode(event),
            error,
        };
        tracing::error!(
            shard = %self.shard, %source, position, aggregate = part.id, error = command.error,
            "a command is parked"
        );
        let now = self.env.clock.now();
        retiring.record(
            ParkingEvent::CommandParked(command.clone()).into(),
            part.id,
            0,
            now,
            &self.env.topology,
        );
        let row = ParkedRow {
            shard: self.shard,
            parked_at: now,
            command,
        };
        self.parked.push(row.clone());
        retiring.rows.push(Row::Parked(row));
    }

    /// Begins what an operator has asked for.
    pub(super) fn deal_with_parked(&mut self, message: DealWithParked, ctx: &mut Context<Self>) {
        let DealWithParked { id, action, reply } = message;
        let Some(row) = self.parked.iter().find(|row| row.command.id == id).cloned() else {
            let _ = reply.send(Err(ParkedError::NotFound));
            return;
        };
        let first = self
            .parked
            .iter()
            .find(|other| parked_for(other) == parked_for(&row))
            .filter(|first| first.command.id != id);
        if let Some(first) = first {
            let first = parked_id(self.shard, first.command.id);
            let _ = reply.send(Err(ParkedError::NotFirst { first }));
            return;
        }
        if !self.dealing_with.insert(id) {
            let _ = reply.send(Err(Unavailable::Busy.into()));
            return;
        }
        let aggregate_id = row.command.aggregate_id;
        if action == ParkedAction::Discard {
            let origin = Origin::Discarding {
                id,
                aggregate_id,
                reply,
            };
            self.begin(Turn::new(origin, Vec::new()), ctx);
            return;
        }
        let event = match decode(&row.command.event_type, &row.command.payload) {
            Ok(event) => event,
            Err(error) => {
                self.dealing_with.remove(&id);
                let error = error.to_string();
                let _ = reply.send(Err(ParkedError::FailedAgain { error }));
                return;
            }
        };
        // What parks comes from an order, or is an answer that names its order.
        let about = row.command.order_id.map_or(0, OrderId::get);
        let (parts, issued) = self.parts_of(&event, about, Some(aggregate_id));
        let mut turn = Turn::new(Origin::Unparking { id, reply }, parts);
        turn.issued = issued;
        self.begin(turn, ctx);
    }

    /// Ends a retry: what it brought about is in the same transaction as its end.
    pub(super) fn conclude_unparking(
        &mut self,
        id: u64,
        failure: Option<ExecuteError<<H::Aggregate as Aggregate>::Rejection>>,
        reply: oneshot::Sender<Result<(), ParkedError>>,
        retiring: &mut Retiring<H::Aggregate>,
    ) -> Completion {
        self.dealing_with.remove(&id);
        let error = match failure {
            None => {
                self.unpark(id, retiring, |aggregate_id| {
                    ParkingEvent::ParkedCommandRetried { id, aggregate_id }
                });
                None
            }
            Some(ExecuteError::Rejected(rejection)) => Some(rejection.to_string()),
            Some(ExecuteError::Unavailable(reason)) => Some(reason.to_string()),
        };
        Box::new(move |committed| {
            let _ = reply.send(match (committed, error) {
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
        aggregate_id: u64,
        reply: oneshot::Sender<Result<(), ParkedError>>,
        retiring: &mut Retiring<H::Aggregate>,
    ) -> Completion {
        self.dealing_with.remove(&id);
        self.unpark(id, retiring, |_| ParkingEvent::ParkedCommandDiscarded {
            id,
            aggregate_id,
        });
        Box::new(move |committed| {
            let _ = reply.send(committed.map_err(Into::into));
        })
    }

    fn unpark(
        &mut self,
        id: u64,
        retiring: &mut Retiring<H::Aggregate>,
        event: impl FnOnce(u64) -> ParkingEvent,
    ) {
        let Some(index) = self.parked.iter().position(|row| row.command.id == id) else {
            return;
        };
        let row = self.parked.remove(index);
        let aggregate_id = row.command.aggregate_id;
        retiring.record(
            event(aggregate_id).into(),
            aggregate_id,
            0,
            self.env.clock.now(),
            &self.env.topology,
        );
        retiring.rows.push(Row::Unparked(self.shard, id));
    }
}

fn parked_for(row: &ParkedRow) -> ParkedFor {
    (row.command.aggregate_id, row.command.order_id)
}
