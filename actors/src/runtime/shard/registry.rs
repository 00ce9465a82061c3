//! The aggregates in memory: found, built from storage on first touch, many in one query, and let go when idle.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use actix::{Actor, ActorFutureExt, Addr, AsyncContext, Context, WrapFuture};
use domain::Aggregate;
use engine::{Restarts, Ticket};
use storage::StorageError;
use tokio::sync::oneshot;

use super::ShardActor;
use crate::runtime::{
    Host,
    aggregate::{AggregateActor, Decide, Outcome, ReplyTo},
    host::Stored,
    policy,
};

/// Aggregates of one query at most.
const LOAD_BATCH_MAX: usize = 500;
/// The wait before a failed query is tried again.
const LOAD_RETRY_AFTER: Duration = Duration::from_millis(100);

/// One aggregate in memory, or on its way there.
pub(super) struct Slot<A: Aggregate> {
    actor: Option<Addr<AggregateActor<A>>>,
    /// Grows with every rebuilding; what an earlier incarnation says is void.
    pub(super) incarnation: u64,
    /// Decisions that wait for the actor to be built.
    waiting: Vec<Decide<A>>,
    /// Parts that have begun and not retired.
    pub(super) open: usize,
    /// Parts that have retired and are not committed.
    pub(super) committing: usize,
    /// It is to be loaded as soon as nothing of it is uncommitted.
    wants_load: bool,
    /// It is being loaded: what is read counts for this incarnation, and nothing is read twice.
    is_loading: bool,
    /// It has failed lately and is not loaded before its backoff is over.
    is_backing_off: bool,
    /// As its last decision left it.
    pub(super) is_at_rest: bool,
    used_at: Duration,
    /// Told when it comes to rest.
    pub(super) watchers: Vec<oneshot::Sender<A>>,
    pub(super) restarts: Restarts,
}

impl<A: Aggregate> Slot<A> {
    fn new(now: Duration) -> Self {
        Self {
            actor: None,
            incarnation: 0,
            waiting: Vec::new(),
            open: 0,
            committing: 0,
            wants_load: false,
            is_loading: false,
            is_backing_off: false,
            is_at_rest: false,
            used_at: now,
            watchers: Vec::new(),
            restarts: Restarts::default(),
        }
    }

    pub(super) fn is_live(&self) -> bool {
        self.actor.is_some()
    }

    /// Lets these decisions wait, in order, until the actor is built.
    pub(super) fn wait_for_actor(&mut self, decisions: Vec<Decide<A>>) {
        self.waiting.extend(decisions);
    }

    /// Whether nothing of it is under way, so that what storage has is all there is to know.
    fn is_quiet(&self) -> bool {
        self.open == 0 && self.committing == 0 && self.watchers.is_empty()
    }
}

/// Aggregates that are to be read.
#[derive(Default)]
pub(super) struct LoadQueue {
    wanted: BTreeSet<u64>,
    is_reading: bool,
}

impl<H: Host> ShardActor<H> {
    /// The slot of an aggregate; a new one has no actor yet.
    pub(super) fn slot(&mut self, id: u64) -> &mut Slot<H::Aggregate> {
        let now = self.env.clock.uptime();
        let slot = self.slots.entry(id).or_insert_with(|| Slot::new(now));
        slot.used_at = now;
        slot
    }

    /// Hands a part to its aggregate, which is built first if it is not in memory.
    pub(super) fn dispatch(
        &mut self,
        (ticket, part): (Ticket, usize),
        id: u64,
        is_new: bool,
        command: <H::Aggregate as Aggregate>::Command,
        ctx: &mut Context<Self>,
    ) {
        let shard = self.parts_done.clone();
        let now = self.env.clock.now();
        let is_first = !self.slots.contains_key(&id);
        let slot = self.slot(id);
        let decide = Decide {
            command,
            now,
            reply: ReplyTo::new((ticket, part), (id, slot.incarnation), shard),
        };
        match &slot.actor {
            // What cannot be sent is dropped, and so reported as not handled.
            Some(actor) => drop(actor.try_send(decide)),
            None => {
                slot.waiting.push(decide);
                if is_new && is_first {
                    self.build(id, true, None);
                } else {
                    self.want(id, ctx);
                }
            }
        }
    }

    /// Starts the actor of an aggregate with what storage has, and gives it what waits for it.
    fn build(&mut self, id: u64, is_new: bool, stored: Option<(H::Aggregate, u64)>) {
        let faults = self.env.faults.clone();
        let slot = self.slot(id);
        slot.wants_load = false;
        slot.is_loading = false;
        slot.is_at_rest = match &stored {
            Some((state, _)) => state.at_rest(),
            // One that storage does not have is let go like one at rest; one that is being created is not.
            None => !is_new,
        };
        // The capacity is set before anything is sent: by default a mailbox holds 16.
        let actor = AggregateActor::create(|ctx| {
            ctx.set_mailbox_capacity(H::POLICY.mailbox_capacity);
            AggregateActor::new(id, stored, faults)
        });
        for decide in slot.waiting.drain(..) {
            drop(actor.try_send(decide));
        }
        slot.actor = Some(actor);
    }

    /// Throws an aggregate's memory away; whatever it still says is void. It is not loaded before it is wanted.
    pub(super) fn tear_down(&mut self, id: u64) {
        let slot = self.slot(id);
        slot.incarnation += 1;
        slot.actor = None;
        slot.is_loading = false;
        slot.is_backing_off = false;
        slot.waiting.clear();
        slot.is_at_rest = false;
        self.loads.wanted.remove(&id);
    }

