//! I4 and I6: a store in which one thing is wrong with keys or notifications, and which invariants say so.

use super::{expect_each, shop::Shop, told};
use crate::{
    Domain,
    Event::{Notification, Order},
    NotificationId, OrderId, UserId,
    invariants::Invariant::{I4, I6},
    notifications::NotificationEvent::NotificationRecorded,
    orders::{IdempotencyKey, OrderEvent::OrderCreated},
};

#[test]
fn i4_a_key_that_is_used_twice() {
    let give_both_one_key: fn(&mut super::History) = |store| {
        let mut given = 0;
        for (_, event) in &mut store.records {
            if let Order(OrderCreated {
                user_id,
                idempotency,
                ..
            }) = event
                && user_id.get() == 1
            {
                given += 1;
                *idempotency = (given <= 2).then(|| IdempotencyKey {
                    key: "same".into(),
                    fingerprint: [given; 16],
                });
            }
        }
    };
    expect_each(
        I4,
        &[(
            "two orders of a user have one key",
            give_both_one_key,
            &[I4],
        )],
    );

    for (secs, is_free) in [(3_600, false), (23 * 3_600, false), (24 * 3_600, true)] {
        let mut shop = Shop::open();
        let anna = shop.user(1);
        for _ in 0..2 {
            shop.place(anna, &[(2, 1)], "same");
            shop.settle();
            shop.wait(secs);
        }
        let report = shop.history().check(false);
        assert_eq!(report.is_ok(), is_free, "{secs}: {}", told(&report));
    }
}

#[test]
fn i6_notifications_that_are_missing_or_wrong() {
    expect_each(
        I6,
        &[
            (
                "nobody is told",
                |store| {
                    store.undo(is!(Notification(_)));
                },
                &[I6],
            ),
            (
                "somebody is told twice",
                |store| {
                    let (place, event) = store.find(is!(Notification(_))).clone();
                    let head = store.heads.get_mut(&place.shard).unwrap();
                    head.last_id += 2;
                    let number = head.last_id;
                    let Notification(mut event) = event else {
                        unreachable!();
                    };
                    let NotificationRecorded { id, .. } = &mut event;
                    *id = NotificationId::new(number).unwrap();
                    store.append(place.shard, number, event.into());
                },
                &[I6],
            ),
            (
                "somebody else is told",
                |store| {
                    change!(store, Notification(NotificationRecorded { user_id, .. }) => {
                        *user_id = UserId::new(99).unwrap();
                    });
                    store.finish();
                },
                &[I6],
            ),
            (
                "somebody is told of an order that is not there",
                |store| {
                    let strange = OrderId::next(None, 1, crate::Timestamp::default());
                    change!(
                        store,
                        Notification(NotificationRecorded { order_id, .. }) => *order_id = strange
                    );
                    store.finish();
                },
                &[I6],
            ),
            (
                "somebody is told before the watermark",
                |store| {
                    for (shard, head) in &mut store.heads {
                        if shard.domain == Domain::Notifications {
                            head.watermarks.clear();
                        }
                    }
                },
                &[I6],
            ),
        ],
    );
}
