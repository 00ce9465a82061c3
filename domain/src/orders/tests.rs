//! That an order holds what it has sold and nothing else, whatever happens to it and in which order.
//!
//! A `story` is one order, what its products say, and what is done to it; `together` has several orders and their
//! products at once.

#![allow(clippy::unwrap_used)]

mod story;
mod together;

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};

use self::story::{PRODUCTS, Step, Telling, Told, story};
use super::{
    Answer, CancelledBy, LINES_MAX, Line, LineOutcome, Order, OrderCommand, OrderEvent,
    OrderRejection, OrderStatus, RejectionReason, Release, RequestedLine,
};
use crate::{Aggregate, Currency, Money, OrderId, ProductId, Quantity, Timestamp, UserId};

proptest! {
    #[test]
    fn i3_an_order_holds_what_it_has_sold_and_nothing_else(story in story()) {
        let mut telling = Telling::begin(&story);
        for step in &story.steps {
            telling.tell(step);
            let order = &telling.order;
            match order.status {
                OrderStatus::Confirmed => {
                    let is_reserved =
                        |line: &Line| matches!(line.outcome, LineOutcome::Reserved { .. });
                    prop_assert!(order.lines.iter().all(is_reserved), "{:?}", order);
                    for product in order.products() {
                        prop_assert_eq!(order.held(product), order.asked(product));
                    }
                }
                OrderStatus::Rejected | OrderStatus::Cancelled | OrderStatus::Expired => {
                    prop_assert!(telling.held.is_empty(), "{:?} of {:?}", telling.held, order);
                }
                OrderStatus::Created | OrderStatus::Reserved => {}
            }
            for product in order.products() {
                let held = telling.held.get(&product).copied().unwrap_or(0);
                prop_assert_eq!(order.held(product), held, "the order knows what it holds");
            }
        }
    }

    #[test]
    fn what_is_released_is_exactly_what_was_reserved(story in story()) {
        let mut telling = Telling::begin(&story);
        for step in &story.steps {
            let Told { held_before, events } = telling.tell(step);
            for event in events {
                let released = releases(&event);
                let by_product: BTreeMap<ProductId, u64> = released
                    .iter()
                    .map(|release| (release.product_id, release.quantity))
                    .collect();
                prop_assert_eq!(by_product.len(), released.len(), "one release a product");
                if gives_up(&event) {
                    prop_assert_eq!(&by_product, &held_before, "{:?}", event);
                } else {
                    prop_assert!(by_product.is_empty());
                }
            }
        }
    }

    #[test]
    fn a_late_reservation_is_released_exactly_once(story in story()) {
        let mut telling = Telling::begin(&story);
        let mut late: BTreeMap<ProductId, u64> = BTreeMap::new();
        let mut released: BTreeMap<ProductId, u64> = BTreeMap::new();
        // Everything a second time: each answer comes again, and so does each attempt to call it off.
        for step in story.steps.iter().chain(&story.steps) {
            let was_settled = telling.order.status.is_settled();
            if let Step::Answer(product) = step
                && was_settled
                && !telling.answered.contains(product)
                && let Some(Answer::Reserved { quantity, .. }) = story.answer(*product)
            {
                late.insert(*product, quantity);
            }
            for event in telling.tell(step).events {
                if let OrderEvent::LateReservationReleased { release } = event {
                    prop_assert!(was_settled);
                    *released.entry(release.product_id).or_default() += release.quantity;
                }
            }
            prop_assert_eq!(&released, &late);
        }
    }

    #[test]
    fn an_event_applied_twice_changes_nothing_more(story in story()) {
        let mut telling = Telling::begin(&story);
        for (second, step) in (1..).zip(&story.steps) {
            let mut twice = telling.order.clone();
            for event in telling.tell(step).events {
                for _ in 0..2 {
                    twice = Order::evolve(Some(twice), &event, at(second)).unwrap();
                }
            }
            prop_assert_eq!(&twice, &telling.order);
        }
    }

    #[test]
    fn a_replay_of_the_history_gives_the_order(story in story()) {
        let mut telling = Telling::begin(&story);
        for step in &story.steps {
            telling.tell(step);
        }
        let replayed = telling
            .history
            .iter()
            .fold(None, |order, (event, at)| Order::evolve(order, event, *at));
        prop_assert_eq!(replayed, Some(telling.order));
    }

    #[test]
    fn a_repeated_answer_changes_nothing(story in story()) {
        let mut telling = Telling::begin(&story);
        for step in &story.steps {
            telling.tell(step);
            for product in &telling.answered {
                let answer = OrderCommand::RecordAnswer(story.answer(*product).unwrap());
                prop_assert_eq!(decide(Some(&telling.order), &answer), Ok(Vec::new()));
            }
        }
    }

    #[test]
    fn an_answer_that_was_not_asked_for_changes_nothing(story in story()) {
        let mut telling = Telling::begin(&story);
        let stranger = Answer::Reserved {
            product_id: product(PRODUCTS + 1),
            quantity: 1,
            sku: "TEE".parse().unwrap(),
            name: "T-Shirt".into(),
            unit_price: euro(1),
        };
        for step in &story.steps {
            telling.tell(step);
            let answer = OrderCommand::RecordAnswer(stranger.clone());
            prop_assert_eq!(decide(Some(&telling.order), &answer), Ok(Vec::new()));
        }
    }

    #[test]
    fn the_order_of_the_answers_does_not_matter(
        (story, shuffled) in story().prop_flat_map(|story| {
            let products = story.products();
            (Just(story), Just(products).prop_shuffle())
        })
    ) {
        let outcome = |products: &[ProductId]| {
            let mut telling = Telling::begin(&story);
            for product in products {
                telling.tell(&Step::Answer(*product));
            }
            Order { updated_at: at(0), ..telling.order }
        };
        prop_assert_eq!(outcome(&story.products()), outcome(&shuffled));
    }

    #[test]
    fn the_last_answer_settles_the_order(story in story()) {
        let mut telling = Telling::begin(&story);
        let products = story.products();
        for (nth, product) in (1..).zip(&products) {
            prop_assert_eq!(telling.order.status, OrderStatus::Created);
            prop_assert!(telling.order.awaits_answers());
            let events = telling.tell(&Step::Answer(*product)).events;
            prop_assert_eq!(events.len(), 1);
            prop_assert_eq!(telling.order.status.is_settled(), nth == products.len());
        }

        let answers: Vec<Answer> = products
            .iter()
            .map(|product| story.answer(*product).unwrap())
            .collect();
        let prices: Option<Vec<Money>> = answers.iter().map(price).collect();
        let one_currency = prices.as_ref().is_some_and(|prices| {
            prices.iter().all(|price| price.currency == prices[0].currency)
        });
        let Order { status, total, reason, .. } = telling.order;
        match prices {
            None => {
                prop_assert_eq!((status, total), (OrderStatus::Rejected, None));
                prop_assert!(reason.is_some());
            }
            Some(_) if !one_currency => prop_assert_eq!(
                (status, total, reason),
                (OrderStatus::Rejected, None, Some(RejectionReason::CurrencyMismatch))
            ),
            Some(prices) => {
                let amount = answers
                    .iter()
                    .zip(&prices)
                    .map(|(answer, price)| {
                        price.amount * i64::try_from(story.asked(answer.product_id())).unwrap()
                    })
                    .sum();
                let total_expected = Money { amount, currency: prices[0].currency };
                prop_assert_eq!(
                    (status, total, reason),
                    (OrderStatus::Confirmed, Some(total_expected), None)
                );
            }
        }
    }

    #[test]
    fn a_settled_order_stays_so_unless_a_sold_one_is_called_off(story in story()) {
        let mut telling = Telling::begin(&story);
        for step in &story.steps {
            let before = telling.order.status;
            telling.tell(step);
            let after = telling.order.status;
            let may_follow = match before {
                OrderStatus::Created => true,
                OrderStatus::Confirmed => after == OrderStatus::Cancelled,
                _ => false,
            };
            prop_assert!(before == after || may_follow, "{} became {}", before, after);
        }
    }

    #[test]
    fn lines_of_one_product_are_summed(quantities in vec(1..=u64::from(Quantity::MAX), 1..=LINES_MAX)) {
        let order = placed(quantities.iter().map(|pieces| line(1, *pieces)).collect());
        let pieces: u64 = quantities.iter().sum();
        prop_assert_eq!(order.lines.len(), quantities.len(), "they stay lines of their own");
        prop_assert_eq!(order.asked(product(1)), pieces);
        prop_assert_eq!(order.products(), vec![product(1)]);
        prop_assert_eq!(order.held(product(1)), 0);

        let answer = OrderCommand::RecordAnswer(reserved(1, pieces, euro(3)));
        let order = after(order, &answer);
        prop_assert_eq!(order.status, OrderStatus::Confirmed, "one answer is for all of them");
        prop_assert_eq!(order.held(product(1)), pieces);
        prop_assert_eq!(order.total, Some(euro(3).times(pieces)));

        let cancelled = decide(Some(&order), &OrderCommand::CancelOrder(CancelledBy::Admin));
        let release = Release { product_id: product(1), quantity: pieces };
        prop_assert_eq!(releases(&cancelled.unwrap()[0]), vec![release]);
    }
}

