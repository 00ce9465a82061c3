//! I4: one order per user and idempotency key within 24 hours.

use std::{collections::HashMap, sync::Arc, time::Duration};

use super::{Invariant, Report};
use crate::{OrderId, Timestamp, UserId, orders::OrderEvent};

/// For how long a key is taken; less than 24 hours by what may pass between its look-up and the order.
const TAKEN_FOR: Duration = Duration::from_secs(24 * 3600 - 60);
/// Keys beyond which those are forgotten that are free by now.
const REMEMBERED_MIN: usize = 100_000;

/// The keys that are taken.
#[derive(Debug, Default)]
pub(super) struct Keys {
    taken: HashMap<(UserId, Arc<str>), (OrderId, Timestamp)>,
    newest: Timestamp,
    forget_at: usize,
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
        let mut wrong = None;
        if let Some(idempotency) = idempotency {
            self.newest = self.newest.max(time);
            let key = (*user_id, idempotency.key.clone());
            if let Some((other, taken)) = self.taken.insert(key, (*order_id, time))
                && other != *order_id
                && time.since(taken).max(taken.since(time)) < TAKEN_FOR
            {
                wrong = Some(format!(
                    "orders {other} and {order_id} of user {user_id} have one idempotency key"
                ));
            }
            self.forget_old();
        }
        report.judge(Invariant::I4, wrong);
    }

    fn forget_old(&mut self) {
        if self.taken.len() < self.forget_at.max(REMEMBERED_MIN) {
            return;
        }
        let newest = self.newest;
        self.taken
            .retain(|_, (_, taken)| newest.since(*taken) < 2 * TAKEN_FOR);
        self.forget_at = 2 * self.taken.len();
    }
}
