//! A node: actors of shards and aggregates as data, and what a shard wants of the world.

mod driver;

use std::collections::{BTreeMap, VecDeque};

use domain::{ShardRef, products::ProductCommand};
use engine::{
    Effects, Shard,
    shard::calls::{Decide, Outcome, PartDone, WriterSignal},
};

use self::driver::Driver;
use super::{
    clockwork::Clockwork,
    event::{Event, Seat},
    feed::Lane,
    mutation::Mutation,
    plan::{Fault, Intervention},
    rules::{Command, Memory, ShopRules},
    writer::WriterState,
};

/// One aggregate's actor.
pub(super) struct Actor {
    /// Tells it from the one before it.
    number: u64,
    /// `None` after a failure.
    memory: Option<Memory>,
    mailbox: VecDeque<Decide<ShopRules>>,
}

/// A shard's actor with those of its aggregates.
pub(super) struct Hosted {
    /// The shard's machine.
    pub(super) machine: Shard<ShopRules>,
    /// Its surroundings.
    pub(super) around: Around,
}

/// What is around a shard's machine.
pub(super) struct Around {
    seat: Seat,
    writer: usize,
    actors: BTreeMap<u64, Actor>,
    actors_made: u64,
    /// Memories that outlive their actors, in a program that is wrong to keep them.
    kept: BTreeMap<u64, Memory>,
    /// When the last message reaches the writer, so that none overtakes another.
    mailed_at: u64,
    /// When the last signal reaches the shard.
    signalled_at: u64,
    /// How far off the node's time of day is.
    pub(super) off_ms: i64,
}

/// A process.
pub(super) struct Node {
    /// Which of its lives this is.
    pub(super) life: u64,
    /// Whether it runs.
    pub(super) is_up: bool,
    /// When it was last seen to be alive by others.
    pub(super) seen_at: u64,
    /// How far off its time of day is.
    pub(super) off_ms: i64,
    /// Actors of shards; the one with the highest instance serves.
    pub(super) hosted: BTreeMap<(ShardRef, u64), Hosted>,
    /// Writers.
    pub(super) writers: Vec<WriterState>,
    /// The way of each shard's records to the broker.
    pub(super) lanes: BTreeMap<ShardRef, Lane>,
}

impl Node {
    /// One that does not run.
    pub(super) fn new() -> Self {
        Self {
            life: 0,
            is_up: false,
            seen_at: 0,
            off_ms: 0,
            hosted: BTreeMap::new(),
            writers: Vec::new(),
            lanes: BTreeMap::new(),
        }
    }

    /// The actor of a shard that serves it.
    pub(super) fn current(&self, shard: ShardRef) -> Option<u64> {
        self.hosted
            .range((shard, 0)..=(shard, u64::MAX))
            .next_back()
            .map(|((_, instance), _)| *instance)
    }
}

impl Hosted {
    /// A shard's actor, closed.
    pub(super) fn new(seat: Seat, writer: usize, off_ms: i64, clockwork: &Clockwork) -> Self {
        let plan = &clockwork.plan;
        let rules = ShopRules {
            shard: seat.shard,
            topology: plan.topology,
            forgets_last_id: clockwork.breaks(Mutation::IdsFromClock),
        };
        Self {
            machine: Shard::new(rules, seat.shard, plan.limits),
            around: Around {
                seat,
                writer,
                actors: BTreeMap::new(),
                actors_made: 0,
                kept: BTreeMap::new(),
                mailed_at: 0,
                signalled_at: 0,
                off_ms,
            },
        }
    }

    /// Calls the machine, and has done what it wants.
    pub(super) fn drive(
        &mut self,
        clockwork: &mut Clockwork,
        call: impl FnOnce(&mut Shard<ShopRules>, &mut dyn Effects<ShopRules>),
    ) {
        let mut driver = Driver {
            clockwork,
            around: &mut self.around,
        };
        call(&mut self.machine, &mut driver);
    }

    /// Sends the shard's actor a signal of the writer, after those before it.
    pub(super) fn signal(&mut self, clockwork: &mut Clockwork, signal: WriterSignal<ShardRef>) {
        let at = clockwork.now_ms() + clockwork.draw(0..3);
        self.around.signalled_at = self.around.signalled_at.max(at);
        clockwork.at(
            self.around.signalled_at,
            Event::Signal(self.around.seat, signal),
        );
    }

