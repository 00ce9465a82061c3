//! Customers, administrators and operators, who note what they are told and compare it with what is committed.
//!
//! A customer repeats an order under the same key until it is answered. Whatever somebody is told must be in the store
//! at that very moment: that is what "decide, commit, then tell" means from outside.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::{
    Currency, Domain, Money, OrderId, ProductId, Quantity, ShardRef, UserId,
    orders::{
        CancelledBy, IdempotencyKey, Order, OrderCommand, OrderDraft, OrderRejection, RequestedLine,
    },
    products::{ProductCommand, ProductDraft},
};
use engine::shard::calls::{
    Addressee, DealWithParked, Execute, ExecuteError, Executed, Execution, KeyClaim, ParkedAction,
    Watch,
};

use super::{
    World,
    event::{Call, Event, Seat},
    plan::{Fault, Script},
    rules::{Command, Draft, Rejection, ShopRules, State},
};

/// How long a key is remembered.
const KEY_LIFETIME: Duration = Duration::from_secs(24 * 3_600);

/// The wait between two products that a script puts into the catalogue, in milliseconds: long enough for a crash and a
/// repetition between them, so that their ids do not depend on what goes wrong.
const PRODUCTS_EVERY_MS: u64 = 20_000;

/// Something that somebody wants.
#[derive(Clone, Debug)]
pub enum Wish {
    /// To put a product into the catalogue.
    Stock(ProductDraft),
    /// To buy.
    Buy {
        /// Who.
        user: UserId,
        /// What.
        lines: Vec<RequestedLine>,
    },
    /// To call off an order that somebody was told of.
    Cancel,
    /// To count the stock of a product anew.
    Adjust(ProductId, i64),
    /// To know how an order ends.
    Watch,
}

/// A wish, and what has come of it.
#[derive(Clone, Debug)]
pub struct Doing {
    wish: Wish,
    /// The order that it is about.
    order: Option<OrderId>,
    tries: u64,
    /// Whether it was answered for good.
    pub is_done: bool,
}

/// What somebody is told.
pub enum Told {
    /// What came of a command.
    Executed(Execution<ShopRules>),
    /// How an order has ended; `None`: as the store says.
    Rest(Option<State>),
    /// An order that was placed has ended like this.
    Settled(State),
}

/// Answers on their way: of which wish, and at which of its tries.
pub type Answers = Arc<Mutex<Vec<(usize, Told)>>>;

/// Those outside.
#[derive(Default)]
pub struct Clients {
    /// What they want, in the order in which they come to it.
    pub doings: Vec<Doing>,
    /// Orders that somebody was told of, by wish.
    pub accepted: BTreeMap<usize, OrderId>,
    /// The same orders, to see that none is given to two.
    pub order_ids: BTreeSet<OrderId>,
    /// Answers that nobody has looked at.
    pub answers: Answers,
    /// How often somebody was told to come back later.
    pub put_off: u64,
}

fn doing(wish: Wish) -> Doing {
    Doing {
        wish,
        order: None,
        tries: 0,
        is_done: false,
    }
}

impl World {
    /// Draws who wants what, and when.
    pub(super) fn draw_wishes(&mut self) {
        let stocks = self.clockwork.plan.stocks.clone();
        for (number, stock) in stocks.into_iter().enumerate() {
            self.wish(
                Wish::Stock(draft(number, stock, Currency::EUR)),
                number as u64,
            );
        }
        let (orders, until) = (
            self.clockwork.plan.orders,
            self.clockwork.plan.orders_until_ms,
        );
        for _ in 0..orders {
            let at = 1_000 + self.clockwork.draw(0..until);
            let wish = match self.clockwork.draw(0..100) {
                0..88 => self.purchase(),
                88..94 => Wish::Cancel,
                94..97 => Wish::Watch,
                _ => {
                    let delta = i64::try_from(self.clockwork.draw(0..60)).unwrap_or(0) - 20;
                    Wish::Adjust(self.any_product(), delta)
                }
            };
            self.wish(wish, at);
        }
    }

    /// Wants what is written, when it is written.
    pub(super) fn take_script(&mut self, script: &Script) {
        for (number, (stock, currency)) in script.products.iter().enumerate() {
            let currency = currency.parse().unwrap_or(Currency::EUR);
            self.wish(
                Wish::Stock(draft(number, *stock, currency)),
                number as u64 * PRODUCTS_EVERY_MS,
            );
        }
        for (at_ms, wish) in &script.wishes {
            self.wish(wish.clone(), *at_ms);
        }
    }

