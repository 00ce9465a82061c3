//! One order's story: what its products say when they are asked, and what is done to it.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection::vec, prelude::*};

use super::{at, create, decide, euro, line, placed, product, releases, reserved};
use crate::{
    Aggregate, Money, ProductId, Timestamp,
    orders::{Answer, CancelledBy, Order, OrderCommand, OrderEvent, RequestedLine},
};

/// Products that stories are about; an order names some of them.
pub(super) const PRODUCTS: u64 = 5;

/// One order, its products' answers, and what happens.
#[derive(Clone, Debug)]
pub(super) struct Story {
    pub(super) lines: Vec<RequestedLine>,
    /// What each product says when it is asked: its price, or how many pieces are left.
    says: Vec<Says>,
    pub(super) steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug)]
enum Says {
    Reserved(Money),
    Refused { available: u64 },
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A product answers, perhaps not for the first time.
    Answer(ProductId),
    Cancel(CancelledBy),
    Expire,
    /// The request comes again.
    Create,
}

impl Story {
    pub(super) fn products(&self) -> Vec<ProductId> {
        let named: BTreeSet<ProductId> = self.lines.iter().map(|line| line.product_id).collect();
        named.into_iter().collect()
    }

    pub(super) fn asked(&self, product: ProductId) -> u64 {
        self.lines
            .iter()
            .filter(|line| line.product_id == product)
            .map(|line| u64::from(line.quantity.get()))
            .sum()
    }

    /// What a product answers, if it is one of the order's.
    pub(super) fn answer(&self, product: ProductId) -> Option<Answer> {
        let asked = self.asked(product);
        let number = product.get();
        (asked > 0).then(|| match self.says[usize::try_from(number).unwrap() - 1] {
            Says::Reserved(price) => reserved(number, asked, price),
            Says::Refused { available } => Answer::Refused {
                product_id: product,
                available,
            },
        })
    }
}

/// A story as far as it has been told.
pub(super) struct Telling<'a> {
    story: &'a Story,
    pub(super) order: Order,
    /// Which products have answered.
    pub(super) answered: BTreeSet<ProductId>,
    /// The pieces that products keep for the order: from their answer until the order releases them.
    pub(super) held: BTreeMap<ProductId, u64>,
    pub(super) history: Vec<(OrderEvent, Timestamp)>,
    second: i64,
}

/// What one step brought.
pub(super) struct Told {
    /// What products kept when the order decided.
    pub(super) held_before: BTreeMap<ProductId, u64>,
    pub(super) events: Vec<OrderEvent>,
}

impl<'a> Telling<'a> {
    pub(super) fn begin(story: &'a Story) -> Self {
        let created = decide(None, &create(story.lines.clone())).unwrap();
        Self {
            story,
            order: placed(story.lines.clone()),
            answered: BTreeSet::new(),
            held: BTreeMap::new(),
            history: created.into_iter().map(|event| (event, at(0))).collect(),
            second: 0,
        }
    }

    pub(super) fn tell(&mut self, step: &Step) -> Told {
        self.second += 1;
        let command = match step {
            Step::Answer(product) => match self.story.answer(*product) {
                Some(answer) => {
                    if self.answered.insert(*product)
                        && let Answer::Reserved { quantity, .. } = &answer
                    {
                        self.held.insert(*product, *quantity);
                    }
                    OrderCommand::RecordAnswer(answer)
                }
                None => return self.nothing(),
            },
            Step::Cancel(by) => OrderCommand::CancelOrder(*by),
            Step::Expire => OrderCommand::ExpireOrder,
            Step::Create => create(self.story.lines.clone()),
        };
        let held_before = self.held.clone();
        let events = decide(Some(&self.order), &command).unwrap_or_default();
        for event in &events {
            for release in releases(event) {
                let held = self.held.remove(&release.product_id);
                assert_eq!(held, Some(release.quantity), "released: {event:?}");
            }
            self.order = Order::evolve(Some(self.order.clone()), event, at(self.second)).unwrap();
            self.history.push((event.clone(), at(self.second)));
        }
        Told {
            held_before,
            events,
        }
    }

    fn nothing(&self) -> Told {
        Told {
            held_before: self.held.clone(),
            events: Vec::new(),
        }
    }
}

pub(super) fn story() -> BoxedStrategy<Story> {
    let says = prop_oneof![
        6 => (0..1_000_i64).prop_map(|cents| Says::Reserved(euro(cents))),
        1 => (0..1_000_i64).prop_map(|amount| {
            Says::Reserved(Money::price(amount, "JPY".parse().unwrap()).unwrap())
        }),
        1 => (0..5_u64).prop_map(|available| Says::Refused { available }),
    ];
    let step = prop_oneof![
        10 => (1..=PRODUCTS).prop_map(|number| Step::Answer(product(number))),
        1 => prop_oneof![Just(CancelledBy::Customer), Just(CancelledBy::Admin)]
            .prop_map(Step::Cancel),
        1 => Just(Step::Expire),
        1 => Just(Step::Create),
    ];
    let lines = vec(
        (1..=PRODUCTS, 1..=20_u64).prop_map(|(number, pieces)| line(number, pieces)),
        1..=6,
    );
    (
        lines,
        vec(says, usize::try_from(PRODUCTS).unwrap()),
        vec(step, 0..25),
    )
        .prop_map(|(lines, says, steps)| Story { lines, says, steps })
        .boxed()
}
