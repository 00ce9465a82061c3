//! I4: one order per user and idempotency key within 24 hours.
//!
//! A key is taken for a day, so those of two days are remembered, each as 75 bits of its hash: two keys that agree in
//! all of them count as one, which by accident happens once in 10^22 pairs. Where even those are too many, they are
//! halved by their hash: one half is gone on with, the other is looked at when the orders are told once more.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use super::{Invariant, Report, compact::hash};
use crate::{OrderId, Timestamp, orders::OrderEvent};

/// For how long a key is taken; less than 24 hours by what may pass between its look-up and the order.
const TAKEN_FOR: Duration = Duration::from_secs(24 * 3600 - 60);
/// Keys that are remembered at once; then those are forgotten that are free by now, or are of the other half.
const REMEMBERED_MAX: usize = if cfg!(test) { 64 } else { 900_000 };
/// Halvings beyond which nothing is won: all keys are one.
const HALVINGS_MAX: u32 = 24;
/// Violations that are remembered, so that none is told twice.
const TOLD_MAX: usize = 1_000;
/// Bits of an order's id.
const ID_BITS: u32 = 53;

/// Keys whose hash ends with these bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Share {
    bits: u32,
    value: u64,
}

/// The keys that are taken.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// By a hash, the order with eleven bits of another hash, and when.
    taken: HashMap<u64, (u64, Timestamp)>,
    newest: Timestamp,
    share: Share,
    /// Shares that have not been looked at to the end.
    left: Vec<Share>,
    is_again: bool,
    told: BTreeSet<u64>,
}

impl Keys {
    /// An order was created.
    pub(super) fn event(&mut self, event: &OrderEvent, time: Timestamp, report: &mut Report) {
        let OrderEvent::OrderCreated {
            order_id,
            user_id,
            idempotency,
            ..
        } = event
        else {
            return;
        };
        if !self.is_again {
            report.count(Invariant::I4, 1);
        }
        let Some(idempotency) = idempotency else {
            return;
        };
        let key = hash((user_id, &idempotency.key));
        if !self.share.has(key) {
            return;
        }
        self.newest = self.newest.max(time);
        let more = hash((&idempotency.key, user_id)) >> ID_BITS << ID_BITS;
        if let Some((before, taken)) = self.taken.insert(key, (more | order_id.get(), time))
            && before >> ID_BITS == more >> ID_BITS
            && let Some(other) = OrderId::new(before & ((1 << ID_BITS) - 1))
            && other != *order_id
            && time.since(taken).max(taken.since(time)) < TAKEN_FOR
            && self.tell(*order_id)
        {
            let detail =
                format!("orders {other} and {order_id} of user {user_id} have one idempotency key");
            report.violated(Invariant::I4, 1, detail);
        }
        self.make_room();
    }

    /// Whether keys are left that were not looked at. Then the orders are to be told once more, which this begins.
    pub(super) fn begin_again(&mut self) -> bool {
        let Some(share) = self.left.pop() else {
            return false;
        };
        self.share = share;
        self.is_again = true;
        self.forget_all();
        true
    }

    /// No key that was told can meet one that will be.
    pub(super) fn forget_all(&mut self) {
        self.taken.clear();
        self.newest = Timestamp::default();
    }

    /// Whether keys are left.
    pub(super) fn has_left(&self) -> bool {
        !self.left.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.taken.len()
    }

    /// Whether this one has not been told before.
    fn tell(&mut self, order: OrderId) -> bool {
        if self.told.len() >= TOLD_MAX {
            return !self.told.contains(&order.get());
        }
        self.told.insert(order.get())
    }

    fn make_room(&mut self) {
        if self.taken.len() < REMEMBERED_MAX {
            return;
        }
        let newest = self.newest;
        self.taken
            .retain(|_, (_, taken)| newest.since(*taken) < 2 * TAKEN_FOR);
        // Had only few been forgotten, this would come to it again soon.
        while self.taken.len() > REMEMBERED_MAX / 4 * 3 && self.share.bits < HALVINGS_MAX {
            let (this, other) = self.share.halves();
            self.left.push(other);
            self.share = this;
            self.taken.retain(|key, _| this.has(*key));
        }
    }
}

impl Share {
    const fn has(self, key: u64) -> bool {
        key & ((1 << self.bits) - 1) == self.value
    }

    const fn halves(self) -> (Self, Self) {
        let bits = self.bits + 1;
        let other = self.value | 1 << self.bits;
        (Self { bits, ..self }, Self { bits, value: other })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{UserId, orders::IdempotencyKey};

    /// So many orders of one user; the last two have the key of the first.
    fn tell(keys: &mut Keys, orders: u64, report: &mut Report) {
        for number in 1..=orders {
            let key = if number + 1 < orders { number } else { 1 };
            let event = OrderEvent::OrderCreated {
                order_id: OrderId::new(number).expect("it is an id"),
                user_id: UserId::new(7).expect("it is an id"),
                lines: Vec::new(),
                deadline: Timestamp::default(),
                idempotency: Some(IdempotencyKey {
                    key: format!("key {key}").into(),
                    fingerprint: [0; 16],
                }),
            };
            let time = Timestamp::default().plus(Duration::from_secs(number));
            keys.event(&event, time, report);
        }
    }

    #[test]
    fn keys_that_are_too_many_are_looked_at_share_by_share() {
        let (mut keys, mut report) = (Keys::default(), Report::default());
        let orders = 20 * REMEMBERED_MAX as u64;
        tell(&mut keys, orders, &mut report);
        assert!(keys.has_left());
        let mut times = 0;
        while keys.begin_again() {
            tell(&mut keys, orders, &mut report);
            assert!(keys.len() <= REMEMBERED_MAX);
            times += 1;
        }
        assert!((20..100).contains(&times), "{times}");
        let finding = report.finding(Invariant::I4);
        assert_eq!(
            (finding.checked, finding.violations),
            (orders, 2),
            "{finding:?}"
        );
        let told: BTreeSet<&str> = finding
            .examples
            .iter()
            .map(|example| &*example.detail)
            .collect();
        assert_eq!(told.len(), 2);
    }
}