    fn wish(&mut self, wish: Wish, at_ms: u64) {
        self.clients.doings.push(doing(wish));
        let number = self.clients.doings.len() - 1;
        self.clockwork.at(at_ms, Event::Act(number));
    }

    /// The ids that the shards will issue to the products, whichever comes first.
    fn any_product(&mut self) -> ProductId {
        let products = self.clockwork.plan.stocks.len() as u64;
        let first = u64::from(self.clockwork.plan.topology.products);
        let number = first + self.clockwork.draw(0..products);
        ProductId::new(number).expect("a small number above zero")
    }

    fn purchase(&mut self) -> Wish {
        let users = self.clockwork.plan.users;
        let user =
            UserId::new(1 + self.clockwork.draw(0..users)).expect("a small number above zero");
        let count = if self.clockwork.chance(0.6) {
            1
        } else {
            self.clockwork.draw(2..5)
        };
        let lines = (0..count)
            .map(|_| RequestedLine {
                product_id: self.any_product(),
                quantity: Quantity::new(1 + self.clockwork.draw(0..3)).expect("a few pieces"),
            })
            .collect();
        Wish::Buy { user, lines }
    }

    /// Somebody acts, or acts again.
    pub(super) fn act(&mut self, number: usize) {
        if self.clients.doings[number].is_done {
            return;
        }
        self.clients.doings[number].tries += 1;
        let tries = self.clients.doings[number].tries;
        let patience = self.clockwork.draw(2_000..8_000);
        self.clockwork
            .after(patience, Event::TimedOut(number, tries));
        let Some((shard, call)) = self.call(number) else {
            return;
        };
        self.send_call(shard, call);
        if self.clockwork.strikes(Fault::Impatience)
            && let Some((shard, call)) = self.call(number)
        {
            self.send_call(shard, call);
        }
    }

    /// Somebody has waited long enough.
    pub(super) fn timed_out(&mut self, number: usize, tries: u64) {
        let doing = &self.clients.doings[number];
        if !doing.is_done && doing.tries == tries {
            self.clockwork.after(0, Event::Act(number));
        }
    }

    /// Sends a call to the shard's owner, or to a node that was its owner and may not know.
    fn send_call(&mut self, shard: ShardRef, call: Call) {
        let owner = self.store.of(shard).owner.unwrap_or(0);
        let nodes = self.nodes.len() as u64;
        let node = if self.clockwork.chance(0.05) {
            usize::try_from(self.clockwork.draw(0..nodes)).unwrap_or(0)
        } else {
            owner
        };
        let state = &self.nodes[node];
        let Some(instance) = state.current(shard).filter(|_| state.is_up) else {
            return;
        };
        let seat = Seat {
            node,
            life: state.life,
            shard,
            instance,
        };
        let wait = self.clockwork.draw(0..5);
        self.clockwork.after(wait, Event::Called(seat, call));
    }

    fn call(&mut self, number: usize) -> Option<(ShardRef, Call)> {
        let topology = self.store.topology;
        let wish = self.clients.doings[number].wish.clone();
        let answers = self.clients.answers.clone();
        let (shard, addressee, key) = match wish {
            Wish::Stock(draft) => {
                let shards = u64::from(topology.products);
                let shard = ShardRef {
                    domain: Domain::Products,
                    shard: u16::try_from(number as u64 % shards).unwrap_or(0),
                };
                let key = draft.sku.as_str().to_owned();
                (
                    shard,
                    Addressee::New(Draft::Product(draft)),
                    Some((key, None)),
                )
            }
            Wish::Buy { user, lines } => {
                let shard = ShardRef {
                    domain: Domain::Orders,
                    shard: topology.order_shard(user),
                };
                let key = format!("{user}:{number}");
                let draft = OrderDraft {
                    user_id: user,
                    lines,
                    deadline: self
                        .clockwork
                        .time_of_day(0)
                        .plus(self.clockwork.plan.deadline),
                    idempotency: Some(IdempotencyKey {
                        key: number.to_string().into(),
                        fingerprint: [0; 16],
                    }),
                };
                let key = Some((key, Some(KEY_LIFETIME)));
                (shard, Addressee::New(Draft::Order(draft)), key)
            }
            Wish::Cancel => {
                let (order_id, shard) = self.pick_order(number)?;
                let command = OrderCommand::CancelOrder(CancelledBy::Customer);
                let addressee = Addressee::Existing(order_id.get(), Command::Order(command));
                (shard, addressee, None)
            }
            Wish::Adjust(product, delta) => {
                let command = ProductCommand::AdjustStock {
                    delta,
                    reason: "counted".into(),
                };
                let shard = topology.owner_of_product(product);
                let addressee = Addressee::Existing(product.get(), Command::Product(command));
                // Without a key it is not repeated: it may have happened.
                self.clients.doings[number].is_done = true;
                (shard, addressee, None)
            }
            Wish::Watch => {
                let (order_id, shard) = self.pick_order(number)?;
                let watch = Watch {
                    id: order_id.get(),
                    reply: Box::new(move |state| tell(&answers, number, Told::Rest(state))),
                };
                return Some((shard, Call::Watch(watch)));
            }
        };
        let is_order = matches!(addressee, Addressee::New(Draft::Order(_)));
        let later = answers.clone();
        let execute = Execute {
            addressee,
            key: key.map(|(text, lifetime)| KeyClaim {
                text,
                fingerprint: [0; 16],
                lifetime,
            }),
            attachment: None,
            trace: None,
            reply: Box::new(move |result| tell(&answers, number, Told::Executed(result))),
            at_rest: is_order.then(|| -> Box<dyn engine::shard::calls::Caller<State>> {
                Box::new(move |state| tell(&later, number, Told::Settled(state)))
            }),
        };
        Some((shard, Call::Execute(execute)))
    }

