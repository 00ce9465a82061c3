//! A large shop under faults drawn from a seed, replayed exactly by the same seed.
//!
//! The shop is the one that runs: [`domain`] decides, [`engine::Shard`], [`engine::Writer`], [`engine::Inlet`] and
//! [`engine::Cursor`] order, fence, heal and publish. Here is what is around them: nodes that start and die, a store that
//! fails in every way that is known of one, a broker that loses, doubles, delays and forgets, clocks that are stepped,
//! handlers that panic, customers who repeat themselves. Time passes only when something is due, so that an hour of the
//! shop takes a second.
//!
//! After every transaction the books of [`ledger`] are checked, after every answer whether what was told is committed,
//! now and then and at the end everything by the functions that `audit` uses. At the end no more faults strike, and
//! everything must come to rest within a bounded time.
//!
//! Not simulated: the activity log, users, gRPC, and what SQL databases do beyond what [`store`] promises.

pub mod check;
pub mod clients;
pub mod clockwork;
pub mod event;
mod feed;
pub mod ledger;
pub mod mutation;
mod node;
mod ownership;
pub mod plan;
mod reads;
pub mod rules;
pub mod store;
mod writer;

use std::collections::{BTreeMap, BTreeSet};

use domain::{OrderId, ShardRef, orders::OrderStatus, products::Stock};
use engine::{Effects, Shard, shard::TICK};

use self::{
    clients::Clients,
    clockwork::Clockwork,
    event::{Call, Desk, Event, Seat},
    ledger::Ledger,
    node::{Hosted, Node},
    plan::{Fault, Options, Plan, Script},
    rules::{ShopRules, State},
    store::{Store, Transaction},
};

/// What has to come to rest does so within this time after the last fault, in milliseconds. It is a bound on patience,
/// not on speed: deadlines of half a minute, backoffs and restarts fit into it many times.
const REST_WITHIN_MS: u64 = 600_000;
/// Steps of a run at most; a usual one takes some tens of thousands. What takes more goes round in circles.
const STEPS_MAX: u64 = 10_000_000;
/// How long faults may strike after the last order was placed, in milliseconds.
const FAULTS_AFTERWARDS_MS: u64 = 10_000;
/// When operators begin to deal with what a script sets aside, in milliseconds: long after every deadline.
const OPERATORS_COME_AT_MS: u64 = 140_000;
/// Checks of everything in the course of a run.
const CHECKS: u64 = 4;

/// A shop and its surroundings.
pub struct World {
    clockwork: Clockwork,
    store: Store,
    nodes: Vec<Node>,
    clients: Clients,
    ledger: Ledger,
    /// Transactions that have not reached the store: whose, what, and whether the answer will arrive.
    transactions: BTreeMap<u64, (Desk, Transaction, bool)>,
    transactions_begun: u64,
    /// The positions that are in each public topic.
    topics: BTreeMap<ShardRef, BTreeSet<u64>>,
}

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What was found wrong.
    pub violations: Vec<String>,
    /// Orders that were created.
    pub orders: u64,
    /// Records that were committed.
    pub records: u64,
    /// Transactions that were committed.
    pub commits: u64,
    /// How orders ended.
    pub settled: BTreeMap<&'static str, u64>,
    /// How often each kind of fault struck.
    pub faults: BTreeMap<Fault, u64>,
    /// How often somebody was told to come back later.
    pub put_off: u64,
    /// How long it took by the shop's clock, in milliseconds.
    pub simulated_ms: u64,
    /// Steps taken.
    pub steps: u64,
    /// Decisions that aggregates have made.
    pub decisions: u64,
    /// The stock of each product at the end.
    pub stocks: BTreeMap<u64, Stock>,
    /// How the order of each wish ended.
    pub ends: BTreeMap<usize, OrderStatus>,
    /// Equal for equal runs.
    pub digest: u64,
    /// What happened, if that was asked for.
    pub trace: Vec<String>,
}

/// Runs a shop to its end.
#[must_use]
pub fn run(seed: u64, options: Options) -> Outcome {
    let mut world = World::new(seed, options);
    world.begin();
    world.run_until_rest();
    world.outcome()
}

