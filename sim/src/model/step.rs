//! What comes of what happens.

use domain::UserId;
use engine::Offer;

use super::{
    Saga,
    action::{self, Action, At},
    config::Fault,
    coverage::Seen,
    mutation::Mutation,
    node::{Node, Outcome, Told, Transaction},
    parts::Message,
    state::{Key, Side, State},
    store::{Row, Stored},
    turns::Handlers,
    verdict,
};

/// Runs one action.
pub(super) struct Step<'a> {
    model: &'a Saga,
    mutation: Option<Mutation>,
    state: State,
}

/// The state after an action.
pub(super) fn after(model: &Saga, state: &State, action: &Action) -> State {
    let mut step = Step {
        model,
        mutation: model.config.mutation,
        state: state.clone(),
    };
    step.carry_out(action);
    step.state
}

impl Step<'_> {
    fn carry_out(&mut self, action: &Action) {
        match action {
            Action::Place(at) => self.place(*at),
            Action::Cancel(at, order, user) => {
                self.state.cancels -= 1;
                let told = self.with(*at, |node, stored, _, mutation| {
                    node.cancel(*order, *user, stored, mutation)
                });
                self.tell(told);
            }
            Action::TimePasses => self.state.is_late = true,
            Action::LookAtDeadlines(at) => {
                let told = self.with(*at, Node::look_at_deadlines);
                self.tell(told);
            }
            Action::Retry(at, id) => self.retry(*at, *id),
            Action::Deliver(..)
            | Action::Heal(..)
            | Action::Lose(..)
            | Action::Duplicate(..)
            | Action::Garble(..)
            | Action::Panic(..)
            | Action::Park(..) => self.on_link(action),
            Action::Land(at) => self.land(*at),
            Action::LandLate(side, index) => self.land_late(*side, *index),
            Action::Learn(at) => self.learn(*at),
            Action::UnknownCommit(at) => {
                self.state.faults.spend(Fault::UnknownCommit);
                self.fail(*at);
            }
            Action::Start(side) => self.start(*side),
            Action::TakeOver(side) => {
                self.state.faults.spend(Fault::TakeOver);
                self.model.coverage.note(Seen::TakenOver);
                self.start(*side);
            }
            Action::Claim(at) => self.claim(*at),
            Action::Crash(at) => {
                self.state.faults.spend(Fault::Crash);
                let node = self.state.shards[at.0 as usize].nodes.remove(at.1);
                self.orphan(at.0, node.under_way);
            }
        }
    }

    /// Lets a node act, with what is stored of its shard and of its source's.
    fn with<T>(
        &mut self,
        (side, index): At,
        act: impl FnOnce(&mut Node, &Stored, &Stored, Option<Mutation>) -> T,
    ) -> T {
        let [orders, products] = &mut self.state.shards;
        let (shard, source) = match side {
            Side::Orders => (orders, &products.stored),
            Side::Products => (products, &orders.stored),
        };
        act(
            &mut shard.nodes[index],
            &shard.stored,
            source,
            self.mutation,
        )
    }

    fn place(&mut self, at: At) {
        let number = self.state.placed;
        self.state.placed += 1;
        let user = UserId::new(number as u64 + 1).expect("not zero");
        let lines = &self.model.config.orders[number];
        let told = self.with(at, |node, _, _, mutation| node.place(user, lines, mutation));
        self.tell(told);
    }

    fn retry(&mut self, at: At, id: u64) {
        let told = self.with(at, |node, stored, source, mutation| {
            let command = node.parked.iter().find(|parked| parked.id == id).cloned()?;
            let before = command.source_position - 1;
            let (prev, record) = source.link_to(node.shard, before).next()?;
            let message = Message {
                source: node.source,
                target: node.shard,
                prev,
                record: record.clone(),
                line: None,
                is_doubled: false,
            };
            Some(node.retry(&command, &message, stored, mutation))
        });
        self.model.coverage.note(Seen::Retried);
        self.tell(told.unwrap_or_default());
    }

    fn on_link(&mut self, action: &Action) {
        match action {
            Action::Deliver(key, at) => {
                if let Some(message) = self.state.network.remove(key) {
                    self.take_up(*at, &message, Handlers::Work);
                }
            }
            Action::Duplicate(key, at) => {
                self.state.faults.spend(Fault::Duplicate);
                if let Some(message) = self.state.network.get_mut(key) {
                    message.is_doubled = true;
                    let message = message.clone();
                    self.take_up(*at, &message, Handlers::Work);
                }
            }
            Action::Park(key, at) => {
                self.state.faults.spend(Fault::Park);
                if let Some(message) = self.state.network.remove(key) {
                    self.take_up(*at, &message, Handlers::Fail);
                }
            }
            Action::Lose(key) => {
                self.state.faults.spend(Fault::Loss);
                self.state.network.remove(key);
            }
            Action::Garble(key, at) => self.garble(key, *at),
            Action::Panic(key, at) => {
                self.state.faults.spend(Fault::Panic);
                let message = self.state.network[key].clone();
                self.with(*at, |node, stored, _, mutation| {
                    node.panic_on(&message, stored, mutation);
                });
            }
            Action::Heal(at) => self.heal(*at),
            _ => {}
        }
    }

    fn take_up(&mut self, at: At, message: &Message, handlers: Handlers) {
        let (offer, told) = self.with(at, |node, stored, _, mutation| {
            node.take_up(message, handlers, stored, mutation)
        });
        self.model.coverage.note(match offer {
            Offer::Apply => Seen::Applied,
            Offer::Duplicate => Seen::Duplicate,
            Offer::Gap => Seen::Gap,
        });
        self.tell(told);
    }

    /// A message that cannot be decoded only tells that there is one; by rights.
    fn garble(&mut self, key: &Key, at: At) {
        self.state.faults.spend(Fault::Garble);
        let Some(message) = self.state.network.remove(key) else {
            return;
        };
        let told = self.with(at, |node, _, _, mutation| {
            if mutation == Some(Mutation::DeadLetterPassed) {
                return node.pass_over(&message, mutation);
            }
            node.inlet.announce(message.position());
            Vec::new()
        });
        self.tell(told);
    }

    fn heal(&mut self, at: At) {
        let node = &self.state.shard(at.0).nodes[at.1];
        let missing = action::missing(&self.model.config, &self.state, node);
        let sent = missing.last().map_or(0, Message::position);
        self.with(at, |node, _, _, _| {
            node.inlet.announce(sent);
            node.inlet.begin_healing();
        });
        for message in &missing {
            self.take_up(at, message, Handlers::Work);
        }
        self.with(at, |node, _, _, _| node.inlet.end_healing(true));
        self.model.coverage.note(Seen::Healed);
    }

    fn land(&mut self, at: At) {
        let (side, index) = at;
        let node = &mut self.state.shards[side as usize].nodes[index];
        let Some((batch, _)) = node.under_way.clone() else {
            return;
        };
        let epoch = node.epoch;
        let has_landed = if batch.commits.is_empty() {
            // Nothing is to be written; what is told rests on the shard's being owned still.
            self.state.stored(side).head.epoch == epoch
        } else {
            self.commit(side, &batch)
        };
        let node = &mut self.state.shards[side as usize].nodes[index];
        let outcome = if has_landed {
            Outcome::Landed
        } else {
            self.model.coverage.note(Seen::Refused);
            Outcome::Refused
        };
        node.under_way = Some((batch, outcome));
    }

    fn land_late(&mut self, side: Side, index: usize) {
        let batch = self.state.shards[side as usize].orphans.remove(index);
        let has_landed = self.commit(side, &batch);
        self.model.coverage.note(if has_landed {
            Seen::LandedLate
        } else {
            Seen::RefusedLate
        });
    }

    fn commit(&mut self, side: Side, batch: &Transaction) -> bool {
        let companions = batch.companions.iter();
        let rows: Vec<Row> = companions
            .flat_map(|companion| companion.rows.clone())
            .collect();
        let stored = &mut self.state.shards[side as usize].stored;
        let before = stored.head.clone();
        let mut has_landed = true;
        for commit in &batch.commits {
            has_landed &= stored.commit(commit, &rows, self.mutation);
            let is_former = commit.epoch != before.epoch;
            self.state.verdict.former_owner_wrote |= has_landed && is_former;
        }
        if has_landed {
            self.state.verdict.watermark_went_back |= before
                .watermarks
                .iter()
                .any(|(source, position)| stored.head.watermark(*source) < *position);
            self.drop_what_comes_too_late(side);
            self.judge();
        }
        has_landed
    }

    /// A message whose record's effect is committed would be dropped whenever it arrived: it is forgotten, so that
    /// there are not two states where one will do. One that was doubled on purpose does arrive.
    fn drop_what_comes_too_late(&mut self, side: Side) {
        let (target, source) = (side.shard(), side.other().shard());
        let watermark = self.state.stored(side).head.watermark(source);
        self.state.network.retain(|_, message| {
            message.target != target || message.position() > watermark || message.is_doubled
        });
    }

    fn judge(&mut self) {
        let report = verdict::audit(&self.state);
        self.state.verdict.judge(&report);
    }

    fn learn(&mut self, at: At) {
        let (side, index) = at;
        let shard = &mut self.state.shards[side as usize];
        let node = &mut shard.nodes[index];
        if !matches!(node.under_way, Some((_, Outcome::Landed))) {
            self.fail(at);
            return;
        }
        let Some(batch) = node.committed() else {
            return;
        };
        let (source, target) = (node.shard, node.source);
        for commit in &batch.commits {
            for record in &commit.records {
                node.dealing_with
                    .retain(|id| shard.stored.parked.iter().any(|parked| parked.id == *id));
                let Some(stamp) = record.stamps.iter().find(|stamp| stamp.target == target) else {
                    continue;
                };
                let record = std::sync::Arc::new(record.clone());
                let config = &self.model.config;
                for message in action::messages(config, source, target, stamp.prev, record) {
                    let key = (source, message.position(), message.line);
                    self.state.network.insert(key, message);
                }
            }
            if self.mutation == Some(Mutation::WatermarkOutside) {
                shard.stored.head.watermarks.extend(&commit.watermarks);
            }
        }
        if self.mutation == Some(Mutation::WatermarkOutside) {
            self.judge();
        }
        for companion in batch.companions {
            self.tell(companion.told);
        }
    }

    /// A node's transaction has failed, or nobody knows what came of it. Where another node has the shard, it ends.
    fn fail(&mut self, (side, index): At) {
        let mutation = self.mutation;
        let shard = &mut self.state.shards[side as usize];
        let node = &mut shard.nodes[index];
        let under_way = node.failed(mutation);
        self.orphan(side, under_way);
    }

    /// A transaction that had not reached the store when its node gave it up may do so yet.
    fn orphan(&mut self, side: Side, under_way: Option<(Transaction, Outcome)>) {
        if let Some((mut batch, Outcome::Pending)) = under_way
            && !batch.commits.is_empty()
        {
            for companion in &mut batch.companions {
                companion.told.clear();
            }
            self.state.shards[side as usize].orphans.push(batch);
        }
    }

    fn start(&mut self, side: Side) {
        let shard = &mut self.state.shards[side as usize];
        let mut node = Node::new(side.shard(), side.other().shard());
        if self.mutation == Some(Mutation::StateBeforeClaim) {
            node.load_all(&shard.stored);
        } else {
            shard.stored.head.epoch += 1;
            node.open(&shard.stored);
        }
        shard.nodes.push(node);
        self.model.coverage.note(Seen::Started);
    }

    /// A node claims its shard. One that had it before gives it up if another has it now.
    fn claim(&mut self, (side, index): At) {
        let shard = &mut self.state.shards[side as usize];
        let node = &mut shard.nodes[index];
        if node.epoch != 0 && node.epoch != shard.stored.head.epoch {
            shard.nodes.remove(index);
            self.model.coverage.note(Seen::GivenUp);
            return;
        }
        shard.stored.head.epoch += 1;
        node.open(&shard.stored);
        self.model.coverage.note(Seen::ClaimedAgain);
    }

    /// Customers are told. It has to be so by then.
    fn tell(&mut self, told: Vec<Told>) {
        for one in told {
            let orders = self.state.stored(Side::Orders);
            let is_so = orders.says(one.order, one.user.get(), one.status);
            self.state.verdict.told_untruth |= !is_so;
            if !self.state.told.contains(&one) {
                self.state.told.push(one);
            }
        }
        let rank = |told: &Told| (told.order, told.user, told.status as u8);
        self.state.told.sort_by_key(rank);
    }
}
