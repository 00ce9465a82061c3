//! What happens after a failure: an aggregate is rebuilt, a record that keeps failing is parked, a budget that is used
//! up restarts the shard.
//!
//! A failed turn is looked at when it is the oldest: then all earlier turns have retired, so the aggregate's events are
//! with the writer, and it can be loaded as soon as they are committed. Whatever else was meant for it has been handed
//! back unhandled, and is handed over again in the same order.

use std::time::Duration;

use super::{
    Phase, Shard,
    calls::{Decide, Heads, HeadsFor, Outcome, Question, ReadError},
    effects::{Cause, Effects, Notice, Wake},
    parking::PARKED_BEHIND,
    rules::Rules,
    turns::Origin,
};
use crate::{
    Ticket, Unavailable,
    supervision::{Exhausted, Verdict},
};

impl<R: Rules> Shard<R> {
    /// Deals with a failed part of the oldest turn. `error` is `None` if it was only handed back.
    pub(super) fn recover(
        &mut self,
        ticket: Ticket,
        part: usize,
        error: Option<String>,
        fx: &mut dyn Effects<R>,
    ) {
        let uptime = fx.uptime();
        let Some((_, turn, _)) = self.pipeline.front() else {
            return;
        };
        let (id, subject) = (turn.parts[part].id, turn.parts[part].subject);
        let is_of_link = matches!(turn.origin, Origin::Link { .. });
        let outcome = error.as_ref().and_then(|error| {
            turn.error = Some(error.clone());
            let is_worn_out = turn.has_failed(part, uptime);
            match (is_of_link, is_worn_out) {
                (true, true) => Some(Outcome::Parked(error.clone())),
                (true, false) => None,
                (false, _) => Some(Outcome::Dropped),
            }
        });
        let is_parked = matches!(outcome, Some(Outcome::Parked(_)));
        self.pipeline.reopen(ticket, part);
        if let Some(outcome) = outcome {
            self.pipeline.complete(ticket, part, outcome);
        }
        if is_parked {
            self.park_behind(ticket, id, subject);
        }

        let (cause, error) = match error {
            Some(error) => (Cause::Failed, error),
            None => (Cause::Gone, "the actor is gone".to_owned()),
        };
        fx.note(Notice::Rebuilt { id, cause, error });
        match self.slot(id, uptime).restarts.failed(&R::POLICY, uptime) {
            Verdict::Escalate(exhausted) => self.escalate(exhausted, id, fx),
            Verdict::Restart(backoff) => self.rebuild(id, backoff, fx),
        }
    }

    /// What has begun after a turn, and is about the same for the same aggregate, parks behind it.
    fn park_behind(&mut self, ticket: Ticket, id: u64, subject: R::Subject) {
        let behind: Vec<(Ticket, usize)> = self
            .pipeline
            .turns()
            .filter(|(later, turn)| *later > ticket && matches!(turn.origin, Origin::Link { .. }))
            .flat_map(|(later, turn)| {
                let parts = turn.parts.iter().enumerate();
                parts
                    .filter(|(_, part)| part.id == id && part.subject == subject)
                    .map(move |(index, _)| (later, index))
            })
            .collect();
        for (later, index) in behind {
            self.pipeline.reopen(later, index);
            self.pipeline
                .complete(later, index, Outcome::Parked(PARKED_BEHIND.to_owned()));
        }
    }

    /// Throws an aggregate's memory away and hands everything that is open for it over again, in order.
    fn rebuild(&mut self, id: u64, backoff: Duration, fx: &mut dyn Effects<R>) {
        self.tear_down(id, fx);
        let incarnation = self.slot(id, fx.uptime()).incarnation;
        let now = fx.now();
        let open: Vec<(Ticket, usize, R::Command)> = self
            .pipeline
            .turns()
            .flat_map(|(ticket, turn)| {
                let parts = turn.parts.iter().enumerate();
                parts
                    .filter(|(_, part)| part.id == id)
                    .map(move |(index, part)| (ticket, index, part.command.clone()))
            })
            .filter(|(ticket, index, _)| {
                !matches!(
                    self.pipeline.outcome(*ticket, *index),
                    Some(Outcome::Parked(_) | Outcome::Dropped)
                )
            })
            .collect();
        let mut waiting = Vec::with_capacity(open.len());
        for (ticket, part, command) in open {
            self.pipeline.reopen(ticket, part);
            waiting.push(Decide {
                ticket,
                part,
                incarnation,
                command,
                now,
            });
        }
        // If nothing waits for it, the next one who wants it has it loaded.
        if !waiting.is_empty() {
            self.slot(id, fx.uptime()).wait_to_be_built(waiting);
            self.want_after(id, backoff, fx);
        }
    }

    fn escalate(&mut self, exhausted: Exhausted, id: u64, fx: &mut dyn Effects<R>) {
        fx.note(Notice::BudgetUsedUp { id });
        let verdict = match exhausted {
            Exhausted::RestartShard => self.restarts.failed(&self.limits.policy, fx.uptime()),
            Exhausted::ExitProcess => Verdict::Escalate(Exhausted::ExitProcess),
        };
        match verdict {
            Verdict::Restart(_) => self.restart(fx),
            Verdict::Escalate(_) => {
                fx.note(Notice::CannotGoOn("its restart budget is used up"));
            }
        }
    }

    /// Forgets everything that has not retired, and loads the shard anew once what has retired is committed.
    fn restart(&mut self, fx: &mut dyn Effects<R>) {
        fx.note(Notice::Restarts);
        let retired = std::mem::take(&mut self.outbox);
        self.forget(&Unavailable::Restarted, fx);
        fx.submit(retired);
        self.set_phase(Phase::Restarting, fx);
        self.restart_if_waiting(fx);
    }

    /// Loads the shard anew if it waits for that and nothing is uncommitted.
    pub(super) fn restart_if_waiting(&mut self, fx: &mut dyn Effects<R>) {
        if self.phase == Phase::Restarting && self.committing.is_empty() {
            let question = Question::Heads(vec![self.shard], HeadsFor::Restart);
            fx.ask(self.life, question);
        }
    }

    /// The head of a shard that restarts was read.
    pub(super) fn head_read(
        &mut self,
        read: Result<Heads<R::Shard>, ReadError>,
        fx: &mut dyn Effects<R>,
    ) {
        match read.map(|heads| heads.into_iter().next()) {
            Ok(Some((_, head))) => self.load(self.generation, head, fx),
            Ok(None) => fx.note(Notice::CannotGoOn("its head is gone")),
            Err(_) => {
                fx.wake(self.limits.policy.backoff_max, self.life, Wake::Restart);
            }
        }
    }
}
