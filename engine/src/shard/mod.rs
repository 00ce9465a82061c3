//! One shard as a state machine: it begins turns, has aggregates decide them, and retires turns in order.
//!
//! A command, or a record of a link, becomes a *turn*. Its parts go to the aggregates concerned, which decide at once
//! and in any order; the turn retires to the writer when it is the oldest and all its parts are decided (see
//! [`crate::Pipeline`]). So the journal has every aggregate's events in the order in which it decided them, and a link's
//! watermark is in the transaction of the effect.
//!
//! The shard is closed until the writer has claimed it, and again whenever a commit fails: then everything in memory is
//! thrown away, and built anew from storage on first touch.
//!
//! Nothing here waits. Whoever drives the shard (an actor at run time, a simulator in tests) calls it with what
//! happened, and carries out what it wants through [`Effects`]. What a domain adds is said by its [`Rules`].

pub mod calls;
mod deadlines;
pub mod effects;
mod health;
mod keys;
mod links;
mod parking;
mod recovery;
mod registry;
mod retiring;
pub mod rules;
mod turns;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    time::Duration,
};

use crate::{Head, Pipeline, Policy, Restarts, Ticket, Unavailable};
use calls::{
    Answer, DealWithParked, Deliver, Entry, Execute, ExecuteError, Executed, Inspection,
    LoadedState, Outcome, PartDone, Question, ReadError, Watch, WriterSignal,
};
use deadlines::{Confirmations, Wait};
pub use effects::{Effects, Notice, Wake};
pub use health::{Health, HeldLink, STUCK_LISTED_MAX, Stuck};
use keys::KeyClaims;
use links::Link;
use registry::{LoadQueue, Slot};
pub use rules::Rules;
use turns::{Committing, Turn};

/// Bounds of a shard.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Turns that may have begun and not be committed; commands beyond it are refused, links wait.
    pub turns_max: usize,
    /// Commands to one aggregate that may have begun and not be committed; more are refused, so that what floods one
    /// aggregate does not fill its shard.
    pub aggregate_commands_max: usize,
    /// Records of one reading of a journal at most.
    pub read_max: usize,
    /// Aggregates of one query at most.
    pub load_max: usize,
    /// Keys of one query at most.
    pub keys_max: usize,
    /// An aggregate that is not at rest leaves memory after this time without a turn.
    pub idle_max: Duration,
    /// A link without a delivery for so long is checked against the source's journal.
    pub quiet: Duration,
    /// The row of the supervision table for the shard itself.
    pub policy: Policy,
}

/// How often a shard is to be called with [`Shard::tick`].
pub const TICK: Duration = Duration::from_millis(250);

/// What a shard is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not claimed.
    Closed,
    /// Claimed, and reading what it must know.
    Loading,
    /// Serving.
    Open,
    /// Waiting until everything retired is committed, to be loaded anew.
    Restarting,
    /// Finishing what was begun, because another node is to serve it.
    GivingUp,
}

/// One shard.
pub struct Shard<R: Rules> {
    rules: R,
    limits: Limits,
    shard: R::Shard,

    phase: Phase,
    is_stopping: bool,
    generation: u64,
    /// The writer's term in which it was opened: what runs ahead counts in no other.
    term: u64,
    /// Grows when everything in memory is thrown away: what was asked of storage before that is not waited for.
    life: u64,
    last_id: u64,
    restarts: Restarts,

    pipeline: Pipeline<Turn<R>, Outcome<R>>,
    outbox: Vec<Entry<R>>,
    committing: VecDeque<Committing>,
    /// Every turn before this one is committed, or void.
    committed: Ticket,
    slots: HashMap<u64, Slot<R>>,
    loads: LoadQueue,
    links: BTreeMap<R::Shard, Link<R>>,
    keys: KeyClaims<R>,
    waiting: BTreeMap<u64, Wait<R>>,
    confirmations: Confirmations<R::Shard>,
    parked: Vec<R::Parked>,
    /// Parked commands that an operator has begun to deal with.
    dealing_with: BTreeSet<u64>,
    ticks: u64,
    /// The most turns that were ever pending, and parts that were ever open for one aggregate.
    peaks: (usize, usize),
    /// Commands that were refused because the shard, or their aggregate, was full.
    refused: u64,
}

