//! An order's history for people.

use std::fmt::Write;

use domain::orders::{Answer, Line, LineOutcome, Order, OrderEvent, Release};

use super::{Entry, Replayed, json::by_name, times::rfc_3339};

/// The history, a line an event, and the state.
pub(super) fn of(replayed: &Replayed) -> String {
    let mut text = format!("order {}\n\n", replayed.id);
    let types = replayed.history.iter();
    let width = types
        .map(|entry| entry.record.event_type.len())
        .max()
        .unwrap_or(0);
    // Writing into a string does not fail.
    for Entry { record, event } in &replayed.history {
        let (seq, time, event_type) = (record.seq, rfc_3339(record.time), &record.event_type);
        let mark = if seq == replayed.at { '>' } else { ' ' };
        let _ = writeln!(
            text,
            "{mark} {seq:>3}  {time}  {event_type:<width$}  {}",
            told(event)
        );
    }
    let last = replayed.history.last().map_or(0, |entry| entry.record.seq);
    let _ = writeln!(text, "\nstate after event {} of {last}", replayed.at);
    for (name, value) in state(&replayed.state) {
        let _ = writeln!(text, "  {name:<8}  {value}");
    }
    text.truncate(text.trim_end().len());
    text
}

/// What an event says beyond its type.
fn told(event: &OrderEvent) -> String {
    match event {
        OrderEvent::OrderCreated {
            user_id,
            lines,
            deadline,
            idempotency,
            ..
        } => {
            let lines = lines
                .iter()
                .map(|line| (u64::from(line.quantity.get()), line.product_id.get()));
            let key = idempotency
                .as_ref()
                .map(|idempotency| format!(", idempotency key {:?}", idempotency.key))
                .unwrap_or_default();
            format!(
                "user {user_id} orders {}; to be answered by {}{key}",
                pieces(lines),
                rfc_3339(*deadline)
            )
        }
        OrderEvent::AnswerRecorded { answer } => self::answer(answer),
        OrderEvent::OrderConfirmed { answer, total, .. } => {
            format!("{}; total {total}", self::answer(answer))
        }
        OrderEvent::OrderRejected {
            answer,
            reason,
            releases,
            ..
        } => {
            format!(
                "{}; {}; gives back {}",
                self::answer(answer),
                reason.as_str(),
                released(releases)
            )
        }
        OrderEvent::OrderCancelled { by, releases, .. } => {
            format!("by the {}; gives back {}", by_name(*by), released(releases))
        }
        OrderEvent::OrderExpired { releases, .. } => format!("gives back {}", released(releases)),
        OrderEvent::LateReservationReleased { release } => {
            format!("gives back {}", released(&[*release]))
        }
    }
}

fn answer(answer: &Answer) -> String {
    match answer {
        Answer::Reserved {
            product_id,
            quantity,
            sku,
            name,
            unit_price,
        } => {
            format!("product {product_id} reserves {quantity} of {sku} ({name:?}) at {unit_price}")
        }
        Answer::Refused {
            product_id,
            available,
        } => {
            format!("product {product_id} refuses, {available} left")
        }
    }
}

fn released(releases: &[Release]) -> String {
    pieces(
        releases
            .iter()
            .map(|release| (release.quantity, release.product_id.get())),
    )
}

fn pieces(pieces: impl Iterator<Item = (u64, u64)>) -> String {
    let named: Vec<String> = pieces
        .map(|(quantity, product)| format!("{quantity} of product {product}"))
        .collect();
    if named.is_empty() {
        "nothing".to_owned()
    } else {
        named.join(", ")
    }
}

fn state(order: &Order) -> Vec<(&'static str, String)> {
    let mut state = vec![
        ("status", order.status.to_string()),
        ("payment", order.payment_status.as_str().to_owned()),
        ("delivery", order.fulfilment_status.as_str().to_owned()),
        ("user", order.user_id.to_string()),
    ];
    state.extend(order.lines.iter().map(|line| ("line", self::line(line))));
    let total = order.total.map(|total| ("total", total.to_string()));
    let reason = order
        .reason_text()
        .map(|reason| ("reason", reason.to_owned()));
    state.extend(total.into_iter().chain(reason));
    state.push(("deadline", rfc_3339(order.deadline)));
    state.push(("created", rfc_3339(order.created_at)));
    state.push(("updated", rfc_3339(order.updated_at)));
    state
}

fn line(line: &Line) -> String {
    let outcome = match &line.outcome {
        LineOutcome::Pending => "not answered".to_owned(),
        LineOutcome::Reserved {
            sku,
            name,
            unit_price,
        } => {
            format!("{sku} ({name:?}) at {unit_price}")
        }
        LineOutcome::Refused { available } => format!("refused, {available} left"),
        LineOutcome::TooLate => "answered too late".to_owned(),
    };
    format!(
        "{} of product {}: {outcome}",
        line.quantity.get(),
        line.product_id
    )
}