    /// An aggregate's actor takes the next message from its mailbox.
    pub(super) fn decide(&mut self, id: u64, number: u64, clockwork: &mut Clockwork) {
        let around = &mut self.around;
        let Some(actor) = around
            .actors
            .get_mut(&id)
            .filter(|actor| actor.number == number)
        else {
            return;
        };
        let Some(message) = actor.mailbox.pop_front() else {
            return;
        };
        let outcome = match &mut actor.memory {
            None => Outcome::Bounced,
            Some(memory) => {
                let is_struck = strikes(clockwork, around.seat.shard, id, &message.command);
                let outcome = memory.decide(&message.command, message.now);
                if is_struck {
                    // The state has changed when the panic comes: the worst moment.
                    if let Some(memory) = actor.memory.take()
                        && clockwork.breaks(Mutation::MemoryKept)
                    {
                        around.kept.insert(id, memory);
                    }
                    Outcome::Failed("a panic".to_owned())
                } else {
                    outcome
                }
            }
        };
        clockwork.note(|| {
            let seat = around.seat;
            let what = match &outcome {
                Outcome::Decided(decided) => format!("decided version {}", decided.version),
                Outcome::Rejected(rejection) => format!("rejected: {rejection}"),
                Outcome::Bounced => "bounced".to_owned(),
                _ => "failed".to_owned(),
            };
            format!(
                "node {} {} {id} actor {number} turn {}.{} {:?}: {what}",
                seat.node, seat.shard, message.ticket.0, message.part, message.command
            )
        });
        let done = part_done(id, &message, outcome);
        self.drive(clockwork, |machine, fx| machine.part_done(done, fx));
    }

    /// An actor is gone; whatever is in its mailbox is lost.
    pub(super) fn lose_one(&mut self, clockwork: &mut Clockwork) -> bool {
        let Some(nth) = self.around.actors.len().checked_sub(1) else {
            return false;
        };
        let nth = usize::try_from(clockwork.draw(0..nth as u64 + 1)).unwrap_or(0);
        let Some(id) = self.around.actors.keys().nth(nth).copied() else {
            return false;
        };
        self.around.drop_actor(id, clockwork);
        true
    }
}

/// Whether the handling of a command panics. Poison is a matter of the command: it strikes again until it is mended.
fn strikes(clockwork: &mut Clockwork, shard: ShardRef, id: u64, command: &Command) -> bool {
    let text = || format!("{shard} {id} {command:?}");
    // A product that is put into the catalogue is no step of an order.
    let is_step = !matches!(
        command,
        Command::Product(ProductCommand::CreateProduct { .. })
    );
    if is_step && intervenes(clockwork, text) {
        return true;
    }
    if clockwork.is_poisonous(text) {
        return true;
    }
    if clockwork.strikes(Fault::Poison) {
        clockwork.poison(text());
        return true;
    }
    clockwork.strikes(Fault::Panic)
}

/// Whether it is this decision that is to panic.
fn intervenes(clockwork: &mut Clockwork, text: impl Fn() -> String) -> bool {
    clockwork.decisions += 1;
    match clockwork.intervention {
        Some(Intervention::PanicOnce(number)) => clockwork.decisions == number,
        Some(Intervention::FailsAt(number)) => {
            if clockwork.decisions == number {
                clockwork.failing = Some(text());
            }
            clockwork
                .failing
                .as_ref()
                .is_some_and(|failing| *failing == text())
        }
        _ => false,
    }
}

fn part_done(
    id: u64,
    message: &Decide<ShopRules>,
    outcome: Outcome<ShopRules>,
) -> PartDone<ShopRules> {
    PartDone {
        ticket: message.ticket,
        part: message.part,
        id,
        incarnation: message.incarnation,
        outcome,
    }
}

impl Around {
    /// What an actor had not handled is handed back when it goes.
    fn drop_actor(&mut self, id: u64, clockwork: &mut Clockwork) {
        if let Some(actor) = self.actors.remove(&id) {
            for message in &actor.mailbox {
                let done = part_done(id, message, Outcome::Bounced);
                clockwork.after(0, Event::PartDone(self.seat, done));
            }
        }
    }
}
