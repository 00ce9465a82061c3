//! I2 as time passes: when an order that has not settled counts as overdue.

use super::{
    shop::{Shop, shard},
    violated,
};
use crate::{
    Domain,
    invariants::{Invariant, Report, STUCK_AFTER, Service},
};

/// A shop in which a discarded request leaves an order without an answer for ever, and nobody expires it.
fn stuck() -> (Shop, crate::UserId) {
    let mut shop = Shop::open();
    let ben = shop.user(2);
    shop.product(2, 100);
    shop.place(ben, &[(2, 1)], "stuck");
    let (orders, products) = (shard(Domain::Orders, 0), shard(Domain::Products, 0));
    let id = shop.park(orders, products);
    shop.unpark(products, id, false);
    (shop, ben)
}

/// Orders go on being placed every so many seconds, `times` times.
fn go_on(shop: &mut Shop, user: crate::UserId, every_secs: u64, times: u32) {
    for _ in 0..times {
        shop.wait(every_secs);
        let key = format!("at {every_secs} {times} {}", shop.records());
        shop.place(user, &[(2, 1)], &key);
        shop.settle();
    }
}

fn i2_is_violated(report: &Report) -> bool {
    match violated(report)[..] {
        [] => false,
        [Invariant::I2] => true,
        _ => panic!("{}", super::told(report)),
    }
}

#[test]
fn an_order_is_overdue_when_its_shard_has_gone_on_long_after_its_deadline() {
    let (mut shop, user) = stuck();
    go_on(&mut shop, user, 20, 2);
    assert!(!i2_is_violated(&shop.history().check(false)));
    go_on(&mut shop, user, 20, 6);
    assert!(i2_is_violated(&shop.history().check(false)));
}

#[test]
fn an_order_is_not_overdue_right_after_nobody_was_there() {
    let (mut shop, user) = stuck();
    go_on(&mut shop, user, 3_600, 1);
    go_on(&mut shop, user, 1, 5);
    assert!(!i2_is_violated(&shop.history().check(false)));
    go_on(&mut shop, user, 20, 4);
    assert!(i2_is_violated(&shop.history().check(false)));
}

#[test]
fn an_order_is_not_overdue_while_a_link_that_it_may_wait_for_is_behind() {
    let (mut shop, user) = stuck();
    for _ in 0..10 {
        shop.wait(20);
        let key = format!("unheard {}", shop.records());
        shop.place(user, &[(2, 1)], &key);
    }
    assert!(!i2_is_violated(&shop.history().check(false)));
    shop.settle();
    assert!(i2_is_violated(&shop.history().check(false)));
}

#[test]
fn who_knows_the_time_says_it() {
    let (shop, _) = stuck();
    let mut history = shop.history();
    for (secs, is_overdue) in [(30, false), (120, true)] {
        let begun = history.records[0].0.time;
        history.served_at = Some(begun.plus(std::time::Duration::from_secs(secs)));
        assert_eq!(i2_is_violated(&history.check(false)), is_overdue);
    }
}

#[test]
fn an_order_is_stuck_where_its_shard_was_served_all_the_time() {
    let (shop, _) = stuck();
    let mut history = shop.history();
    let begun = history.records[0].0.time;
    let at = |secs| begun.plus(std::time::Duration::from_secs(secs));
    let serve = |since: Option<u64>, now: u64| Service {
        now: at(now),
        since: since
            .map(|since| [(shard(Domain::Orders, 0), at(since))].into())
            .unwrap_or_default(),
    };
    let (soon, late) = (STUCK_AFTER.as_secs(), STUCK_AFTER.as_secs() + 120);
    for (service, is_stuck, waiting) in [
        (serve(Some(0), 30), false, (0, 0)),
        (serve(Some(0), soon), false, (0, 1)),
        (serve(Some(0), late), true, (0, 0)),
        (serve(Some(150), late), false, (0, 1)),
        (serve(None, late), false, (1, 0)),
    ] {
        history.service = Some(service.clone());
        let report = history.check(false);
        assert_eq!(i2_is_violated(&report), is_stuck, "{service:?}");
        let found = (report.waiting.not_served, report.waiting.soon);
        assert_eq!(found, waiting, "{service:?}");
    }
}
