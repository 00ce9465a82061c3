//! Deadlines: what has waited too long is given up, unless the link it waits on is unconfirmed.
//!
//! What is overdue is given up only after every shard that might still answer it has been seen to have applied
//! everything that was sent to it, and this shard to have applied everything that was sent back. So an outage of the
//! feed does not expire orders that were accepted.

use super::{
    Shard,
    calls::{Heads, HeadsFor, Question, ReadError},
    effects::{Effects, Notice},
    rules::{Part, Rules},
    turns::{Origin, Turn},
};
use crate::Confirmation;

/// Overdue aggregates, and what has to be confirmed before they are given up.
pub(super) struct Expiry<S> {
    aggregates: Vec<u64>,
    confirmation: Confirmation<S>,
}

impl<R: Rules> Shard<R> {
    /// Moves the expiry of overdue aggregates on by one stage.
    pub(super) fn look_at_deadlines(&mut self, fx: &mut dyn Effects<R>) {
        if self.expiry.is_none() {
            let now = fx.now();
            let overdue = self.waiting.iter().filter(|(_, end)| **end <= now);
            let aggregates: Vec<u64> = overdue
                .map(|(id, _)| *id)
                .filter(|id| self.is_committed(*id))
                .collect();
            if aggregates.is_empty() {
                return;
            }
            self.expiry = Some(Expiry {
                aggregates,
                confirmation: Confirmation::Begun,
            });
        }
        let mut shards = self.rules.awaited();
        shards.push(self.shard);
        fx.ask(self.life, Question::Heads(shards, HeadsFor::Deadlines));
    }

    /// Whether everything about an aggregate is committed, so that the heads that are read speak of what it has sent.
    fn is_committed(&self, id: u64) -> bool {
        self.slots.get(&id).is_none_or(|slot| slot.committing == 0)
    }

    /// The heads of all shards concerned were read.
    pub(super) fn confirm(
        &mut self,
        read: Result<Heads<R::Shard>, ReadError>,
        fx: &mut dyn Effects<R>,
    ) {
        let Ok(heads) = read else {
            return;
        };
        let Some(mut expiry) = self.expiry.take() else {
            return;
        };
        if expiry.confirmation.look(self.shard, &heads) {
            self.expire(expiry.aggregates, fx);
        } else {
            self.expiry = Some(expiry);
        }
    }

    fn expire(&mut self, aggregates: Vec<u64>, fx: &mut dyn Effects<R>) {
        let now = fx.now();
        for id in aggregates {
            let is_overdue = self.waiting.get(&id).is_some_and(|end| *end <= now);
            if let Some(command) = self.rules.on_deadline().filter(|_| is_overdue) {
                fx.note(Notice::DeadlinePassed { id });
                let part = Part {
                    id,
                    is_new: false,
                    command,
                    subject: self.rules.subject_of_command(id),
                };
                self.begin(Turn::new(Origin::Deadline, vec![part]), fx);
            }
        }
        self.retire_ready(fx);
    }
}
