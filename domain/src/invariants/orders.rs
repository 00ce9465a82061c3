//! I2 and I3: an order settles once, confirmed with everything or given up with nothing.
//!
//! Orders come one after the other, each with its whole history. What they ask of others and are answered is told with
//! them, or apart from them in the order of positions.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Invariant, Report, Scope,
    dense::Dense,
    effects::Effects,
    positions::Positions,
    record::{Heads, Place},
    steps,
    task::{Content, Task},
};
use crate::{
    Aggregate, OrderId, ShardRef, Timestamp, UserId,
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

/// How long after its deadline an order may wait in a shard that has been served all the time.
pub const STUCK_AFTER: Duration = Duration::from_secs(5 * 60);
/// Orders that are named that wait although their deadline has passed.
const WAITING_NAMED: usize = 5;

/// By whom shards are served, by the clock of whoever looks.
#[derive(Clone, Debug, Default)]
pub struct Service {
    /// Now, by that clock.
    pub now: Timestamp,
    /// The shards that are served, each with the time since which it surely has been.
    pub since: BTreeMap<ShardRef, Timestamp>,
}

/// Orders whose deadline has passed and that are no violation, by what they wait for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Nobody serves their shard.
    pub not_served: u64,
    /// A link between their shard and some product shard is behind, which suspends their deadlines.
    pub suspended: u64,
    /// Their shard has not been served for long enough since.
    pub soon: u64,
    /// Some of them, with their shards.
    pub examples: Vec<(OrderId, ShardRef)>,
}

impl Waiting {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.not_served + self.suspended + self.soon
    }
}

/// What must be known of all orders.
#[derive(Debug, Default)]
pub(super) struct Orders {
    /// Pieces that orders hold, by product.
    pub(super) held: Dense<u64>,
    /// Orders that have not settled, by shard: each with its deadline.
    waiting: BTreeMap<ShardRef, Vec<(OrderId, Timestamp)>>,
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
        effects: Option<&mut Effects>,
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
        if let (Some(order), Some(user_id)) = (&after, user_of(event))
            && order.user_id != user_id
        {
            let detail = format!(
                "{place}: order {id} of user {} tells user {user_id} what has become of it",
                order.user_id
            );
            report.violated(Invariant::I6, 1, detail);
        }
        if let (Some(order), Some(effects)) = (&after, effects) {
            tell(order.id, place, event, effects, heads, report);
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
        if !effects.scope.has_order(&order) {
            return (None, self.seq);
        }
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
            if held > 0 && effects.scope.has_product(product) {
                orders.held.add(product.get(), held);
            }
        }
        if order.status.is_settled() {
            report.judge(Invariant::I2, None);
        } else {
            let waiting = orders.waiting.entry(self.shard).or_default();
            waiting.push((order.id, order.deadline));
        }
        (Some(order), self.seq)
    }
}

impl Orders {
    /// How many orders have not settled.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.values().map(Vec::len).sum()
    }

    /// Looks at the orders that have not settled. `served_at` is a time at which all shards are surely served, if one is
    /// known.
    pub(super) fn finish(
        &self,
        positions: &Positions,
        served_at: Option<Timestamp>,
        service: Option<&Service>,
        report: &mut Report,
    ) {
        for (&shard, waiting) in &self.waiting {
            let now = service.map(|service| service.now);
            let served_since = service.and_then(|service| service.since.get(&shard).copied());
            let is_suspended =
                positions.is_suspended(shard, now.filter(|_| served_since.is_some()));
            for &(id, deadline) in waiting {
                let is_overdue = served_at.is_some_and(|now| now > deadline)
                    || positions.is_overdue(shard, deadline);
                let is_late = now.is_some_and(|now| now > deadline);
                let is_stuck = is_late
                    && served_since
                        .zip(now)
                        .is_some_and(|(since, now)| now.since(deadline.max(since)) >= STUCK_AFTER);
                let is_due = (is_overdue || is_stuck) && !is_suspended;
                report.check(Invariant::I2, !is_due, || match now {
                    Some(now) if is_stuck => format!(
                        "order {id} of {shard} is stuck: it has not settled {} minutes after its deadline, though its shard is served",
                        now.since(deadline).as_secs() / 60
                    ),
                    _ => format!("order {id} of {shard} has not settled, long after its deadline"),
                });
                if is_late && !is_due {
                    let waiting = &mut report.waiting;
                    if is_suspended {
                        waiting.suspended += 1;
                    } else if served_since.is_none() {
                        waiting.not_served += 1;
                    } else {
                        waiting.soon += 1;
                    }
                    if waiting.examples.len() < WAITING_NAMED {
                        waiting.examples.push((id, shard));
                    }
                }
            }
        }
    }
}

/// Whom an event tells what has become of the order.
const fn user_of(event: &OrderEvent) -> Option<UserId> {
    match event {
        OrderEvent::OrderConfirmed { user_id, .. }
        | OrderEvent::OrderRejected { user_id, .. }
        | OrderEvent::OrderCancelled { user_id, .. }
        | OrderEvent::OrderExpired { user_id, .. } => Some(*user_id),
        OrderEvent::OrderCreated { .. }
        | OrderEvent::AnswerRecorded { .. }
        | OrderEvent::LateReservationReleased { .. } => None,
    }
}

/// Whether an order is looked at, as its first event tells; one without a first event is.
pub(super) fn is_looked_at(event: &OrderEvent, id: u64, scope: &Scope) -> bool {
    let OrderEvent::OrderCreated { lines, .. } = event else {
        return scope.has_order_id(id);
    };
    scope.has_order_id(id)
        && (scope.products.is_none() || lines.iter().any(|line| scope.has_product(line.product_id)))
}

/// Hands on what the event asks of others, and what it says was done.
pub(super) fn tell(
    id: OrderId,
    place: &Place,
    event: &OrderEvent,
    effects: &mut Effects,
    heads: &Heads,
    report: &mut Report,
) {
    for (product, command) in saga::requests(id, event) {
        let target = heads.topology.owner_of_product(product);
        if effects.scope.has_product(product) && !place.is_addressed_to(target) {
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
        effects.done(
            task,
            Content::Answer(Box::new(answer.clone())),
            place,
            heads,
            report,
        );
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
    if let (Some(template), Some(user_id)) = (Template::for_event(event), user_of(event)) {
        let task = Task::Notify(id, template);
        effects.asked(task, Content::User(user_id), place, heads, report);
    }
}
