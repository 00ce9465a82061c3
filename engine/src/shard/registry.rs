//! The aggregates in memory: found, built from storage on first touch, many in one query, and let go when idle.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use super::{
    Shard,
    calls::{Decide, Outcome, PartDone, Question, ReadError, Reply},
    effects::{Effects, Notice, Wake},
    rules::Rules,
};
use crate::{Restarts, Ticket};

/// The wait before a failed query is tried again.
const LOAD_RETRY_AFTER: Duration = Duration::from_millis(100);

/// One aggregate in memory, or on its way there.
pub(super) struct Slot<R: Rules> {
    pub(super) is_built: bool,
    /// Grows with every rebuilding; what an earlier incarnation says is void.
    pub(super) incarnation: u64,
    /// Decisions that wait for it to be built.
    waiting: Vec<Decide<R>>,
    /// Parts that have begun and not retired.
    pub(super) open: usize,
    /// Commands that have begun and are not committed.
    pub(super) commands: usize,
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
    pub(super) watchers: Vec<Reply<R::Aggregate>>,
    pub(super) restarts: Restarts,
}

impl<R: Rules> Slot<R> {
    fn new(now: Duration) -> Self {
        Self {
            is_built: false,
            incarnation: 0,
            waiting: Vec::new(),
            open: 0,
            commands: 0,
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

    /// Lets these decisions wait, in order, until the aggregate is built.
    pub(super) fn wait_to_be_built(&mut self, decisions: Vec<Decide<R>>) {
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

impl<R: Rules> Shard<R> {
    /// The slot of an aggregate, used at this time; a new one is not built yet.
    pub(super) fn slot(&mut self, id: u64, now: Duration) -> &mut Slot<R> {
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
        command: R::Command,
        fx: &mut dyn Effects<R>,
    ) {
        let is_first = !self.slots.contains_key(&id);
        let slot = self.slot(id, fx.uptime());
        let decide = Decide {
            ticket,
            part,
            incarnation: slot.incarnation,
            command,
            now: fx.now(),
        };
        if slot.is_built {
            fx.decide(id, decide);
            return;
        }
        slot.waiting.push(decide);
        if is_new && is_first {
            self.build(id, true, None, fx);
        } else {
            self.want(id, fx);
        }
    }

    /// Makes an aggregate with what storage has, and gives it what waits for it.
    fn build(
        &mut self,
        id: u64,
        is_new: bool,
        stored: Option<(R::Aggregate, u64)>,
        fx: &mut dyn Effects<R>,
    ) {
        if let Some((state, _)) = &stored
            && let Some(wait) = self.waiting.get_mut(&id)
        {
            wait.learn(|| self.rules.awaited_by(state));
        }
        let is_at_rest = match &stored {
            Some((state, _)) => self.rules.at_rest(state),
            // One that storage does not have is let go like one at rest; one that is being created is not.
            None => !is_new,
        };
        let slot = self.slot(id, fx.uptime());
        slot.wants_load = false;
        slot.is_loading = false;
        slot.is_at_rest = is_at_rest;
        slot.is_built = true;
        fx.build(id, stored);
        for decide in slot.waiting.drain(..) {
            fx.decide(id, decide);
        }
    }

    /// Throws an aggregate's memory away; whatever it still says is void. It is not loaded before it is wanted.
    pub(super) fn tear_down(&mut self, id: u64, fx: &mut dyn Effects<R>) {
        let slot = self.slot(id, fx.uptime());
        slot.incarnation += 1;
        slot.is_built = false;
        slot.is_loading = false;
        slot.is_backing_off = false;
        slot.waiting.clear();
        slot.is_at_rest = false;
        self.loads.wanted.remove(&id);
        fx.let_go(id);
    }

    /// Wants an aggregate to be loaded, as soon as none of its events is uncommitted.
    pub(super) fn want(&mut self, id: u64, fx: &mut dyn Effects<R>) {
        let slot = self.slot(id, fx.uptime());
        if slot.is_built || slot.is_loading || slot.is_backing_off {
            return;
        }
        if slot.committing > 0 {
            slot.wants_load = true;
        } else {
            slot.is_loading = true;
            self.loads.wanted.insert(id);
            self.read_wanted(fx);
        }
    }

    fn read_wanted(&mut self, fx: &mut dyn Effects<R>) {
        if self.loads.is_reading || self.loads.wanted.is_empty() {
            return;
        }
        let nth = self.loads.wanted.iter().nth(self.limits.load_max);
        let rest = match nth.copied() {
            Some(first_of_rest) => self.loads.wanted.split_off(&first_of_rest),
            None => BTreeSet::new(),
        };
        let wanted = std::mem::replace(&mut self.loads.wanted, rest);
        self.loads.is_reading = true;
        self.read(wanted.into_iter().collect(), fx);
    }

    fn read(&mut self, ids: Vec<u64>, fx: &mut dyn Effects<R>) {
        let asked = ids
            .iter()
            .filter_map(|id| Some((*id, self.slots.get(id)?.incarnation)))
            .collect();
        fx.ask(self.life, Question::Aggregates(asked));
    }

    /// Aggregates were read.
    pub(super) fn aggregates_read(
        &mut self,
        asked: Vec<(u64, u64)>,
        read: Result<Vec<(u64, R::Aggregate, u64)>, ReadError>,
        fx: &mut dyn Effects<R>,
    ) {
        self.loads.is_reading = false;
        match read {
            Ok(stored) => self.build_awaited(asked, stored, fx),
            Err(ReadError::Damaged(error)) => self.cannot_load(asked, &error, fx),
            Err(ReadError::Failed) => {
                self.loads.is_reading = true;
                let ids = asked.into_iter().map(|(id, _)| id).collect();
                fx.wake(LOAD_RETRY_AFTER, self.life, Wake::Read(ids));
                return;
            }
        }
        self.read_wanted(fx);
    }

    /// What could not be read is to be read again.
    pub(super) fn read_again(&mut self, ids: Vec<u64>, fx: &mut dyn Effects<R>) {
        self.loads.is_reading = false;
        self.loads.wanted.extend(ids);
        self.read_wanted(fx);
    }

    fn build_awaited(
        &mut self,
        asked: Vec<(u64, u64)>,
        stored: Vec<(u64, R::Aggregate, u64)>,
        fx: &mut dyn Effects<R>,
    ) {
        let stored = stored.into_iter();
        let mut stored: HashMap<u64, (R::Aggregate, u64)> = stored
            .map(|(id, state, version)| (id, (state, version)))
            .collect();
        for (id, incarnation) in asked {
            if self.is_awaited(id, incarnation) {
                self.build(id, false, stored.remove(&id), fx);
            }
        }
    }

    /// Something of what was read is damaged. Many are read again one by one; a single one fails whatever waits for it.
    fn cannot_load(&mut self, asked: Vec<(u64, u64)>, error: &str, fx: &mut dyn Effects<R>) {
        let [(id, incarnation)] = asked[..] else {
            for (id, _) in asked {
                self.read(vec![id], fx);
            }
            return;
        };
        fx.note(Notice::Damaged {
            id,
            error: error.to_owned(),
        });
        if !self.is_awaited(id, incarnation) {
            return;
        }
        let slot = self.slot(id, fx.uptime());
        slot.is_loading = false;
        for decide in std::mem::take(&mut slot.waiting) {
            let done = PartDone {
                ticket: decide.ticket,
                part: decide.part,
                id,
                incarnation: decide.incarnation,
                outcome: Outcome::Failed(error.to_owned()),
            };
            self.part_done(done, fx);
        }
    }

    /// Whether this incarnation of an aggregate still waits to be loaded.
    fn is_awaited(&self, id: u64, incarnation: u64) -> bool {
        self.slots
            .get(&id)
            .is_some_and(|slot| slot.is_loading && slot.incarnation == incarnation)
    }

    /// Has an aggregate loaded when its backoff is over.
    pub(super) fn want_after(&mut self, id: u64, backoff: Duration, fx: &mut dyn Effects<R>) {
        if backoff.is_zero() {
            self.want(id, fx);
            return;
        }
        let slot = self.slot(id, fx.uptime());
        slot.is_backing_off = true;
        let incarnation = slot.incarnation;
        fx.wake(backoff, self.life, Wake::BackoffOver { id, incarnation });
    }

    /// The backoff of an aggregate is over.
    pub(super) fn backoff_over(&mut self, id: u64, incarnation: u64, fx: &mut dyn Effects<R>) {
        let slot = self.slots.get_mut(&id);
        if let Some(slot) = slot.filter(|slot| slot.incarnation == incarnation) {
            slot.is_backing_off = false;
            self.want(id, fx);
        }
    }

    /// Notes that parts of an aggregate are committed: who waits for that is loaded, who is at rest is let go.
    pub(super) fn part_committed(&mut self, id: u64, fx: &mut dyn Effects<R>) {
        let Some(slot) = self.slots.get_mut(&id) else {
            return;
        };
        slot.committing = slot.committing.saturating_sub(1);
        if slot.committing > 0 {
            return;
        }
        if slot.wants_load {
            slot.wants_load = false;
            self.want(id, fx);
        } else if slot.is_at_rest && slot.is_quiet() {
            self.slots.remove(&id);
            fx.let_go(id);
        }
    }

    /// Lets go of aggregates that nobody has used for a while.
    pub(super) fn passivate_idle(&mut self, fx: &mut dyn Effects<R>) {
        let (now, idle_max) = (fx.uptime(), self.limits.idle_max);
        self.slots.retain(|id, slot| {
            slot.watchers.retain(|watcher| !watcher.is_gone());
            let is_used = !slot.is_quiet() || now.saturating_sub(slot.used_at) < idle_max;
            if !is_used {
                fx.let_go(*id);
            }
            is_used
        });
    }
}
