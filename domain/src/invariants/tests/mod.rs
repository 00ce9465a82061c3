//! That a shop which works breaks no invariant, and that each check sees what it is there for.

#![allow(clippy::unwrap_used)]

/// Changes the first record whose event fits the pattern.
macro_rules! change {
    ($store:ident, $pattern:pat => $change:expr) => {{
        let changed = $store
            .records
            .iter_mut()
            .find_map(|(_, event)| match event {
                $pattern => Some($change),
                _ => None,
            });
        assert!(changed.is_some(), "no record to change");
    }};
}

/// Whether an event fits the pattern.
macro_rules! is {
    ($pattern:pat) => {
        |event: &crate::Event| matches!(event, $pattern)
    };
}

mod business;
mod history;
mod links;
mod overdue;
mod promises;
mod rows;
mod shop;
mod traffic;

use self::{
    history::History,
    shop::{Shop, shard},
};
use super::{EXAMPLES_MAX, Invariant, Report};
use crate::{Domain, orders::OrderStatus};

/// A shop in which everything has happened that can: orders confirmed, refused, called off before and after their
/// answers, given up; commands set aside, waiting, retried and discarded; records on their way in both directions.
fn busy_shop() -> Shop {
    let mut shop = Shop::open();
    let (anna, ben) = (shop.user(1), shop.user(2));
    shop.product(2, 10);
    shop.product(3, 5);
    let (of_anna, of_ben) = (shard(Domain::Orders, 1), shard(Domain::Orders, 0));
    let (of_two, of_three) = (shard(Domain::Products, 0), shard(Domain::Products, 1));

    shop.place(anna, &[(2, 1), (3, 1), (2, 1)], "confirmed");
    shop.place(ben, &[(2, 1), (3, 9)], "refused");
    shop.place(ben, &[(3, 1), (7, 1)], "no such product");
    let sold = shop.place(anna, &[(3, 1)], "called off when sold");
    shop.settle();
    shop.cancel(sold);
    shop.settle();

    let late = shop.place(ben, &[(2, 3), (3, 1)], "called off before it is answered");
    let refused_late = shop.place(anna, &[(2, 1), (3, 9)], "and this one");
    let half = shop.place(ben, &[(2, 1), (3, 1)], "and this one in between");
    shop.deliver_all_to(Domain::Products);
    shop.cancel(late);
    shop.cancel(refused_late);
    while shop.deliver(of_two, of_ben) {}
    shop.cancel(half);
    shop.settle();

    shop.place(anna, &[(2, 1)], "set aside and retried");
    let retried = shop.park(of_anna, of_two);
    let given_up = shop.place(ben, &[(3, 1)], "set aside and discarded");
    let discarded = shop.park(of_ben, of_three);
    shop.settle();
    shop.unpark(of_two, retried, true);
    shop.unpark(of_three, discarded, false);
    shop.expire(given_up);
    shop.settle();
    let called_off = shop.place(ben, &[(3, 9)], "its answer is set aside and needed no more");
    shop.deliver_all_to(Domain::Products);
    let needless = shop.park(of_three, of_ben);
    shop.cancel(called_off);
    shop.unpark(of_ben, needless, true);
    shop.settle();
    shop.adjust(2, 5);
    shop.adjust(3, -1);

    shop.place(anna, &[(2, 1)], "its answer is set aside");
    shop.deliver_all_to(Domain::Products);
    shop.park(of_two, of_anna);
    shop.place(anna, &[(3, 1)], "its answer is on its way");
    shop.deliver_all_to(Domain::Products);
    shop.place(ben, &[(2, 1)], "on its way");
    shop
}

fn violated(report: &Report) -> Vec<Invariant> {
    let findings = report.findings().iter();
    findings
        .filter(|finding| finding.violations > 0)
        .map(|finding| finding.invariant)
        .collect()
}

fn told(report: &Report) -> String {
    let examples = report.findings().iter().flat_map(|found| &found.examples);
    let lines: Vec<String> = examples.map(ToString::to_string).collect();
    lines.join("\n")
}

/// What is wrong, how it is brought about, and exactly which invariants it breaks.
type Case = (&'static str, fn(&mut History), &'static [Invariant]);

/// The tests of one invariant.
#[track_caller]
fn expect_each(about: Invariant, cases: &[Case]) {
    let mut surprises = String::new();
    for (name, damage, expected) in cases {
        let mut history = whole();
        damage(&mut history);
        let report = history.check(false);
        if violated(&report) != *expected {
            let (violated, told) = (violated(&report), told(&report));
            surprises += &format!("{name}: {violated:?}, not {expected:?}\n{told}\n\n");
        }
        // Of what is there twice, either may be taken for the right one, so the other order may break others as well.
        let report = history.check(true);
        if expected.contains(&about) && !violated(&report).contains(&about) {
            surprises += &format!("{name}, rows first: not seen\n{}\n\n", told(&report));
        }
    }
    assert!(surprises.is_empty(), "{surprises}");
}

fn whole() -> History {
    busy_shop().history()
}

#[test]
fn a_shop_that_works_breaks_nothing() {
    for rows_first in [false, true] {
        let report = whole().check(rows_first);
        assert_eq!(violated(&report), [], "{}", told(&report));
        assert!(report.is_ok());
        for finding in report.findings() {
            let is_looked_at = finding.checked > 0;
            assert_eq!(
                is_looked_at,
                finding.invariant != Invariant::I5,
                "{finding:?}"
            );
        }
    }
}

#[test]
fn the_shop_of_these_tests_has_orders_of_every_kind() {
    let mut history = whole();
    for status in OrderStatus::ALL {
        let is_there = history
            .orders
            .iter()
            .any(|row| row.state.as_ref().unwrap().status == status);
        // Payments, which come later, are what an order waits for when it is reserved.
        assert_eq!(is_there, status != OrderStatus::Reserved, "{status}");
    }
    let rows = format!("{:?}", (&history.orders, &history.products));
    history.finish();
    assert_eq!(rows, format!("{:?}", (&history.orders, &history.products)));
}

#[test]
fn a_report_counts_everything_and_keeps_a_few_examples() {
    let mut history = whole();
    history.orders.clear();
    let report = history.check(false);
    let finding = report.finding(Invariant::I10);
    assert!(finding.violations > EXAMPLES_MAX as u64);
    assert_eq!(finding.violations, report.orders);
    assert_eq!(finding.examples.len(), EXAMPLES_MAX);
    assert_eq!(report.records, history.records.len() as u64);
}

#[test]
fn an_empty_store_is_whole() {
    let report = Shop::open().history().check(false);
    assert!(report.is_ok(), "{}", told(&report));
}