/// Runs a shop in which nothing happens but what is written, and nothing goes wrong but what the options say.
#[must_use]
pub fn play(script: &Script, options: Options) -> Outcome {
    let mut clockwork = Clockwork::new(0, options);
    clockwork.plan = Plan::scripted();
    let mut world = World::around(clockwork);
    world.open_shop();
    world.clockwork.after(OPERATORS_COME_AT_MS, Event::Operate);
    world.take_script(script);
    world.run_until_rest();
    world.outcome()
}

impl World {
    fn new(seed: u64, options: Options) -> Self {
        Self::around(Clockwork::new(seed, options))
    }

    fn around(clockwork: Clockwork) -> Self {
        let plan = &clockwork.plan;
        let store = Store::new(plan.topology, plan.mutation);
        let nodes = (0..plan.nodes).map(|_| Node::new()).collect();
        Self {
            clockwork,
            store,
            nodes,
            clients: Clients::default(),
            ledger: Ledger::default(),
            transactions: BTreeMap::new(),
            transactions_begun: 0,
            topics: BTreeMap::new(),
        }
    }

    fn open_shop(&mut self) {
        for number in 0..self.nodes.len() {
            self.start(number);
        }
        self.clockwork.after(0, Event::LookAround);
    }

    fn begin(&mut self) {
        self.open_shop();
        self.clockwork.after(1_500, Event::Strike);
        self.clockwork.after(1_000, Event::Operate);
        let until = self.faults_until();
        for nth in 1..=CHECKS {
            self.clockwork.at(until * nth / CHECKS, Event::Check);
        }
        self.draw_wishes();
    }

    fn faults_until(&self) -> u64 {
        self.clockwork.plan.orders_until_ms + FAULTS_AFTERWARDS_MS
    }

    fn run_until_rest(&mut self) {
        self.run_until(self.faults_until());
        self.calm_down();
        let give_up_at = self.clockwork.now_ms() + REST_WITHIN_MS;
        while self.is_sound() {
            let Some(unrest) = self.unrest() else {
                break;
            };
            let now = self.clockwork.now_ms();
            if now >= give_up_at {
                self.clockwork
                    .violated(format!("I2: it does not come to rest: {unrest}"));
                break;
            }
            self.run_until(now + 1_000);
        }
        if self.is_sound() {
            let now = self.clockwork.time_of_day(0);
            self.check_all(Some(now));
            self.check_topics();
            self.ledger.at_rest(&self.store, &mut self.clockwork);
        }
    }

    fn is_sound(&self) -> bool {
        self.clockwork.violations.is_empty()
    }

    /// No more faults strike, and what they did is mended.
    fn calm_down(&mut self) {
        self.clockwork.is_calm = true;
        self.clockwork.failing = None;
        self.clockwork.intervention = self
            .clockwork
            .intervention
            .filter(|it| !matches!(it, plan::Intervention::FailsAt(_)));
        self.clockwork.store_away_until = 0;
        self.clockwork.broker_away_until = 0;
        for number in 0..self.nodes.len() {
            self.start(number);
        }
    }

    fn run_until(&mut self, until_ms: u64) {
        while self.is_sound()
            && let Some(event) = self.clockwork.next(until_ms)
        {
            self.happen(event);
            self.look_at_answers();
            if self.clockwork.steps > STEPS_MAX {
                let text = format!("it goes round in circles for {STEPS_MAX} steps");
                self.clockwork.violated(text);
            }
            while let Some(node) = self.clockwork.fatal.pop() {
                self.crash(node);
            }
        }
    }

