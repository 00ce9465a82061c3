#![allow(clippy::unwrap_used)]

use domain::{
    ProductId, Quantity, UserId,
    orders::{OrderStatus, RequestedLine},
};

use super::*;
use crate::world::clients::Wish;

/// Long after the products are in the catalogue, whatever went wrong with them.
const FIRST_ORDER_MS: u64 = 60_000;
/// Long after the first order has ended, whatever went wrong with it.
const LATER_MS: u64 = 100_000;

/// Pieces of the products with these numbers, counted from zero.
fn buy(user: u64, lines: &[(u64, u64)]) -> Wish {
    Wish::Buy {
        user: UserId::new(user).unwrap(),
        lines: lines
            .iter()
            .map(|(product, pieces)| RequestedLine {
                // Two shards of products: they issue 2, 3, 4, …
                product_id: ProductId::new(2 + product).unwrap(),
                quantity: Quantity::new(*pieces).unwrap(),
            })
            .collect(),
    }
}

/// Every way through the saga: its name, what happens, and how its orders end. The wishes for products come first.
fn ways() -> Vec<(&'static str, Script, Vec<OrderStatus>)> {
    use OrderStatus::{Cancelled, Confirmed, Rejected};
    let eur = |stock| (stock, "EUR");
    vec![
        (
            "one product, confirmed",
            Script {
                products: vec![eur(5)],
                wishes: vec![(FIRST_ORDER_MS, buy(1, &[(0, 2)]))],
            },
            vec![Confirmed],
        ),
        (
            "two products of two shards, confirmed",
            Script {
                products: vec![eur(5), eur(5)],
                wishes: vec![(FIRST_ORDER_MS, buy(1, &[(0, 2), (1, 3)]))],
            },
            vec![Confirmed],
        ),
        (
            "three products, two of one shard, one product in two lines",
            Script {
                products: vec![eur(5), eur(5), eur(5)],
                wishes: vec![(FIRST_ORDER_MS, buy(1, &[(0, 2), (1, 3), (2, 1), (0, 1)]))],
            },
            vec![Confirmed],
        ),
        (
            "refused by one product, given back to the others",
            Script {
                products: vec![eur(5), eur(0), eur(5)],
                wishes: vec![(FIRST_ORDER_MS, buy(1, &[(0, 2), (1, 3), (2, 1)]))],
            },
            vec![Rejected],
        ),
        (
            "no such product",
            Script {
                products: vec![eur(5)],
                wishes: vec![(FIRST_ORDER_MS, buy(1, &[(0, 2), (7, 1)]))],
            },
            vec![Rejected],
        ),
        (
            "two currencies",
            Script {
                products: vec![eur(5), (5, "USD")],
                wishes: vec![(FIRST_ORDER_MS, buy(1, &[(0, 2), (1, 1)]))],
            },
            vec![Rejected],
        ),
        (
            "called off after it was confirmed",
            Script {
                products: vec![eur(5), eur(5)],
                wishes: vec![
                    (FIRST_ORDER_MS, buy(1, &[(0, 2), (1, 3)])),
                    (LATER_MS, Wish::Cancel),
                ],
            },
            vec![Cancelled],
        ),
        (
            "the last piece, wanted by two",
            Script {
                products: vec![eur(1)],
                wishes: vec![
                    (FIRST_ORDER_MS, buy(1, &[(0, 1)])),
                    (LATER_MS, buy(2, &[(0, 1)])),
                ],
            },
            vec![Confirmed, Rejected],
        ),
    ]
}

fn each_way(property: impl Fn(&Script) -> Result<(), String>) {
    for (name, script, _) in ways() {
        if let Err(error) = property(&script) {
            panic!("{name}: {error}");
        }
    }
}

#[test]
fn every_way_ends_as_it_is_meant_to() {
    for (name, script, ends) in ways() {
        let outcome = played(&script, None).unwrap();
        let found: Vec<OrderStatus> = outcome.ends.values().copied().collect();
        assert_eq!(found, ends, "{name}");
    }
}

#[test]
fn every_step_may_happen_twice() {
    each_way(every_step_twice);
}

#[test]
fn every_undo_may_happen_twice() {
    each_way(every_undo_twice);
}

#[test]
fn every_step_may_panic() {
    each_way(|script| every_step_panics(script).map(drop));
}

#[test]
fn a_step_that_fails_leaves_a_clean_slate() {
    each_way(|script| every_step_fails(script).map(drop));
}

#[test]
fn the_process_may_die_after_every_write() {
    each_way(|script| crash_after_every_write(script).map(drop));
}

#[test]
fn a_reservation_that_fails_for_good_expires_its_order_and_gives_the_others_back() {
    let (_, script, _) = ways().swap_remove(1);
    let plain = played(&script, None).unwrap();
    let mut expired = 0;
    for number in 1..=plain.decisions {
        let outcome = played(&script, Some(Intervention::FailsAt(number))).unwrap();
        let ends = outcome.ends.into_values();
        expired += ends.filter(|end| *end == OrderStatus::Expired).count();
    }
    assert_eq!(expired, 4, "two reservations and two answers");
}