#[test]
fn an_order_has_one_to_a_hundred_lines() {
    for (lines, is_fine) in [
        (0, false),
        (1, true),
        (LINES_MAX, true),
        (LINES_MAX + 1, false),
    ] {
        let decided = decide(None, &create(vec![line(1, 1); lines]));
        match decided {
            Ok(events) => assert!(is_fine && events.len() == 1, "{lines}"),
            Err(rejection) => {
                assert_eq!(rejection, OrderRejection::InvalidLineCount);
                assert!(!is_fine, "{lines}");
            }
        }
    }
}

#[test]
fn nothing_is_asked_of_an_order_that_nobody_placed() {
    for command in [
        OrderCommand::RecordAnswer(reserved(1, 1, euro(1))),
        OrderCommand::CancelOrder(CancelledBy::Customer),
        OrderCommand::ExpireOrder,
    ] {
        assert_eq!(decide(None, &command), Err(OrderRejection::UnknownOrder));
    }
}

#[test]
fn only_what_could_be_sold_is_called_off() {
    let cancel = OrderCommand::CancelOrder(CancelledBy::Customer);
    let refuse = OrderCommand::RecordAnswer(Answer::Refused {
        product_id: product(1),
        available: 0,
    });
    let created = || placed(vec![line(1, 1)]);
    for (order, status) in [
        (after(created(), &refuse), OrderStatus::Rejected),
        (
            after(created(), &OrderCommand::ExpireOrder),
            OrderStatus::Expired,
        ),
    ] {
        assert_eq!(
            decide(Some(&order), &cancel),
            Err(OrderRejection::NotCancellable { status })
        );
    }
    let cancelled = after(created(), &cancel);
    assert_eq!(decide(Some(&cancelled), &cancel), Ok(Vec::new()));
}