impl<R: Rules> Shard<R> {
    /// A shard, closed until the writer opens it.
    #[must_use]
    pub fn new(rules: R, shard: R::Shard, limits: Limits) -> Self {
        Self {
            rules,
            limits,
            shard,
            phase: Phase::Closed,
            is_stopping: false,
            generation: 0,
            term: 0,
            life: 0,
            last_id: 0,
            restarts: Restarts::default(),
            pipeline: Pipeline::default(),
            outbox: Vec::new(),
            committing: VecDeque::new(),
            committed: Ticket(0),
            slots: HashMap::new(),
            loads: LoadQueue::default(),
            links: BTreeMap::new(),
            keys: KeyClaims::default(),
            waiting: BTreeMap::new(),
            confirmations: Confirmations::default(),
            parked: Vec::new(),
            dealing_with: BTreeSet::new(),
            ticks: 0,
            peaks: (0, 0),
            refused: 0,
        }
    }

    /// What it is doing.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// How it is.
    #[must_use]
    pub fn inspect(&self) -> Inspection {
        Inspection {
            actors: self.slots.values().filter(|slot| slot.is_built).count(),
            turns_pending: self.turns_pending() + self.keys.waiting(),
            mailbox_depth_max: self.slots.values().map(|slot| slot.open).max().unwrap_or(0),
        }
    }

    /// The last position taken up on the link from `source`, committed or not.
    #[must_use]
    pub fn cursor(&self, source: R::Shard) -> Option<u64> {
        self.links.get(&source).map(|link| link.inlet.cursor())
    }

    /// The writer has something to tell.
    pub fn signal(&mut self, signal: WriterSignal<R::Shard>, fx: &mut dyn Effects<R>) {
        match signal {
            WriterSignal::Opened {
                generation,
                term,
                head,
            } => {
                self.term = term;
                self.load(generation, head, fx);
            }
            WriterSignal::Closed => self.close(fx),
            WriterSignal::Committed { generation, ticket } => {
                // What another actor of the shard had handed over says nothing of one that was put in its place.
                if generation == self.generation && self.phase != Phase::Closed {
                    self.on_committed(ticket, fx);
                }
            }
        }
    }

    /// A part was decided, or not.
    pub fn part_done(&mut self, done: PartDone<R>, fx: &mut dyn Effects<R>) {
        if !matches!(self.phase, Phase::Open | Phase::GivingUp) {
            return;
        }
        let is_current = self
            .slots
            .get(&done.id)
            .is_some_and(|slot| slot.incarnation == done.incarnation);
        if is_current {
            self.pipeline.complete(done.ticket, done.part, done.outcome);
            self.retire_ready(fx);
        }
    }

    /// A command. It is refused at once if the shard does not serve or has no room.
    pub fn execute(&mut self, execute: Execute<R>, fx: &mut dyn Effects<R>) {
        let refusal = if self.phase != Phase::Open || self.is_stopping {
            Some(Unavailable::NotServing)
        } else if self.turns_pending() + self.keys.waiting() >= self.limits.turns_max {
            Some(Unavailable::Busy)
        } else {
            None
        };
        match refusal {
            Some(reason) => {
                self.refused += u64::from(reason == Unavailable::Busy);
                execute.reply.tell(Err(ExecuteError::Unavailable(reason)));
            }
            None if execute.key.is_some() => self.look_up_key(execute, fx),
            None if execute.asks_only => execute.reply.tell(Ok(Executed::KeyFree)),
            None => {
                self.begin_command(execute, None, fx);
                self.retire_ready(fx);
            }
        }
    }

    /// Somebody waits until an aggregate is at rest. Whoever waits is not told if the shard does not serve.
    pub fn watch(&mut self, watch: Watch<R::Aggregate>, fx: &mut dyn Effects<R>) {
        if self.phase == Phase::Open {
            self.begin_watch(watch, fx);
            self.retire_ready(fx);
        }
    }

    /// The feed has brought records, or some run ahead of their commit.
    pub fn deliver(&mut self, delivery: Deliver<R>, fx: &mut dyn Effects<R>) {
        let counts = delivery.term.is_none_or(|term| term == self.term);
        if counts && self.phase == Phase::Open {
            self.take_up(delivery, fx);
            self.retire_ready(fx);
        }
    }

    /// An operator deals with a parked command.
    pub fn deal_with_parked(&mut self, call: DealWithParked, fx: &mut dyn Effects<R>) {
        if self.phase == Phase::Open {
            self.begin_dealing(call, fx);
            self.retire_ready(fx);
        } else {
            call.reply.tell(Err(Unavailable::NotServing.into()));
        }
    }

    /// It is to come to rest because another node is to serve it: it takes on nothing new until it is opened again.
    pub fn give_up(&mut self, fx: &mut dyn Effects<R>) {
        // One that is being loaded or restarted has nothing that could be finished.
        if self.phase == Phase::Open {
            self.set_phase(Phase::GivingUp, fx);
        }
    }

    /// It is to take on no more commands.
    pub fn stop_taking(&mut self) {
        self.is_stopping = true;
    }

