//! That no piece of stock is made or lost, whatever is asked of a product.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use proptest::{collection::vec, option, prelude::*};

use super::{Product, ProductCommand, ProductEvent, ProductRejection, STOCK_MAX, Stock};
use crate::{Aggregate, Currency, Money, OrderId, ProductId, Timestamp};

proptest! {
    #[test]
    fn i1_what_was_put_in_is_available_or_allocated(commands in commands()) {
        let mut product = None;
        let mut ledger = Ledger::default();
        for (second, command) in (0..).zip(&commands) {
            for event in decide(product.as_ref(), command).unwrap_or_default() {
                product = Product::evolve(product, &event, at(second));
                ledger.enter(&event);
                let stock = product.as_ref().map(|product| product.stock).unwrap_or_default();
                prop_assert_eq!(stock.available + stock.allocated, ledger.put_in);
                prop_assert_eq!(stock.allocated, ledger.allocated);
                prop_assert!(ledger.put_in <= STOCK_MAX);
            }
        }
    }

    #[test]
    fn a_command_is_refused_exactly_when_pieces_lack(commands in commands()) {
        let mut product: Option<Product> = None;
        for (second, command) in (0..).zip(&commands) {
            let decided = decide(product.as_ref(), command);
            match product.as_ref().map(|product| product.stock) {
                Some(stock) => prop_assert_eq!(
                    lacks(stock, command),
                    refusal(&decided),
                    "{:?} of {:?}", command, stock
                ),
                None => prop_assert_eq!(lacks_without_product(command), refusal(&decided)),
            }
            product = Product::evolve_all(product, &decided.unwrap_or_default(), at(second));
        }
    }

    #[test]
    fn a_refusal_changes_nothing(commands in commands()) {
        let mut product: Option<Product> = None;
        for (second, command) in (0..).zip(&commands) {
            let events = decide(product.as_ref(), command).unwrap_or_default();
            let before = product.clone();
            product = Product::evolve_all(product, &events, at(second));
            if matches!(events.as_slice(), [] | [ProductEvent::StockRefused { .. }]) {
                prop_assert_eq!(&product, &before);
            } else {
                prop_assert_ne!(&product, &before);
            }
        }
    }

    #[test]
    fn an_event_applied_twice_changes_nothing_more(commands in commands()) {
        let mut product: Option<Product> = None;
        let mut history = Vec::new();
        for (second, command) in (0..).zip(&commands) {
            for event in decide(product.as_ref(), command).unwrap_or_default() {
                product = Product::evolve(product, &event, at(second));
                let again = Product::evolve(product.clone(), &event, at(second));
                prop_assert_eq!(&again, &product);
                history.push((event, at(second)));
            }
        }
        let replayed = history
            .iter()
            .fold(None, |state, (event, at)| Product::evolve(state, event, *at));
        prop_assert_eq!(replayed, product);
    }

    #[test]
    fn an_answer_repeats_what_was_asked(stock in 0..100_u64, quantity in 1..100_u64) {
        let product = product(stock);
        let answer = &decide(Some(&product), &reserve(quantity)).unwrap()[0];
        let expected = if quantity <= stock {
            ProductEvent::StockReserved {
                order_id: order(),
                product_id: product.id,
                quantity,
                sku: product.sku.clone(),
                name: product.name.clone(),
                unit_price: product.price,
                stock: Stock { available: stock - quantity, allocated: quantity },
            }
        } else {
            ProductEvent::StockRefused {
                order_id: order(),
                product_id: product.id,
                quantity,
                available: stock,
            }
        };
        prop_assert_eq!(answer, &expected);
    }

    #[test]
    fn a_change_replaces_what_it_names(
        name in option::of("[a-c]"),
        description in option::of("[a-c]"),
        amount in option::of(0..3_i64),
    ) {
        let before = product(7);
        let command = ProductCommand::ChangeProduct {
            name: name.clone().map(Into::into),
            description: description.clone().map(Into::into),
            price: amount.map(euro),
        };
        let events = decide(Some(&before), &command).unwrap();
        let after = Product::evolve_all(Some(before.clone()), &events, at(9)).unwrap();
        prop_assert_eq!(&*after.name, name.as_deref().unwrap_or(&before.name));
        prop_assert_eq!(
            &*after.description,
            description.as_deref().unwrap_or(&before.description)
        );
        prop_assert_eq!(after.price, amount.map_or(before.price, euro));
        prop_assert_eq!(after.stock, before.stock);
        let is_same = Product { updated_at: before.updated_at, ..after } == before;
        prop_assert_eq!(events.is_empty(), is_same, "no event where nothing changes");
    }
}

