//! An order's history for programs, in the words of the HTTP API.

use domain::{
    Money,
    orders::{Answer, CancelledBy, Line, LineOutcome, Order, OrderEvent, Release},
};
use serde_json::{Value, json};

use super::{Entry, Replayed, times::rfc_3339};

/// The history and the state.
pub(super) fn of(replayed: &Replayed) -> Value {
    json!({
        "order_id": replayed.id.get(),
        "events": replayed.history.iter().map(entry).collect::<Vec<_>>(),
        "at": replayed.at,
        "state": state(&replayed.state),
    })
}

fn entry(Entry { record, event }: &Entry) -> Value {
    json!({
        "seq": record.seq,
        "type": record.event_type,
        "time": rfc_3339(record.time),
        "shard": record.shard.to_string(),
        "position": record.position,
        "data": data(event),
    })
}

fn data(event: &OrderEvent) -> Value {
    match event {
        OrderEvent::OrderCreated {
            user_id,
            lines,
            deadline,
            idempotency,
            ..
        } => json!({
            "user_id": user_id.get(),
            "lines": lines
                .iter()
                .map(|line| pieces(line.product_id.get(), line.quantity.get().into()))
                .collect::<Vec<_>>(),
            "deadline": rfc_3339(*deadline),
            "idempotency_key": idempotency.as_ref().map(|idempotency| &*idempotency.key),
        }),
        OrderEvent::AnswerRecorded { answer } => json!({"answer": self::answer(answer)}),
        OrderEvent::OrderConfirmed { answer, total, .. } => json!({
            "answer": self::answer(answer),
            "total": money(total),
        }),
        OrderEvent::OrderRejected {
            answer,
            reason,
            releases,
            ..
        } => json!({
            "answer": self::answer(answer),
            "reason": reason.as_str(),
            "released": released(releases),
        }),
        OrderEvent::OrderCancelled { by, releases, .. } => json!({
            "by": by_name(*by),
            "released": released(releases),
        }),
        OrderEvent::OrderExpired { releases, .. } => json!({"released": released(releases)}),
        OrderEvent::LateReservationReleased { release } => {
            json!({"released": released(&[*release])})
        }
    }
}

fn answer(answer: &Answer) -> Value {
    match answer {
        Answer::Reserved {
            product_id,
            quantity,
            sku,
            name,
            unit_price,
        } => json!({
            "outcome": "reserved",
            "product_id": product_id.get(),
            "quantity": quantity,
            "sku": sku.as_str(),
            "name": &**name,
            "unit_price": money(unit_price),
        }),
        Answer::Refused {
            product_id,
            available,
        } => json!({
            "outcome": "refused",
            "product_id": product_id.get(),
            "available": available,
        }),
    }
}

fn state(order: &Order) -> Value {
    json!({
        "id": order.id.get(),
        "user_id": order.user_id.get(),
        "status": order.status.as_str(),
        "payment_status": order.payment_status.as_str(),
        "fulfilment_status": order.fulfilment_status.as_str(),
        "lines": order.lines.iter().map(line).collect::<Vec<_>>(),
        "total": order.total.as_ref().map(money),
        "reason": order.reason_text(),
        "deadline": rfc_3339(order.deadline),
        "created_at": rfc_3339(order.created_at),
        "updated_at": rfc_3339(order.updated_at),
    })
}

fn line(line: &Line) -> Value {
    let (sku, name, unit_price) = match &line.outcome {
        LineOutcome::Reserved {
            sku,
            name,
            unit_price,
        } => (Some(sku.as_str()), Some(&**name), Some(money(unit_price))),
        LineOutcome::Pending | LineOutcome::Refused { .. } | LineOutcome::TooLate => {
            (None, None, None)
        }
    };
    json!({
        "product_id": line.product_id.get(),
        "sku": sku,
        "name": name,
        "quantity": line.quantity.get(),
        "unit_price": unit_price,
    })
}

fn released(releases: &[Release]) -> Vec<Value> {
    let released = |release: &Release| pieces(release.product_id.get(), release.quantity);
    releases.iter().map(released).collect()
}

fn pieces(product_id: u64, quantity: u64) -> Value {
    json!({"product_id": product_id, "quantity": quantity})
}

fn money(money: &Money) -> Value {
    json!({"amount": money.amount, "currency": money.currency.as_str()})
}

/// Who called an order off.
pub(super) fn by_name(by: CancelledBy) -> &'static str {
    match by {
        CancelledBy::Customer => "customer",
        CancelledBy::Admin => "admin",
    }
}
