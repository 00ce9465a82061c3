//! I2 and I3: an order settles once, confirmed with everything or given up with nothing.
//!
//! Orders come one after the other, each with its whole history.

use std::collections::HashMap;

use super::{
    Invariant, Report,
    effects::Effects,
    positions::Positions,
    record::{Heads, Place},
    steps,
    task::{Content, Task},
};
use crate::{
    Aggregate, OrderId, ProductId, ShardRef, Timestamp, UserId,
    notifications::Template,
    orders::{LineOutcome, Order, OrderEvent, OrderStatus},
    products::ProductCommand,
    saga,
};

/// The order at hand.
#[derive(Debug)]
pub(super) struct Trail {
    id: u64,
    shard: ShardRef,
    seq: u64,
    state: Option<Order>,
}

/// An order that has not settled.
#[derive(Debug)]
struct Waiting {
    id: OrderId,
    shard: ShardRef,
    deadline: Timestamp,
}

/// What must be known of all orders.
#[derive(Debug, Default)]
pub(super) struct Orders {
    /// Pieces that orders hold.
    pub(super) held: HashMap<ProductId, u64>,
    waiting: Vec<Waiting>,
}

impl Trail {
    pub(super) fn begin(id: u64, shard: ShardRef) -> Self {
        Self {
            id,
            shard,
            seq: 0,
            state: None,
        }
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// The next thing that happened to the order.
    pub(super) fn event(
        &mut self,
        place: &Place,
        event: &OrderEvent,
        effects: &mut Effects,
        heads: &Heads,
        report: &mut Report,
    ) {
        let id = self.id;
        report.check(Invariant::I9, place.seq == self.seq + 1, || {
            let seq = self.seq;
            format!(
                "{place} is number {} of order {id}, after number {seq}",
                place.seq
            )
        });
        self.seq = place.seq;
        if let OrderEvent::OrderCreated {
            order_id, user_id, ..
        } = event
        {
            let shard = heads.topology.order_shard(*user_id);
            let is_at_home = order_id.get() == id
                && order_id.shard() == shard
                && shard == place.shard.shard
                && id <= heads.last_id(place.shard);
            report.check(Invariant::I9, is_at_home, || {
                format!("{place} creates order {order_id} of user {user_id} under id {id}, which that shard cannot have issued")
            });
        }
        let before = self.state.as_ref();
        if let Some(wrong) = steps::settles_wrongly(before, event) {
            report.violated(Invariant::I2, 1, format!("{place}: order {id} {wrong}"));
        }
        let after = Order::evolve(self.state.clone(), event, place.time);
        if let (Some(before), Some(after)) = (before, &after)
            && let Some(wrong) = steps::holds_wrongly(before, event, after)
        {
            report.violated(Invariant::I3, 1, format!("{place}: order {id} {wrong}"));
        }
        if let Some(order) = &after {
            tell(
                order.id,
                order.user_id,
                place,
                event,
                effects,
                heads,
                report,
            );
        }
        self.state = after;
    }

    /// The order's history is over. Gives its last state and version.
    pub(super) fn end(
        self,
        orders: &mut Orders,
        effects: &mut Effects,
        report: &mut Report,
    ) -> (Option<Order>, u64) {
        let Some(order) = self.state else {
            return (None, self.seq);
        };
        report.orders += 1;
        let has_all = order
            .products()
            .iter()
            .all(|product| order.held(*product) == order.asked(*product));
        let is_whole = order.status != OrderStatus::Confirmed || has_all;
        report.check(Invariant::I3, is_whole, || {
            format!("order {} is confirmed without all of its lines", order.id)
        });
        for line in &order.lines {
            let is_unanswered = line.outcome == LineOutcome::Pending;
            if order.status.is_settled() && is_unanswered {
                effects.dispense_with(Task::Answer(order.id, line.product_id));
            }
        }
        for product in order.products() {
            let held = order.held(product);
            if held > 0 {
                *orders.held.entry(product).or_default() += held;
            }
        }
        if order.status.is_settled() {
            report.judge(Invariant::I2, None);
        } else {
            orders.waiting.push(Waiting {
                id: order.id,
                shard: self.shard,
                deadline: order.deadline,
            });
        }
        (Some(order), self.seq)
    }
}

impl Orders {
    /// Looks at the orders that have not settled. `now` is a time at which all shards are surely served, if one is known.
    pub(super) fn finish(
        &self,
        positions: &Positions,
        now: Option<Timestamp>,
        report: &mut Report,
    ) {
        for waiting in &self.waiting {
            let is_overdue = now.is_some_and(|now| now > waiting.deadline)
                || positions.is_overdue(waiting.shard, waiting.deadline);
            let is_due = is_overdue && !positions.is_suspended(waiting.shard);
            report.check(Invariant::I2, !is_due, || {
                format!(
                    "order {} of {} has not settled, long after its deadline",
                    waiting.id, waiting.shard
                )
            });
        }
    }
}

/// Hands on what the event asks of others, and what it says was done.
fn tell(
    id: OrderId,
    user_id: UserId,
    place: &Place,
    event: &OrderEvent,
    effects: &mut Effects,
    heads: &Heads,
    report: &mut Report,
) {
    for (product, command) in saga::requests(id, event) {
        let target = heads.topology.owner_of_product(product);
        if !place.is_addressed_to(target) {
            let detail =
                format!("{place} concerns product {product} and is not addressed to {target}");
            report.violated(Invariant::I7, 1, detail);
        }
        let (task, quantity) = match command {
            ProductCommand::ReserveStock { quantity, .. } => (Task::Reserve(id, product), quantity),
            ProductCommand::ReleaseStock { quantity, .. } => (Task::Release(id, product), quantity),
            _ => continue,
        };
        effects.asked(task, Content::Pieces(quantity), place, heads, report);
    }
    if let Some(answer) = steps::answer(event) {
        let task = Task::Answer(id, answer.product_id());
        effects.done(task, Content::Answer(answer.clone()), place, heads, report);
    }
    if let OrderEvent::LateReservationReleased { release } = event {
        let task = Task::Answer(id, release.product_id);
        effects.done(
            task,
            Content::InVain(release.quantity),
            place,
            heads,
            report,
        );
    }
    if let Some(template) = Template::for_event(event) {
        let task = Task::Notify(id, template);
        effects.asked(task, Content::User(user_id), place, heads, report);
    }
}