#[test]
fn the_last_piece_is_sold_once() {
    let product = product(1);
    let events = decide(Some(&product), &reserve(1)).unwrap();
    let product = Product::evolve_all(Some(product), &events, at(1)).unwrap();
    assert!(matches!(
        decide(Some(&product), &reserve(1)).unwrap()[..],
        [ProductEvent::StockRefused { available: 0, .. }]
    ));
}

#[test]
fn a_product_that_nobody_created_answers_too() {
    let events = decide(None, &reserve(3)).unwrap();
    assert_eq!(
        events,
        [ProductEvent::StockRefused {
            order_id: order(),
            product_id: id(),
            quantity: 3,
            available: 0,
        }]
    );
    assert_eq!(Product::evolve_all(None, &events, at(1)), None);
}

#[test]
fn a_product_is_created_once() {
    let product = product(5);
    assert_eq!(decide(Some(&product), &create(9)), Ok(Vec::new()));
}

#[test]
fn stock_stays_within_its_bound() {
    assert_eq!(
        decide(None, &create(STOCK_MAX + 1)),
        Err(ProductRejection::StockTooLarge)
    );
    let full = product(STOCK_MAX);
    assert_eq!(
        decide(Some(&full), &adjust(1)),
        Err(ProductRejection::StockTooLarge)
    );
    for delta in [i64::MIN, i64::MAX] {
        assert!(decide(Some(&full), &adjust(delta)).is_err());
    }
    let events = decide(Some(&full), &reserve(STOCK_MAX)).unwrap();
    let sold = Product::evolve_all(Some(full), &events, at(1)).unwrap();
    assert_eq!(
        decide(Some(&sold), &adjust(1)),
        Err(ProductRejection::StockTooLarge),
        "allocated pieces count"
    );
}

/// What the events say was put in and is held, added up.
#[derive(Default)]
struct Ledger {
    put_in: u64,
    allocated: u64,
}

impl Ledger {
    fn enter(&mut self, event: &ProductEvent) {
        match event {
            ProductEvent::ProductCreated { stock, .. } => {
                self.put_in += stock.available + stock.allocated;
            }
            ProductEvent::StockAdjusted { delta, .. } => {
                self.put_in = self.put_in.checked_add_signed(*delta).unwrap();
            }
            ProductEvent::StockReserved { quantity, .. } => self.allocated += quantity,
            ProductEvent::StockReleased { quantity, .. } => self.allocated -= quantity,
            ProductEvent::ProductChanged { .. } | ProductEvent::StockRefused { .. } => {}
        }
    }
}

/// How a product turns a command down.
#[derive(Debug, PartialEq)]
enum Refusal {
    Answer { available: u64 },
    Rejection(ProductRejection),
}

/// How a product with that stock must turn a command down, in other words than the code's.
fn lacks(stock: Stock, command: &ProductCommand) -> Option<Refusal> {
    let available = stock.available;
    match command {
        ProductCommand::ReserveStock { quantity, .. } => {
            (*quantity > available).then_some(Refusal::Answer { available })
        }
        ProductCommand::ReleaseStock { quantity, .. } => (*quantity > stock.allocated).then_some(
            Refusal::Rejection(ProductRejection::NotAllocated {
                allocated: stock.allocated,
            }),
        ),
        ProductCommand::AdjustStock { delta, .. } => {
            let after = i128::from(available) + i128::from(*delta);
            if after < 0 {
                Some(Refusal::Rejection(ProductRejection::InsufficientStock {
                    available,
                }))
            } else if after + i128::from(stock.allocated) > i128::from(STOCK_MAX) {
                Some(Refusal::Rejection(ProductRejection::StockTooLarge))
            } else {
                None
            }
        }
        ProductCommand::CreateProduct { .. } | ProductCommand::ChangeProduct { .. } => None,
    }
}