    fn happen(&mut self, event: Event) {
        if let Some((number, life)) = event.node() {
            let node = &self.nodes[number];
            if !node.is_up || node.life != life {
                return;
            }
        }
        match event {
            Event::Tick(seat) => self.tick(seat),
            Event::Read(seat, life, question) => self.read(seat, life, question),
            Event::Answered(seat, life, answer) => {
                self.drive(seat, |machine, fx| machine.answered(life, answer, fx));
            }
            Event::Woken(seat, life, wake) => {
                self.drive(seat, |machine, fx| machine.woken(life, wake, fx));
            }
            Event::Decide(seat, id, number) => {
                if let Some(hosted) = self.nodes[seat.node]
                    .hosted
                    .get_mut(&(seat.shard, seat.instance))
                {
                    hosted.decide(id, number, &mut self.clockwork);
                }
            }
            Event::PartDone(seat, done) => {
                self.drive(seat, |machine, fx| machine.part_done(done, fx));
            }
            Event::Signal(seat, signal) => {
                self.drive(seat, |machine, fx| machine.signal(signal, fx));
            }
            Event::Called(seat, call) => self.called(seat, call),
            Event::Mailed(desk, mail) => self.mailed(desk, mail),
            Event::Apply(number) => self.apply(number),
            Event::Committed(desk, number, result) => self.committed(desk, number, result),
            Event::Claim(desk, shard, expected, before) => {
                self.claim(desk, shard, expected, before)
            }
            Event::Claimed(desk, shard, is_order, result) => {
                self.claimed(desk, shard, is_order, result);
            }
            Event::ClaimAgain(desk) => self.try_again(desk),
            Event::Produce(seat, life) => self.produce(seat, life),
            Event::Accept(message) => self.accept(message),
            Event::Acknowledged(seat, life, position, is_so) => {
                self.acknowledged(seat, life, position, is_so);
            }
            Event::StoreCursors(node, life) => self.store_cursors(node, life),
            Event::Deliver(message) => self.deliver(message),
            Event::Delivered(seat, messages) => self.delivered(seat, messages),
            Event::Act(number) => self.act(number),
            Event::TimedOut(number, tries) => self.timed_out(number, tries),
            Event::LookAround => self.look_around(),
            Event::Operate => self.operate(),
            Event::Strike => self.strike(),
            Event::Start(number) => self.start(number),
            Event::Check => {
                self.check_all(None);
                self.check_topics();
            }
        }
    }

    fn tick(&mut self, seat: Seat) {
        self.drive(seat, |machine, fx| machine.tick(fx));
        if self.hosted(seat).is_some() {
            let wait = u64::try_from(TICK.as_millis()).unwrap_or(250);
            self.clockwork.after(wait, Event::Tick(seat));
        }
    }

    fn called(&mut self, seat: Seat, call: Call) {
        self.drive(seat, |machine, fx| match call {
            Call::Execute(execute) => machine.execute(execute, fx),
            Call::Watch(watch) => machine.watch(watch, fx),
            Call::Deal(deal) => machine.deal_with_parked(deal, fx),
            Call::GiveUp => machine.give_up(fx),
        });
    }

    fn hosted(&self, seat: Seat) -> Option<&Hosted> {
        self.nodes[seat.node]
            .hosted
            .get(&(seat.shard, seat.instance))
    }

    /// Calls a shard's machine, and has done what it wants.
    fn drive(
        &mut self,
        seat: Seat,
        call: impl FnOnce(&mut Shard<ShopRules>, &mut dyn Effects<ShopRules>),
    ) {
        let node = &mut self.nodes[seat.node];
        if let Some(hosted) = node.hosted.get_mut(&(seat.shard, seat.instance)) {
            hosted.drive(&mut self.clockwork, call);
        }
    }

    fn states(&self) -> impl Iterator<Item = &State> {
        let kept = self.store.shards.values();
        kept.flat_map(|kept| kept.states.values().map(|(state, _)| state))
    }

    fn stocks(&self) -> BTreeMap<u64, Stock> {
        let stock = |state: &State| match state {
            State::Product(product) => Some((product.id.get(), product.stock)),
            _ => None,
        };
        self.states().filter_map(stock).collect()
    }

    fn ends(&self) -> BTreeMap<usize, OrderStatus> {
        let end = |state: &State| match state {
            State::Order(order) => Some((order.id, order.status)),
            _ => None,
        };
        let ends: BTreeMap<OrderId, OrderStatus> = self.states().filter_map(end).collect();
        let accepted = self.clients.accepted.iter();
        accepted
            .filter_map(|(wish, order_id)| Some((*wish, *ends.get(order_id)?)))
            .collect()
    }

    fn outcome(mut self) -> Outcome {
        Outcome {
            stocks: self.stocks(),
            ends: self.ends(),
            decisions: self.clockwork.decisions,
            orders: self.ledger.order_count(),
            records: self.ledger.records,
            commits: self.ledger.commits,
            settled: self.ledger.settled,
            put_off: self.clients.put_off,
            simulated_ms: self.clockwork.now_ms(),
            steps: self.clockwork.steps,
            digest: self.clockwork.digest(),
            trace: self.clockwork.trace(),
            violations: self.clockwork.violations,
            faults: self.clockwork.tally,
        }
    }
}

#[cfg(test)]
mod tests;
