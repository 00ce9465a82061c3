//! I8 to I10: a store in which one thing is wrong with the activity log, journals, heads or rows, and which invariants
//! say so.

use super::{expect_each, shop::shard};
use crate::{
    Domain,
    Event::{self, Order, User},
    ShardRef,
    invariants::Invariant::{I8, I9, I10},
    orders::OrderEvent::{OrderConfirmed, OrderCreated},
};

fn orders(number: u16) -> ShardRef {
    shard(Domain::Orders, number)
}

fn products(number: u16) -> ShardRef {
    shard(Domain::Products, number)
}

#[test]
fn i8_an_activity_log_that_is_not_the_journals() {
    expect_each(
        I8,
        &[
            (
                "an entry is missing",
                |store| {
                    store.log.remove(3);
                },
                &[I8],
            ),
            (
                "the last entry is missing",
                |store| {
                    store.log.pop();
                },
                &[I8],
            ),
            (
                "an entry is there twice",
                |store| store.log.push(store.log[3]),
                &[I8],
            ),
            (
                "the watermark is beyond the journal",
                |store| {
                    let position = store.log_watermarks.get_mut(&orders(0)).unwrap();
                    *position += 1;
                    store.log.push((orders(0), *position));
                },
                &[I8],
            ),
            (
                "entries are above the watermark",
                |store| *store.log_watermarks.get_mut(&orders(0)).unwrap() -= 1,
                &[I8],
            ),
            (
                "entries are of a shard that does not exist",
                |store| store.log.push((shard(Domain::Payments, 0), 1)),
                &[I8],
            ),
        ],
    );
    let mut behind = super::whole();
    let gone = behind.log.pop().unwrap();
    *behind.log_watermarks.get_mut(&gone.0).unwrap() -= 1;
    assert!(behind.check(false).is_ok(), "a log may be behind");
}

#[test]
fn i9_journals_with_gaps_and_heads_that_disagree() {
    expect_each(
        I9,
        &[
            (
                "a record is missing",
                |store| {
                    store.records.retain(|(_, event)| !matches!(event, User(_)));
                },
                &[I9, I10],
            ),
            (
                "a record is there twice",
                |store| {
                    let record = store
                        .records
                        .iter()
                        .find(|record| matches!(record.1, User(_)));
                    let record = record.unwrap().clone();
                    store.records.push(record);
                },
                &[I9],
            ),
            (
                "the head is ahead",
                |store| store.heads.get_mut(&orders(0)).unwrap().last_position += 1,
                &[I9],
            ),
            (
                "the head has sent less",
                |store| {
                    *store
                        .heads
                        .get_mut(&orders(0))
                        .unwrap()
                        .sent
                        .get_mut(&products(0))
                        .unwrap() -= 1
                },
                &[I9],
            ),
            (
                "a head is missing",
                |store| {
                    store.heads.remove(&shard(Domain::Auth, 0));
                    store
                        .log
                        .retain(|(source, _)| source.domain != Domain::Auth);
                    store
                        .log_watermarks
                        .retain(|source, _| source.domain != Domain::Auth);
                },
                &[I9],
            ),
            (
                "a link has a gap",
                |store| {
                    let (place, _) = store.find(is!(Order(OrderCreated { .. })));
                    place.links[0].1 = 5;
                },
                &[I9],
            ),
            (
                "a number is left out",
                |store| {
                    let (place, _) = store.find(is!(Order(OrderConfirmed { .. })));
                    place.seq += 1;
                    store.finish();
                },
                &[I9],
            ),
            (
                "an id was never issued",
                |store| {
                    for head in store.heads.values_mut() {
                        head.last_id = 0;
                    }
                },
                &[I9],
            ),
            (
                "a record is of another domain",
                |store| {
                    let (_, event) = store.find(is!(User(_))).clone();
                    let users = store.users.clone();
                    store.append(products(0), 2, event);
                    store.users = users;
                },
                &[I9],
            ),
            (
                "a journal is of no shard",
                |store| {
                    let (mut place, event): (_, Event) = store.find(is!(User(_))).clone();
                    place.shard = shard(Domain::Auth, 9);
                    store.records.push((place, event));
                },
                &[I9],
            ),
        ],
    );
}

#[test]
fn i10_rows_that_are_not_what_the_journal_gives() {
    expect_each(
        I10,
        &[
            (
                "a figure has changed",
                |store| store.products[0].state.as_mut().unwrap().stock.available += 1,
                &[I10],
            ),
            (
                "an order's row is behind",
                |store| store.orders[0].version -= 1,
                &[I10],
            ),
            (
                "a user's row is missing",
                |store| {
                    store.users.remove(0);
                },
                &[I10],
            ),
            (
                "a notification's row has no history",
                |store| {
                    let mut row = store.notifications[0].clone();
                    row.id += 1_000;
                    store.notifications.push(row);
                },
                &[I10],
            ),
            (
                "a row is there twice",
                |store| {
                    let row = store.notifications[0].clone();
                    store.notifications.push(row);
                },
                &[I10],
            ),
            (
                "a state cannot be read",
                |store| store.orders[1].state = Err("it is damaged".to_owned()),
                &[I10],
            ),
        ],
    );
}
