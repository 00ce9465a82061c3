//! Customers, administrators and operators, who note what they are told and compare it with what is committed.
//!
//! A customer repeats an order under the same key until it is answered. Whatever somebody is told must be in the store
//! at that very moment: that is what "decide, commit, then tell" means from outside.

mod calls;
mod hearing;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use domain::{
    Currency, Money, OrderId, ProductId, Quantity, ShardRef, UserId, orders::RequestedLine,
    products::ProductDraft,
};
use engine::shard::calls::{DealWithParked, Execution, ParkedAction};

use super::{
    World,
    event::{Call, Event},
    plan::Script,
    rules::{ShopRules, State},
};

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
    /// Whether another try is due because one was put off.
    comes_back: bool,
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
        comes_back: false,
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