/// The same for a product that nobody created.
fn lacks_without_product(command: &ProductCommand) -> Option<Refusal> {
    match command {
        ProductCommand::CreateProduct { stock, .. } => {
            (*stock > STOCK_MAX).then_some(Refusal::Rejection(ProductRejection::StockTooLarge))
        }
        ProductCommand::ReserveStock { .. } => Some(Refusal::Answer { available: 0 }),
        _ => Some(Refusal::Rejection(ProductRejection::UnknownProduct)),
    }
}

fn refusal(decided: &Result<Vec<ProductEvent>, ProductRejection>) -> Option<Refusal> {
    match decided {
        Err(rejection) => Some(Refusal::Rejection(rejection.clone())),
        Ok(events) => events.iter().find_map(|event| match event {
            ProductEvent::StockRefused { available, .. } => Some(Refusal::Answer {
                available: *available,
            }),
            _ => None,
        }),
    }
}

/// A product's life: few pieces, or almost too many, so that every bound is met.
fn commands() -> BoxedStrategy<Vec<ProductCommand>> {
    let command = prop_oneof![
        1 => stock().prop_map(create),
        1 => (option::of("[a-c]"), option::of(0..3_i64)).prop_map(|(name, amount)| {
            ProductCommand::ChangeProduct {
                name: name.map(Into::into),
                description: None,
                price: amount.map(euro),
            }
        }),
        3 => prop_oneof![-12..=12_i64, any::<i64>()].prop_map(adjust),
        6 => (1..=8_u64).prop_map(reserve),
        4 => (1..=8_u64).prop_map(|quantity| ProductCommand::ReleaseStock {
            order_id: order(),
            quantity,
        }),
    ];
    (stock(), vec(command, 0..40))
        .prop_map(|(stock, mut commands)| {
            // Mostly a product's life begins with its creation; sometimes something else comes first.
            let first = usize::from(commands.len() % 5 == 4);
            commands.insert(first, create(stock));
            commands
        })
        .boxed()
}

fn stock() -> BoxedStrategy<u64> {
    prop_oneof![8 => 0..=20_u64, 1 => STOCK_MAX - 5..=STOCK_MAX + 1].boxed()
}

fn decide(
    product: Option<&Product>,
    command: &ProductCommand,
) -> Result<Vec<ProductEvent>, ProductRejection> {
    Product::decide(product, command, at(0))
}

fn create(stock: u64) -> ProductCommand {
    ProductCommand::CreateProduct {
        product_id: id(),
        sku: "TEE".parse().unwrap(),
        name: text("b"),
        description: text("b"),
        price: euro(1),
        stock,
    }
}

fn reserve(quantity: u64) -> ProductCommand {
    ProductCommand::ReserveStock {
        order_id: order(),
        product_id: id(),
        quantity,
    }
}

fn adjust(delta: i64) -> ProductCommand {
    ProductCommand::AdjustStock {
        delta,
        reason: text("counted"),
    }
}

fn product(stock: u64) -> Product {
    let events = decide(None, &create(stock)).unwrap();
    Product::evolve_all(None, &events, at(0)).unwrap()
}

fn id() -> ProductId {
    ProductId::new(4).unwrap()
}

fn order() -> OrderId {
    OrderId::new(77).unwrap()
}

fn euro(cents: i64) -> Money {
    Money::price(cents, Currency::EUR).unwrap()
}

fn text(text: &str) -> Arc<str> {
    text.into()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(second * 1_000)
}
