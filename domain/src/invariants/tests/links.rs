//! I7: a store in which one thing is wrong with links or parked commands, and which invariants say so.

use super::{expect_each, shop::shard};
use crate::{
    Domain,
    Event::{Order, Parking, Product},
    ShardRef,
    invariants::Invariant::{I1, I7, I10},
    orders::OrderEvent::{OrderConfirmed, OrderCreated},
    parking::ParkingEvent::*,
    products::ProductEvent::*,
};

fn orders(number: u16) -> ShardRef {
    shard(Domain::Orders, number)
}

fn products(number: u16) -> ShardRef {
    shard(Domain::Products, number)
}

fn watermark(store: &mut super::History, target: ShardRef, source: ShardRef) -> &mut u64 {
    let head = store.heads.get_mut(&target).unwrap();
    head.watermarks.get_mut(&source).unwrap()
}

#[test]
fn i7_effects_that_are_missing_doubled_or_too_early() {
    expect_each(
        I7,
        &[
            (
                "a watermark is put back",
                |store| *watermark(store, products(0), orders(1)) = 0,
                &[I7],
            ),
            (
                "a watermark of an order shard is put back",
                |store| *watermark(store, orders(1), products(0)) = 0,
                &[I7],
            ),
            (
                "a watermark is put forward",
                |store| *watermark(store, products(0), orders(0)) += 1_000,
                &[I7],
            ),
            (
                "a watermark of an order shard is put forward",
                |store| *watermark(store, orders(1), products(1)) += 1_000,
                &[I1, I7],
            ),
            (
                "a watermark passes the last record without its effect",
                |store| {
                    let sent = store.heads[&orders(0)].sent[&products(0)];
                    *watermark(store, products(0), orders(0)) = sent;
                },
                &[I7],
            ),
            (
                "a watermark is no position that was sent",
                |store| *watermark(store, products(0), orders(1)) -= 1,
                &[I7],
            ),
            (
                "a shard has a watermark of one that sends it nothing",
                |store| {
                    let head = store.heads.get_mut(&products(0)).unwrap();
                    head.watermarks.insert(products(1), 3);
                },
                &[I7],
            ),
            (
                "a reservation is made twice",
                |store| {
                    let (place, event) = store.find(is!(Product(StockReserved { .. }))).clone();
                    let Product(StockReserved {
                        order_id,
                        product_id,
                        quantity,
                        sku,
                        name,
                        unit_price,
                        ..
                    }) = event
                    else {
                        unreachable!();
                    };
                    let mut rows = store.products.iter();
                    let row = rows.find(|row| row.id == product_id.get()).unwrap();
                    let mut stock = row.state.as_ref().unwrap().stock;
                    stock.available -= quantity;
                    stock.allocated += quantity;
                    let again = StockReserved {
                        order_id,
                        product_id,
                        quantity,
                        sku,
                        name,
                        unit_price,
                        stock,
                    };
                    store.append(place.shard, place.aggregate_id, again.into());
                },
                &[I1, I7],
            ),
            (
                "an answer is recorded as another than it was",
                |store| {
                    change!(store, Order(OrderConfirmed {
                    answer: crate::orders::Answer::Reserved { name, .. }, ..
                }) => *name = "Something else".into());
                    store.finish();
                },
                &[I7],
            ),
            (
                "a request is not addressed to everybody it concerns",
                |store| {
                    let (place, _) = store.find(is!(Order(OrderCreated { .. })));
                    place.links.pop();
                    store.finish();
                },
                &[I7],
            ),
            (
                "an answer is not addressed to its order",
                |store| {
                    let (place, _) = store.find(is!(Product(StockReserved { .. })));
                    place.links.clear();
                    store.finish();
                },
                &[I7],
            ),
        ],
    );
}

#[test]
fn i7_parked_commands_that_have_an_effect_and_retried_ones_that_have_none() {
    expect_each(
        I7,
        &[
            (
                "a command had its effect and was discarded",
                |store| {
                    change!(store, Parking(event @ ParkedCommandRetried { .. }) => {
                        let ParkedCommandRetried { id, aggregate_id } = *event else {
                            unreachable!();
                        };
                        *event = ParkedCommandDiscarded { id, aggregate_id };
                    });
                },
                &[I7],
            ),
            (
                "a command was retried without effect",
                |store| {
                    change!(store, Parking(event @ ParkedCommandDiscarded { .. }) => {
                        let ParkedCommandDiscarded { id, aggregate_id } = *event else {
                            unreachable!();
                        };
                        *event = ParkedCommandRetried { id, aggregate_id };
                    });
                },
                &[I7],
            ),
            (
                "a command had its effect and still waits",
                |store| {
                    let (_, event) = store.undo(is!(Parking(ParkedCommandRetried { .. })));
                    let Parking(ParkedCommandRetried { id, .. }) = event else {
                        unreachable!();
                    };
                    let mut records = store.records.iter();
                    let parked = records.find_map(|(place, event)| match event {
                        Parking(CommandParked(command)) if command.id == id => {
                            Some((place.shard, place.time, command.clone()))
                        }
                        _ => None,
                    });
                    store.parked.push(parked.unwrap());
                },
                &[I7],
            ),
            (
                "a command is discarded that does not wait",
                |store| {
                    change!(store, Parking(ParkedCommandDiscarded { id, .. }) => *id += 1_000);
                },
                &[I7, I10],
            ),
            (
                "a command is set aside that nobody sent",
                |store| {
                    change!(store, Parking(CommandParked(command)) => command.source_position -= 1);
                },
                &[I7],
            ),
            (
                "a waiting command has no row",
                |store| store.parked.clear(),
                &[I10],
            ),
            (
                "a waiting command has another row",
                |store| store.parked[0].2.error = "something else".to_owned(),
                &[I10],
            ),
            (
                "a command has a row and does not wait",
                |store| {
                    let mut row = store.parked[0].clone();
                    row.2.id += 1_000;
                    store.parked.push(row);
                },
                &[I10],
            ),
        ],
    );
}