#[test]
fn only_a_waiting_order_expires() {
    let confirmed = after(
        placed(vec![line(1, 1)]),
        &OrderCommand::RecordAnswer(reserved(1, 1, euro(1))),
    );
    assert_eq!(
        decide(Some(&confirmed), &OrderCommand::ExpireOrder),
        Ok(Vec::new())
    );
}

#[test]
fn the_reason_tells_why_an_order_is_not_confirmed() {
    let reason = |command: OrderCommand| after(placed(vec![line(1, 1)]), &command).reason_text();
    assert_eq!(
        reason(OrderCommand::RecordAnswer(Answer::Refused {
            product_id: product(1),
            available: 0,
        })),
        Some("out_of_stock")
    );
    assert_eq!(
        reason(OrderCommand::CancelOrder(CancelledBy::Customer)),
        Some("cancelled_by_customer")
    );
    assert_eq!(
        reason(OrderCommand::CancelOrder(CancelledBy::Admin)),
        Some("cancelled_by_admin")
    );
    assert_eq!(reason(OrderCommand::ExpireOrder), Some("deadline_passed"));
    assert_eq!(
        reason(OrderCommand::RecordAnswer(reserved(1, 1, euro(1)))),
        None
    );
}

/// What an event gives back.
fn releases(event: &OrderEvent) -> Vec<Release> {
    match event {
        OrderEvent::OrderRejected { releases, .. }
        | OrderEvent::OrderCancelled { releases, .. }
        | OrderEvent::OrderExpired { releases, .. } => releases.clone(),
        OrderEvent::LateReservationReleased { release } => vec![*release],
        OrderEvent::OrderCreated { .. }
        | OrderEvent::AnswerRecorded { .. }
        | OrderEvent::OrderConfirmed { .. } => Vec::new(),
    }
}

/// Whether an order holds nothing after this event.
fn gives_up(event: &OrderEvent) -> bool {
    !matches!(
        event,
        OrderEvent::OrderCreated { .. }
            | OrderEvent::AnswerRecorded { .. }
            | OrderEvent::OrderConfirmed { .. }
    )
}

fn price(answer: &Answer) -> Option<Money> {
    match answer {
        Answer::Reserved { unit_price, .. } => Some(*unit_price),
        Answer::Refused { .. } => None,
    }
}

fn decide(
    order: Option<&Order>,
    command: &OrderCommand,
) -> Result<Vec<OrderEvent>, OrderRejection> {
    Order::decide(order, command, at(0))
}

fn after(order: Order, command: &OrderCommand) -> Order {
    let events = decide(Some(&order), command).unwrap();
    Order::evolve_all(Some(order), &events, at(0)).unwrap()
}

fn placed(lines: Vec<RequestedLine>) -> Order {
    let events = decide(None, &create(lines)).unwrap();
    Order::evolve_all(None, &events, at(0)).unwrap()
}

fn create(lines: Vec<RequestedLine>) -> OrderCommand {
    OrderCommand::CreateOrder {
        order_id: OrderId::new(77).unwrap(),
        user_id: UserId::new(5).unwrap(),
        lines,
        deadline: at(60),
        idempotency: None,
    }
}

fn line(number: u64, pieces: u64) -> RequestedLine {
    RequestedLine {
        product_id: product(number),
        quantity: Quantity::new(pieces).unwrap(),
    }
}

fn reserved(number: u64, quantity: u64, unit_price: Money) -> Answer {
    Answer::Reserved {
        product_id: product(number),
        quantity,
        sku: "TEE".parse().unwrap(),
        name: "T-Shirt".into(),
        unit_price,
    }
}

fn product(number: u64) -> ProductId {
    ProductId::new(number).unwrap()
}

fn euro(cents: i64) -> Money {
    Money::price(cents, Currency::EUR).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(second * 1_000)
}
