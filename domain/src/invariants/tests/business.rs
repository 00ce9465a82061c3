//! I1 to I3: a store in which one thing is wrong with stock or orders, and which invariants say so.

use std::time::Duration;

use super::{
    expect_each,
    shop::{product_id, shard},
};
use crate::{
    Currency, Domain,
    Event::{Order, Product},
    Money, UserId,
    invariants::Invariant::{I1, I2, I3, I6, I7},
    orders::{Answer, OrderEvent::*},
    products::ProductEvent::*,
};

#[test]
fn i1_stock_that_does_not_add_up() {
    expect_each(
        I1,
        &[
            (
                "a piece appears",
                |store| change!(store, Product(StockReserved { stock, .. }) => stock.available += 1),
                &[I1],
            ),
            (
                "a reservation takes more than it says",
                |store| {
                    change!(store, Product(StockReserved { stock, .. }) => {
                        stock.available -= 1;
                        stock.allocated += 1;
                    });
                },
                &[I1],
            ),
            (
                "a release gives back less than it says",
                |store| {
                    change!(store, Product(StockReleased { stock, .. }) => {
                        stock.available -= 1;
                        stock.allocated += 1;
                    });
                },
                &[I1],
            ),
            (
                "an adjustment is not what it says",
                |store| change!(store, Product(StockAdjusted { delta, .. }) => *delta += 1),
                &[I1],
            ),
            (
                "a product begins with pieces that nobody ordered",
                |store| {
                    change!(store, Product(ProductCreated { stock, .. }) => {
                        stock.available -= 1;
                        stock.allocated += 1;
                    });
                },
                &[I1],
            ),
            (
                "a product refuses what it has",
                |store| {
                    change!(store, Product(StockRefused { available, .. }) => *available = 9);
                    change!(
                        store,
                        Order(OrderRejected { answer: Answer::Refused { available, .. }, .. })
                            => *available = 9
                    );
                    store.finish();
                },
                &[I1],
            ),
            (
                "a confirmed order forgets a line",
                |store| {
                    change!(store, Order(OrderCreated { lines, .. }) => { lines.pop(); });
                    store.finish();
                },
                &[I1, I3, I7],
            ),
        ],
    );
}

#[test]
fn i2_orders_that_settle_twice_or_never() {
    expect_each(
        I2,
        &[
            (
                "an order begins with its end",
                |store| {
                    let user_id = UserId::new(1).unwrap();
                    store.append(
                        shard(Domain::Orders, 1),
                        77,
                        OrderExpired {
                            user_id,
                            releases: Vec::new(),
                        }
                        .into(),
                    );
                },
                &[I2],
            ),
            (
                "a confirmed order expires",
                |store| {
                    let (place, _) = store.find(is!(Order(OrderConfirmed { .. }))).clone();
                    let user_id = UserId::new(1).unwrap();
                    store.append(
                        place.shard,
                        place.aggregate_id,
                        OrderExpired {
                            user_id,
                            releases: Vec::new(),
                        }
                        .into(),
                    );
                },
                &[I1, I2, I3],
            ),
            (
                "a rejected order is confirmed",
                |store| {
                    let (place, event) = store.find(is!(Order(OrderRejected { .. }))).clone();
                    let Order(OrderRejected {
                        user_id, answer, ..
                    }) = event
                    else {
                        unreachable!();
                    };
                    let total = Money::price(500, Currency::EUR).unwrap();
                    store.append(
                        place.shard,
                        place.aggregate_id,
                        OrderConfirmed {
                            user_id,
                            answer,
                            total,
                        }
                        .into(),
                    );
                },
                &[I1, I2, I3, I7],
            ),
            (
                "an order is placed twice",
                |store| {
                    let (place, event) = store.find(is!(Order(OrderCreated { .. }))).clone();
                    store.append(place.shard, place.aggregate_id, event);
                },
                &[I2],
            ),
            (
                "orders do not settle though everybody had the time",
                |store| {
                    let newest = store.records.last().unwrap().0.time;
                    store.served_at = Some(newest.plus(Duration::from_secs(600)));
                },
                &[I2],
            ),
        ],
    );
}

#[test]
fn i3_orders_that_hold_what_they_should_not() {
    expect_each(
        I3,
        &[
            (
                "an order is confirmed at another price",
                |store| {
                    change!(store, Order(OrderConfirmed { total, .. }) => total.amount += 1);
                    store.finish();
                },
                &[I3],
            ),
            (
                "an order is confirmed with a line that was refused",
                |store| {
                    change!(store, Order(event @ OrderRejected { .. }) => {
                        let OrderRejected { user_id, answer, .. } = event.clone() else {
                            unreachable!();
                        };
                        let total = Money::price(500, Currency::EUR).unwrap();
                        *event = OrderConfirmed { user_id, answer, total };
                    });
                    store.finish();
                },
                &[I1, I3, I6, I7],
            ),
            (
                "an order is rejected without cause",
                |store| {
                    change!(store, Order(event @ OrderConfirmed { .. }) => {
                        let OrderConfirmed { user_id, answer, .. } = event.clone() else {
                            unreachable!();
                        };
                        let reason = crate::orders::RejectionReason::OutOfStock;
                        *event = OrderRejected { user_id, answer, reason, releases: Vec::new() };
                    });
                    store.finish();
                },
                &[I1, I3, I6],
            ),
            (
                "a rejected order keeps what it holds",
                |store| change!(store, Order(OrderRejected { releases, .. }) => releases.clear()),
                &[I3, I7],
            ),
            (
                "a late reservation is given back in part",
                |store| {
                    change!(
                        store,
                        Order(LateReservationReleased { release }) => release.quantity -= 1
                    );
                },
                &[I3, I7],
            ),
            (
                "an order is answered about what it did not ask for",
                |store| {
                    change!(
                        store,
                        Order(AnswerRecorded { answer: Answer::Reserved { product_id: id, .. } })
                            => *id = product_id(9)
                    );
                    store.finish();
                },
                &[I3, I7],
            ),
            (
                "the last answer settles nothing",
                |store| {
                    change!(store, Order(event @ OrderConfirmed { .. }) => {
                        let OrderConfirmed { answer, .. } = event.clone() else {
                            unreachable!();
                        };
                        *event = AnswerRecorded { answer };
                    });
                    store.finish();
                },
                &[I3, I6],
            ),
        ],
    );
}