    /// The order that a wish is about: one that somebody was told of.
    fn pick_order(&mut self, number: usize) -> Option<(OrderId, ShardRef)> {
        let order_id = match self.clients.doings[number].order {
            Some(order_id) => order_id,
            None => {
                let known = self.clients.accepted.len() as u64;
                if known == 0 {
                    self.clients.doings[number].is_done = true;
                    return None;
                }
                let nth = usize::try_from(self.clockwork.draw(0..known)).unwrap_or(0);
                *self.clients.accepted.values().nth(nth)?
            }
        };
        self.clients.doings[number].order = Some(order_id);
        Some((order_id, self.store.topology.owner_of_order(order_id)?))
    }

    /// Those outside look at what they were told.
    pub(super) fn look_at_answers(&mut self) {
        let answers = {
            let mut waiting = self
                .clients
                .answers
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *waiting)
        };
        for (number, told) in answers {
            match told {
                Told::Executed(result) => self.hear(number, result),
                Told::Settled(state) => self.hear_end(number, &state),
                Told::Rest(state) => self.hear_rest(number, state.as_ref()),
            }
        }
    }

    fn hear(&mut self, number: usize, result: Execution<ShopRules>) {
        match result {
            Ok(Executed::Done(State::Order(order))) => self.accept_order(number, &order),
            Ok(Executed::Done(State::Product(product))) => {
                let is_stored = self.stored(
                    self.store.topology.owner_of_product(product.id),
                    product.id.get(),
                );
                if is_stored.is_none() {
                    self.clockwork.violated(format!(
                        "told of product {}, which is not committed",
                        product.id
                    ));
                }
                self.clients.doings[number].is_done = true;
            }
            Ok(Executed::Done(State::Notification(_))) => {}
            Ok(Executed::KeyTaken {
                aggregate_id,
                same_request,
            }) => {
                self.hear_of_key(number, aggregate_id, same_request);
            }
            Err(ExecuteError::Rejected(rejection)) => self.hear_no(number, &rejection),
            Err(ExecuteError::Unavailable(_)) => {
                self.clients.put_off += 1;
                if !self.clients.doings[number].is_done {
                    let wait = self.clockwork.draw(20..500);
                    self.clockwork.after(wait, Event::Act(number));
                }
            }
        }
    }

    fn stored(&self, shard: ShardRef, id: u64) -> Option<&State> {
        self.store.of(shard).states.get(&id).map(|(state, _)| state)
    }

    fn stored_order(&self, order_id: OrderId) -> Option<&Order> {
        let shard = self.store.topology.owner_of_order(order_id)?;
        match self.stored(shard, order_id.get())? {
            State::Order(order) => Some(order),
            _ => None,
        }
    }

    fn accept_order(&mut self, number: usize, order: &Order) {
        let stored = self.stored_order(order.id).cloned();
        let Some(stored) = stored else {
            self.clockwork.violated(format!(
                "I2: told of order {}, which is not committed",
                order.id
            ));
            return;
        };
        let wish = self.clients.doings[number].wish.clone();
        match wish {
            Wish::Buy { user, lines } => {
                let is_the_same = stored.user_id == user
                    && stored.lines.len() == lines.len()
                    && stored.lines.iter().zip(&lines).all(|(line, asked)| {
                        line.product_id == asked.product_id && line.quantity == asked.quantity
                    });
                if !is_the_same {
                    self.clockwork.violated(format!(
                        "wish {number} was answered with order {}, which is another one",
                        order.id
                    ));
                }
                self.note_order(number, order.id);
            }
            _ if stored.status != order.status => {
                self.clockwork.violated(format!(
                    "told that order {} is {}, and it is {}",
                    order.id, order.status, stored.status
                ));
            }
            _ => {}
        }
        self.clients.doings[number].is_done = true;
    }

    /// One key, one order; one order, one key.
    fn note_order(&mut self, number: usize, order_id: OrderId) {
        let before = self.clients.accepted.insert(number, order_id);
        if before.is_some_and(|before| before != order_id) {
            self.clockwork.violated(format!(
                "I4: wish {number} was answered with orders {before:?} and {order_id}"
            ));
        }
        if before.is_none() && !self.clients.order_ids.insert(order_id) {
            self.clockwork
                .violated(format!("order {order_id} was given to two"));
        }
    }

    fn hear_of_key(&mut self, number: usize, aggregate_id: u64, same_request: bool) {
        if !same_request {
            self.clockwork.violated(format!(
                "wish {number} is told that its key was used otherwise"
            ));
        }
        if let (Wish::Buy { .. }, Some(order_id)) = (
            &self.clients.doings[number].wish,
            OrderId::new(aggregate_id),
        ) {
            if self.stored_order(order_id).is_none() {
                self.clockwork.violated(format!(
                    "I2: told by key of order {order_id}, which is not committed"
                ));
            }
            self.note_order(number, order_id);
        }
        self.clients.doings[number].is_done = true;
    }

    fn hear_no(&mut self, number: usize, rejection: &Rejection) {
        if let (Rejection::Order(OrderRejection::NotCancellable { status }), Some(order_id)) =
            (rejection, self.clients.doings[number].order)
        {
            let stored = self.stored_order(order_id).map(|order| order.status);
            if stored != Some(*status) {
                self.clockwork.violated(format!(
                    "told that order {order_id} is {status}, and it is {stored:?}"
                ));
            }
        }
        self.clients.doings[number].is_done = true;
    }

    fn hear_end(&mut self, number: usize, state: &State) {
        let State::Order(order) = state else { return };
        let stored = self.stored_order(order.id).map(|order| order.status);
        // It may have been called off since.
        let is_so =
            stored == Some(order.status) || stored == Some(domain::orders::OrderStatus::Cancelled);
        if !is_so {
            self.clockwork.violated(format!(
                "wish {number} is told that order {} is {}, and it is {stored:?}",
                order.id, order.status
            ));
        }
    }

    fn hear_rest(&mut self, number: usize, state: Option<&State>) {
        match state {
            Some(state) => self.hear_end(number, state),
            None => {
                let order_id = self.clients.doings[number].order;
                let stored = order_id.and_then(|order_id| self.stored_order(order_id));
                if let Some(order) = stored.filter(|order| !order.status.is_settled()) {
                    let text = format!(
                        "told that order {} is at rest, and it is {}",
                        order.id, order.status
                    );
                    self.clockwork.violated(text);
                }
            }
        }
        self.clients.doings[number].is_done = true;
    }

    /// An operator looks at what is set aside, and deals with some of it.
    pub(super) fn operate(&mut self) {
        let parked: Vec<(ShardRef, u64)> = self
            .store
            .shards
            .iter()
            .flat_map(|(shard, kept)| kept.parked.keys().map(|id| (*shard, *id)))
            .collect();
        for (shard, id) in parked {
            if self.clockwork.is_calm || self.clockwork.chance(0.3) {
                let deal = DealWithParked {
                    id,
                    action: ParkedAction::Retry,
                    reply: Box::new(|_| {}),
                };
                self.send_call(shard, Call::Deal(deal));
            }
        }
        self.clockwork.after(1_000, Event::Operate);
    }
}

fn draft(number: usize, stock: u64, currency: Currency) -> ProductDraft {
    let sku = format!("SKU-{number}");
    ProductDraft {
        sku: sku.parse().expect("letters, digits and a dash"),
        name: "Lantern".into(),
        description: "".into(),
        price: Money::price(500, currency).expect("a price above zero"),
        stock,
    }
}

fn tell(answers: &Answers, number: usize, told: Told) {
    let mut waiting = answers.lock().unwrap_or_else(PoisonError::into_inner);
    waiting.push((number, told));
}
