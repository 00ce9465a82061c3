//! I2 and I3, one step of an order's life: what may happen when, and what must be held and given back.

use std::collections::BTreeMap;

use crate::{
    Aggregate, Money, ProductId,
    orders::{Answer, Line, LineOutcome, Order, OrderEvent, OrderStatus, RejectionReason},
    saga,
};

/// The answer that an event records.
pub(super) fn answer(event: &OrderEvent) -> Option<&Answer> {
    match event {
        OrderEvent::AnswerRecorded { answer }
        | OrderEvent::OrderConfirmed { answer, .. }
        | OrderEvent::OrderRejected { answer, .. } => Some(answer),
        _ => None,
    }
}

/// What is wrong with this event as the next step of an order's life.
pub(super) fn settles_wrongly(before: Option<&Order>, event: &OrderEvent) -> Option<String> {
    let status = before.map(|order| order.status);
    let may_happen = match event {
        OrderEvent::OrderCreated { .. } => status.is_none(),
        OrderEvent::AnswerRecorded { .. }
        | OrderEvent::OrderConfirmed { .. }
        | OrderEvent::OrderRejected { .. }
        | OrderEvent::OrderExpired { .. } => status.is_some_and(|status| !status.is_settled()),
        OrderEvent::OrderCancelled { .. } => status.is_some_and(OrderStatus::holds_stock),
        OrderEvent::LateReservationReleased { .. } => {
            status.is_some_and(|status| !status.holds_stock())
        }
    };
    if may_happen {
        return None;
    }
    let event = name(event);
    Some(match status {
        None => format!("is {event} before it is created"),
        Some(status) => format!("is {event} when it is {status} already"),
    })
}

/// What is wrong with what the order holds, gives back or has been answered.
pub(super) fn holds_wrongly(before: &Order, event: &OrderEvent, after: &Order) -> Option<String> {
    if let Some(answer) = answer(event) {
        let product = answer.product_id();
        if !is_unanswered(before, product) {
            return Some(format!(
                "is answered by product {product}, from which it awaits nothing"
            ));
        }
        if let Answer::Reserved { quantity, .. } = answer
            && *quantity != before.asked(product)
        {
            let asked = before.asked(product);
            return Some(format!(
                "asked for {asked} of product {product}, and {quantity} are reserved"
            ));
        }
    }
    match event {
        OrderEvent::OrderConfirmed { total, .. } => (cost(after) != Some(*total))
            .then(|| format!("is confirmed for {total}, and not every line is reserved at that")),
        OrderEvent::OrderRejected { answer, reason, .. } => {
            let recorded = OrderEvent::AnswerRecorded {
                answer: answer.clone(),
            };
            let answered = Order::evolve(Some(before.clone()), &recorded, before.updated_at)?;
            let is_refused = |line: &Line| matches!(line.outcome, LineOutcome::Refused { .. });
            let has_reason = match reason {
                RejectionReason::OutOfStock => answered.lines.iter().any(is_refused),
                RejectionReason::CurrencyMismatch => {
                    !answered.awaits_answers() && cost(&answered).is_none()
                }
            };
            if answered.awaits_answers() || !has_reason {
                return Some(format!("is rejected as {} without cause", reason.as_str()));
            }
            gives_back_wrongly(&answered, event)
        }
        OrderEvent::OrderCancelled { .. } | OrderEvent::OrderExpired { .. } => {
            gives_back_wrongly(before, event)
        }
        OrderEvent::LateReservationReleased { release } => {
            let product = release.product_id;
            let is_right =
                is_unanswered(before, product) && release.quantity == before.asked(product);
            (!is_right).then(|| {
                format!(
                    "gives back {} of product {product}, which were not reserved too late",
                    release.quantity
                )
            })
        }
        OrderEvent::AnswerRecorded { .. } => (!after.awaits_answers())
            .then(|| "has all its answers and is not settled by the last one".to_owned()),
        OrderEvent::OrderCreated { .. } => None,
    }
}

/// What is wrong with the releases of an order that is given up: it must give back what it holds.
fn gives_back_wrongly(order: &Order, event: &OrderEvent) -> Option<String> {
    let mut releases: BTreeMap<ProductId, u64> = BTreeMap::new();
    for release in saga::releases(event) {
        *releases.entry(release.product_id).or_default() += release.quantity;
    }
    let holds: BTreeMap<ProductId, u64> = order
        .products()
        .into_iter()
        .map(|product| (product, order.held(product)))
        .filter(|(_, quantity)| *quantity > 0)
        .collect();
    (releases != holds).then(|| format!("holds {holds:?} by product, and gives back {releases:?}"))
}

fn is_unanswered(order: &Order, product: ProductId) -> bool {
    order
        .lines
        .iter()
        .any(|line| line.product_id == product && line.outcome == LineOutcome::Pending)
}

/// What an order costs with every line reserved, all in one currency.
fn cost(order: &Order) -> Option<Money> {
    let price = |line: &Line| match &line.outcome {
        LineOutcome::Reserved { unit_price, .. } => {
            Some(unit_price.times(line.quantity.get().into()))
        }
        _ => None,
    };
    let mut prices = order.lines.iter().map(price);
    let first = prices.next()??;
    prices.try_fold(first, |total, price| total.plus(price?))
}

/// What an event does to an order, as a word.
fn name(event: &OrderEvent) -> &'static str {
    match event {
        OrderEvent::OrderCreated { .. } => "created",
        OrderEvent::AnswerRecorded { .. } => "answered",
        OrderEvent::OrderConfirmed { .. } => "confirmed",
        OrderEvent::OrderRejected { .. } => "rejected",
        OrderEvent::OrderCancelled { .. } => "cancelled",
        OrderEvent::OrderExpired { .. } => "expired",
        OrderEvent::LateReservationReleased { .. } => "giving back what came too late",
    }
}