    /// Storage has answered what was asked in that life.
    pub fn answered(&mut self, life: u64, answer: Answer<R>, fx: &mut dyn Effects<R>) {
        if self.life != life {
            return;
        }
        let is_serving = matches!(self.phase, Phase::Open | Phase::GivingUp);
        match answer {
            Answer::State(read) if self.phase == Phase::Loading => self.loaded(read, fx),
            Answer::Heads(calls::HeadsFor::Restart, read) if self.phase == Phase::Restarting => {
                self.head_read(read, fx);
            }
            Answer::Heads(calls::HeadsFor::Links, read) if is_serving => {
                self.sources_seen(read, fx);
            }
            Answer::Heads(calls::HeadsFor::Deadlines, read) if is_serving => {
                self.confirm(read, fx);
            }
            Answer::Link(source, read) if is_serving => {
                self.healed(source, read, fx);
                self.retire_ready(fx);
            }
            Answer::Keys(read) if is_serving => self.keys_found(read, fx),
            Answer::Aggregates(asked, read) if is_serving => self.aggregates_read(asked, read, fx),
            _ => {}
        }
    }

    /// What it wanted to be woken up for in that life is due.
    pub fn woken(&mut self, life: u64, wake: Wake, fx: &mut dyn Effects<R>) {
        if self.life != life {
            return;
        }
        let is_serving = matches!(self.phase, Phase::Open | Phase::GivingUp);
        match wake {
            Wake::Load if self.phase == Phase::Loading => fx.ask(life, Question::State),
            Wake::Restart => self.restart_if_waiting(fx),
            Wake::Read(ids) if is_serving => self.read_again(ids, fx),
            Wake::BackoffOver { id, incarnation } if is_serving => {
                self.backoff_over(id, incarnation, fx);
            }
            _ => {}
        }
    }

    /// Looks after links, deadlines and idle aggregates; to be called every [`TICK`].
    pub fn tick(&mut self, fx: &mut dyn Effects<R>) {
        self.ticks += 1;
        if self.phase != Phase::Open {
            return;
        }
        self.heal_links(fx);
        if self.ticks.is_multiple_of(4) {
            self.look_at_sources(fx);
            self.look_at_deadlines(fx);
        }
        if self.ticks.is_multiple_of(40) {
            self.passivate_idle(fx);
            self.keys.purge(fx.uptime(), self.committed);
        }
    }

    /// Turns that have begun and are not committed.
    fn turns_pending(&self) -> usize {
        self.pipeline.len() + self.committing.len()
    }

    /// Forgets everything that is not committed, and tells whoever waits for it why.
    fn forget(&mut self, reason: &Unavailable, fx: &mut dyn Effects<R>) {
        self.life += 1;
        for turn in self.pipeline.clear() {
            turn.refuse(reason);
        }
        for execute in self.keys.forget() {
            execute
                .reply
                .tell(Err(ExecuteError::Unavailable(reason.clone())));
        }
        self.outbox.clear();
        self.slots.clear();
        fx.let_all_go();
        self.loads = LoadQueue::default();
        self.links.clear();
        self.waiting.clear();
        self.confirmations = Confirmations::default();
        self.parked.clear();
        self.dealing_with.clear();
    }

    fn close(&mut self, fx: &mut dyn Effects<R>) {
        self.forget(&Unavailable::CommitFailed, fx);
        self.committing.clear();
        fx.note(Notice::Closed);
        self.set_phase(Phase::Closed, fx);
    }

    /// Takes over a head that was read after the claim, and reads what else the shard must know.
    fn load(&mut self, generation: u64, head: Head<R::Shard>, fx: &mut dyn Effects<R>) {
        self.generation = generation;
        self.last_id = self.last_id.max(head.last_id);
        self.links = self
            .rules
            .sources()
            .into_iter()
            .map(|(source, kind)| (source, Link::new(kind, head.watermark(source))))
            .collect();
        fx.note(Notice::Owned { epoch: head.epoch });
        self.set_phase(Phase::Loading, fx);
        fx.ask(self.life, Question::State);
    }

    fn loaded(&mut self, read: Result<LoadedState<R>, ReadError>, fx: &mut dyn Effects<R>) {
        match read {
            Ok(LoadedState { waiting, parked }) => {
                let waiting = waiting.into_iter();
                self.waiting = waiting.map(|(id, end)| (id, Wait::until(end))).collect();
                self.parked = parked;
                self.set_phase(Phase::Open, fx);
                self.look_at_sources(fx);
            }
            Err(_) => {
                fx.wake(self.limits.policy.backoff_max, self.life, Wake::Load);
            }
        }
    }

    fn set_phase(&mut self, phase: Phase, fx: &mut dyn Effects<R>) {
        self.phase = phase;
        fx.note(Notice::Phase(phase));
    }
}
