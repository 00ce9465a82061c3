//! Deadlines: what has waited too long is given up, unless a link that it waits on is unconfirmed.
//!
//! What is overdue is given up only after every shard that might still answer it has been seen to have applied
//! everything that was sent to it, and this shard to have applied everything that was sent back. So an outage of the
//! feed does not expire orders that were accepted, and a shard that does not answer holds up only those that wait on it.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Shard,
    calls::{Heads, HeadsFor, Question, ReadError},
    effects::{Effects, Notice},
    health::Stuck,
    rules::{Part, Rules},
    turns::{Origin, Turn},
};
use crate::{Address, Confirmation, Head};

/// How long an aggregate that was told that its wait is over, and went on waiting, is left alone.
const TELL_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// The wait of an aggregate.
pub(super) struct Wait<R: Rules> {
    /// When it ends.
    pub(super) end: R::Time,
    /// The shards that it depends on; `None` while that is not known: then it may be any.
    on: Option<Vec<R::Shard>>,
    /// Since when it is known to be overdue.
    overdue_since: Option<Duration>,
    /// When it was told so.
    told_at: Option<Duration>,
}

impl<R: Rules> Wait<R> {
    /// One of which only the end is known.
    pub(super) const fn until(end: R::Time) -> Self {
        Self {
            end,
            on: None,
            overdue_since: None,
            told_at: None,
        }
    }

    /// One that depends on these shards.
    pub(super) fn on(end: R::Time, shards: Vec<R::Shard>) -> Self {
        Self {
            on: Some(shards),
            ..Self::until(end)
        }
    }

    /// Takes up what it depends on, if that was not known.
    pub(super) fn learn(&mut self, on: impl FnOnce() -> Vec<R::Shard>) {
        self.on.get_or_insert_with(on);
    }
}

/// Up to when the links to and from other shards are confirmed.
pub(super) struct Confirmations<S> {
    /// When the heads were asked for that have not been read yet.
    asked_at: Option<Duration>,
    /// What is being confirmed of each shard, and since when.
    under_way: BTreeMap<S, (Duration, Confirmation)>,
    /// Everything sent to a shard before this time was applied there, and everything sent back for it here.
    until: BTreeMap<S, Duration>,
}

impl<S> Default for Confirmations<S> {
    fn default() -> Self {
        Self {
            asked_at: None,
            under_way: BTreeMap::new(),
            until: BTreeMap::new(),
        }
    }
}

impl<S: Address> Confirmations<S> {
    /// Looks at heads that were read after they were asked for at `asked_at`.
    fn look(&mut self, (me, mine): (S, &Head<S>), heads: &Heads<S>, asked_at: Duration) {
        for (shard, head) in heads.iter().filter(|(shard, _)| *shard != me) {
            let (begun_at, confirmation) = self
                .under_way
                .entry(*shard)
                .or_insert_with(|| (asked_at, Confirmation::begin(mine, *shard)));
            if confirmation.look((me, mine), (*shard, head)) {
                self.until.insert(*shard, *begun_at);
                self.under_way.remove(shard);
            }
        }
    }

    /// Whether a shard is confirmed up to that time. One that was never claimed has neither taken nor sent anything.
    fn is_confirmed(&self, shard: &S, since: Duration, heads: &Heads<S>) -> bool {
        match self.until.get(shard) {
            Some(until) => *until >= since,
            None => !heads.iter().any(|(known, _)| known == shard),
        }
    }
}

impl<R: Rules> Shard<R> {
    /// Has the heads read on which overdue aggregates wait.
    pub(super) fn look_at_deadlines(&mut self, fx: &mut dyn Effects<R>) {
        let (now, uptime) = (fx.now(), fx.uptime());
        let mut unknown = Vec::new();
        let mut are_any = false;
        for (id, wait) in &mut self.waiting {
            if wait.end > now {
                wait.overdue_since = None;
                continue;
            }
            are_any = true;
            // Heads that are read speak of what is committed. What an aggregate has sent and is not is not in them.
            let is_committed = self.slots.get(id).is_none_or(|slot| slot.committing == 0);
            if is_committed {
                wait.overdue_since.get_or_insert(uptime);
            }
            if wait.on.is_none() {
                unknown.push(*id);
            }
        }
        if !are_any {
            self.confirmations.under_way.clear();
            self.confirmations.until.clear();
            return;
        }
        // On which shards they wait is known when they are in memory.
        for id in unknown {
            self.want(id, fx);
        }
        if self.confirmations.asked_at.is_none() {
            self.confirmations.asked_at = Some(uptime);
            let mut shards = self.rules.awaited();
            shards.push(self.shard);
            fx.ask(self.life, Question::Heads(shards, HeadsFor::Deadlines));
        }
    }

    /// The heads of all shards concerned were read.
    pub(super) fn confirm(
        &mut self,
        read: Result<Heads<R::Shard>, ReadError>,
        fx: &mut dyn Effects<R>,
    ) {
        let Some(asked_at) = self.confirmations.asked_at.take() else {
            return;
        };
        let Ok(heads) = read else {
            return;
        };
        let me = self.shard;
        let Some((_, mine)) = heads.iter().find(|(shard, _)| *shard == me) else {
            return;
        };
        self.confirmations.look((me, mine), &heads, asked_at);
        let confirmations = &self.confirmations;
        let all = self.rules.awaited();
        let uptime = fx.uptime();
        let expired = self.waiting.iter_mut().filter_map(|(id, wait)| {
            let since = wait.overdue_since?;
            let was_told = (wait.told_at)
                .is_some_and(|told_at| uptime.saturating_sub(told_at) < TELL_AGAIN_AFTER);
            let on = wait.on.as_ref().unwrap_or(&all);
            let is_over = !was_told
                && (on.iter()).all(|shard| confirmations.is_confirmed(shard, since, &heads));
            is_over.then(|| {
                wait.told_at = Some(uptime);
                *id
            })
        });
        let expired: Vec<u64> = expired.collect();
        self.expire(expired, fx);
    }

    /// What is overdue, and why it still waits.
    pub(super) fn overdue(&self, now: R::Time) -> impl Iterator<Item = Stuck<R::Shard>> {
        let waiting = self.waiting.iter();
        let overdue = waiting.filter(move |(_, wait)| wait.end <= now);
        overdue.map(|(id, wait)| {
            let since = wait.overdue_since;
            let is_confirmed = |shard: &R::Shard| {
                let until = self.confirmations.until.get(shard);
                since.is_some_and(|since| until.is_some_and(|until| *until >= since))
            };
            let on = wait.on.iter().flatten().copied();
            Stuck {
                id: *id,
                unconfirmed: on.filter(|shard| !is_confirmed(shard)).collect(),
                was_told: wait.told_at.is_some(),
            }
        })
    }

    fn expire(&mut self, aggregates: Vec<u64>, fx: &mut dyn Effects<R>) {
        let now = fx.now();
        for id in aggregates {
            let is_overdue = self.waiting.get(&id).is_some_and(|wait| wait.end <= now);
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