    /// Wants an aggregate to be loaded, as soon as none of its events is uncommitted.
    pub(super) fn want(&mut self, id: u64, ctx: &mut Context<Self>) {
        let slot = self.slot(id);
        if slot.actor.is_some() || slot.is_loading || slot.is_backing_off {
            return;
        }
        if slot.committing > 0 {
            slot.wants_load = true;
        } else {
            slot.is_loading = true;
            self.loads.wanted.insert(id);
            self.read_wanted(ctx);
        }
    }

    fn read_wanted(&mut self, ctx: &mut Context<Self>) {
        if self.loads.is_reading || self.loads.wanted.is_empty() {
            return;
        }
        let rest = match self.loads.wanted.iter().nth(LOAD_BATCH_MAX).copied() {
            Some(first_of_rest) => self.loads.wanted.split_off(&first_of_rest),
            None => BTreeSet::new(),
        };
        let wanted = std::mem::replace(&mut self.loads.wanted, rest);
        self.loads.is_reading = true;
        self.read(wanted.into_iter().collect(), ctx);
    }

    fn read(&mut self, ids: Vec<u64>, ctx: &mut Context<Self>) {
        let life = self.life;
        let asked: Vec<(u64, u64)> = ids
            .iter()
            .filter_map(|id| Some((*id, self.slots.get(id)?.incarnation)))
            .collect();
        let reading = self.host.load(&self.env, ids);
        ctx.spawn(reading.into_actor(self).map(move |read, this, ctx| {
            if !this.is_current(life) {
                return;
            }
            this.loads.is_reading = false;
            match read {
                Ok(stored) => this.loaded(asked, stored),
                Err(error @ StorageError::Damaged(_)) => this.cannot_load(asked, &error, ctx),
                Err(error) => {
                    this.env.store_failed(&error);
                    tracing::warn!(shard = %this.shard, %error, "aggregates cannot be loaded yet");
                    this.loads.is_reading = true;
                    ctx.run_later(LOAD_RETRY_AFTER, move |this, ctx| {
                        if this.is_current(life) {
                            this.loads.is_reading = false;
                            this.loads.wanted.extend(asked.iter().map(|(id, _)| id));
                            this.read_wanted(ctx);
                        }
                    });
                    return;
                }
            }
            this.read_wanted(ctx);
        }));
    }

    fn loaded(&mut self, asked: Vec<(u64, u64)>, stored: Vec<Stored<H::Aggregate>>) {
        let mut stored: HashMap<u64, (H::Aggregate, u64)> = stored
            .into_iter()
            .map(|(id, state, version)| (id, (state, version)))
            .collect();
        for (id, incarnation) in asked {
            if self.is_awaited(id, incarnation) {
                self.build(id, false, stored.remove(&id));
            }
        }
    }

    /// Something of what was read is damaged. Many are read again one by one; a single one fails whatever waits for it.
    fn cannot_load(
        &mut self,
        asked: Vec<(u64, u64)>,
        error: &StorageError,
        ctx: &mut Context<Self>,
    ) {
        if let [(id, incarnation)] = asked[..] {
            tracing::error!(shard = %self.shard, id, %error, "an aggregate cannot be loaded");
            if self.is_awaited(id, incarnation) {
                let slot = self.slot(id);
                slot.is_loading = false;
                for decide in slot.waiting.drain(..) {
                    decide.reply.done(Outcome::Failed(error.to_string()));
                }
            }
        } else {
            for (id, _) in asked {
                self.read(vec![id], ctx);
            }
        }
    }

    /// Whether this incarnation of an aggregate still waits to be loaded.
    fn is_awaited(&self, id: u64, incarnation: u64) -> bool {
        self.slots
            .get(&id)
            .is_some_and(|slot| slot.is_loading && slot.incarnation == incarnation)
    }

    /// Has an aggregate loaded when its backoff is over.
    pub(super) fn want_after(&mut self, id: u64, backoff: Duration, ctx: &mut Context<Self>) {
        if backoff.is_zero() {
            self.want(id, ctx);
            return;
        }
        let slot = self.slot(id);
        slot.is_backing_off = true;
        let incarnation = slot.incarnation;
        let life = self.life;
        ctx.run_later(backoff, move |this, ctx| {
            let is_current = this.is_current(life)
                && this
                    .slots
                    .get(&id)
                    .is_some_and(|slot| slot.incarnation == incarnation);
            if is_current {
                this.slot(id).is_backing_off = false;
                this.want(id, ctx);
            }
        });
    }

    /// Notes that parts of these aggregates are committed: who waits for that is loaded, who is at rest is let go.
    pub(super) fn part_committed(&mut self, id: u64, ctx: &mut Context<Self>) {
        let Some(slot) = self.slots.get_mut(&id) else {
            return;
        };
        slot.committing = slot.committing.saturating_sub(1);
        if slot.committing > 0 {
            return;
        }
        if slot.wants_load {
            slot.wants_load = false;
            self.want(id, ctx);
        } else if slot.is_at_rest && slot.is_quiet() {
            // The actor stops when its last address is gone.
            self.slots.remove(&id);
        }
    }

    /// Lets go of aggregates that nobody has used for a while.
    pub(super) fn passivate_idle(&mut self) {
        let now = self.env.clock.uptime();
        for slot in self.slots.values_mut() {
            slot.watchers.retain(|watcher| !watcher.is_closed());
        }
        self.slots.retain(|_, slot| {
            !slot.is_quiet() || now.saturating_sub(slot.used_at) < policy::IDLE_MAX
        });
    }
}
