//! Orders on the wire.

use domain::{
    Money, OrderId, ProductId, Quantity, Timestamp, UserId,
    orders::{
        Answer, CancelledBy, FulfilmentStatus, IdempotencyKey, LINES_MAX, Line, LineOutcome, Order,
        OrderEvent, OrderStatus, PaymentStatus, RejectionReason, Release, RequestedLine,
    },
};
use prost::Message;

use crate::{
    InvalidField,
    common::{
        bytes, choice, id, left, list, message, optional, pieces, price, required, same_values,
        text,
    },
    v1,
};

same_values!(
    v1::OrderStatus,
    OrderStatus,
    Created,
    Reserved,
    Confirmed,
    Rejected,
    Cancelled,
    Expired
);
same_values!(v1::PaymentStatus, PaymentStatus, None);
same_values!(v1::FulfilmentStatus, FulfilmentStatus, None);
same_values!(
    v1::RejectionReason,
    RejectionReason,
    OutOfStock,
    CurrencyMismatch
);
same_values!(v1::CancelledBy, CancelledBy, Customer, Admin);

/// The bytes of an event.
pub(crate) fn encode(event: &OrderEvent) -> Vec<u8> {
    match event {
        OrderEvent::OrderCreated {
            order_id,
            user_id,
            lines,
            deadline,
            idempotency,
        } => v1::OrderCreated {
            order_id: order_id.get(),
            user_id: user_id.get(),
            lines: lines.iter().copied().map(Into::into).collect(),
            deadline_ms: deadline.as_millis(),
            idempotency: idempotency.as_ref().map(Into::into),
        }
        .encode_to_vec(),
        OrderEvent::AnswerRecorded { answer } => v1::OrderAnswerRecorded {
            answer: Some(answer.into()),
        }
        .encode_to_vec(),
        OrderEvent::OrderConfirmed {
            user_id,
            answer,
            total,
        } => v1::OrderConfirmed {
            user_id: user_id.get(),
            answer: Some(answer.into()),
            total: Some((*total).into()),
        }
        .encode_to_vec(),
        OrderEvent::OrderRejected {
            user_id,
            answer,
            reason,
            releases,
        } => v1::OrderRejected {
            user_id: user_id.get(),
            answer: Some(answer.into()),
            reason: v1::RejectionReason::from(*reason).into(),
            releases: releases.iter().copied().map(Into::into).collect(),
        }
        .encode_to_vec(),
        OrderEvent::OrderCancelled {
            user_id,
            by,
            releases,
        } => v1::OrderCancelled {
            user_id: user_id.get(),
            by: v1::CancelledBy::from(*by).into(),
            releases: releases.iter().copied().map(Into::into).collect(),
        }
        .encode_to_vec(),
        OrderEvent::OrderExpired { user_id, releases } => v1::OrderExpired {
            user_id: user_id.get(),
            releases: releases.iter().copied().map(Into::into).collect(),
        }
        .encode_to_vec(),
        OrderEvent::LateReservationReleased { release } => v1::OrderLateReservationReleased {
            release: Some((*release).into()),
        }
        .encode_to_vec(),
    }
}

impl TryFrom<v1::OrderCreated> for OrderEvent {
    type Error = InvalidField;

    fn try_from(event: v1::OrderCreated) -> Result<Self, Self::Error> {
        Ok(Self::OrderCreated {
            order_id: id(OrderId::new, event.order_id, "order_id")?,
            user_id: id(UserId::new, event.user_id, "user_id")?,
            lines: lines(event.lines)?,
            deadline: Timestamp::from_millis(event.deadline_ms),
            idempotency: optional(event.idempotency, "idempotency")?,
        })
    }
}

impl TryFrom<v1::OrderAnswerRecorded> for OrderEvent {
    type Error = InvalidField;

    fn try_from(event: v1::OrderAnswerRecorded) -> Result<Self, Self::Error> {
        Ok(Self::AnswerRecorded {
            answer: message(event.answer, "answer")?,
        })
    }
}

impl TryFrom<v1::OrderConfirmed> for OrderEvent {
    type Error = InvalidField;

    fn try_from(event: v1::OrderConfirmed) -> Result<Self, Self::Error> {
        Ok(Self::OrderConfirmed {
            user_id: id(UserId::new, event.user_id, "user_id")?,
            answer: message(event.answer, "answer")?,
            total: message(event.total, "total")?,
        })
    }
}

impl TryFrom<v1::OrderRejected> for OrderEvent {
    type Error = InvalidField;

    fn try_from(event: v1::OrderRejected) -> Result<Self, Self::Error> {
        Ok(Self::OrderRejected {
            user_id: id(UserId::new, event.user_id, "user_id")?,
            answer: message(event.answer, "answer")?,
            reason: choice::<v1::RejectionReason, _>(event.reason, "reason")?,
            releases: list(event.releases, "releases")?,
        })
    }
}

impl TryFrom<v1::OrderCancelled> for OrderEvent {
    type Error = InvalidField;

    fn try_from(event: v1::OrderCancelled) -> Result<Self, Self::Error> {
        Ok(Self::OrderCancelled {
            user_id: id(UserId::new, event.user_id, "user_id")?,
            by: choice::<v1::CancelledBy, _>(event.by, "by")?,
            releases: list(event.releases, "releases")?,
        })
    }
}

impl TryFrom<v1::OrderExpired> for OrderEvent {
    type Error = InvalidField;

    fn try_from(event: v1::OrderExpired) -> Result<Self, Self::Error> {
        Ok(Self::OrderExpired {
            user_id: id(UserId::new, event.user_id, "user_id")?,
            releases: list(event.releases, "releases")?,
        })
    }
}

impl TryFrom<v1::OrderLateReservationReleased> for OrderEvent {
    type Error = InvalidField;

    fn try_from(event: v1::OrderLateReservationReleased) -> Result<Self, Self::Error> {
        Ok(Self::LateReservationReleased {
            release: message(event.release, "release")?,
        })
    }
}

impl From<RequestedLine> for v1::RequestedLine {
    fn from(line: RequestedLine) -> Self {
        Self {
            product_id: line.product_id.get(),
            quantity: line.quantity.get(),
        }
    }
}

impl TryFrom<v1::RequestedLine> for RequestedLine {
    type Error = InvalidField;

    fn try_from(line: v1::RequestedLine) -> Result<Self, Self::Error> {
        Ok(Self {
            product_id: id(ProductId::new, line.product_id, "product_id")?,
            quantity: quantity(line.quantity)?,
        })
    }
}

impl From<&IdempotencyKey> for v1::IdempotencyKey {
    fn from(idempotency: &IdempotencyKey) -> Self {
        Self {
            key: idempotency.key.as_ref().to_owned(),
            fingerprint: idempotency.fingerprint.to_vec(),
        }
    }
}

impl TryFrom<v1::IdempotencyKey> for IdempotencyKey {
    type Error = InvalidField;

    fn try_from(idempotency: v1::IdempotencyKey) -> Result<Self, Self::Error> {
        Ok(Self {
            key: idempotency.key.into(),
            fingerprint: bytes(&idempotency.fingerprint, "fingerprint")?,
        })
    }
}

impl From<&Answer> for v1::Answer {
    fn from(answer: &Answer) -> Self {
        let outcome = match answer {
            Answer::Reserved {
                quantity,
                sku,
                name,
                unit_price,
                ..
            } => v1::answer::Outcome::Reserved(v1::ReservedAnswer {
                quantity: *quantity,
                sku: sku.as_str().to_owned(),
                name: name.as_ref().to_owned(),
                unit_price: Some((*unit_price).into()),
            }),
            Answer::Refused { available, .. } => v1::answer::Outcome::Refused(v1::RefusedAnswer {
                available: *available,
            }),
        };
        Self {
            product_id: answer.product_id().get(),
            outcome: Some(outcome),
        }
    }
}

impl TryFrom<v1::Answer> for Answer {
    type Error = InvalidField;

    fn try_from(answer: v1::Answer) -> Result<Self, Self::Error> {
        let product_id = id(ProductId::new, answer.product_id, "product_id")?;
        match required(answer.outcome, "outcome")? {
            v1::answer::Outcome::Reserved(reserved) => Ok(Self::Reserved {
                product_id,
                quantity: pieces(reserved.quantity, "reserved.quantity")?,
                sku: text(&reserved.sku, "reserved.sku")?,
                name: reserved.name.into(),
                unit_price: price(reserved.unit_price, "reserved.unit_price")?,
            }),
            v1::answer::Outcome::Refused(refused) => Ok(Self::Refused {
                product_id,
                available: left(refused.available, "refused.available")?,
            }),
        }
    }
}

impl From<Release> for v1::Release {
    fn from(release: Release) -> Self {
        Self {
            product_id: release.product_id.get(),
            quantity: release.quantity,
        }
    }
}

impl TryFrom<v1::Release> for Release {
    type Error = InvalidField;

    fn try_from(release: v1::Release) -> Result<Self, Self::Error> {
        Ok(Self {
            product_id: id(ProductId::new, release.product_id, "product_id")?,
            quantity: pieces(release.quantity, "quantity")?,
        })
    }
}

impl From<&Order> for v1::Order {
    fn from(order: &Order) -> Self {
        Self {
            id: order.id.get(),
            user_id: order.user_id.get(),
            status: v1::OrderStatus::from(order.status).into(),
            payment_status: v1::PaymentStatus::from(order.payment_status).into(),
            fulfilment_status: v1::FulfilmentStatus::from(order.fulfilment_status).into(),
            lines: order.lines.iter().map(Into::into).collect(),
            total: order.total.map(Into::into),
            reason: order
                .reason
                .map(|reason| v1::RejectionReason::from(reason).into()),
            cancelled_by: order
                .cancelled_by
                .map(|by| v1::CancelledBy::from(by).into()),
            deadline_ms: order.deadline.as_millis(),
            created_at_ms: order.created_at.as_millis(),
            updated_at_ms: order.updated_at.as_millis(),
        }
    }
}

impl TryFrom<v1::Order> for Order {
    type Error = InvalidField;

    fn try_from(order: v1::Order) -> Result<Self, Self::Error> {
        Ok(Self {
            id: id(OrderId::new, order.id, "id")?,
            user_id: id(UserId::new, order.user_id, "user_id")?,
            status: choice::<v1::OrderStatus, _>(order.status, "status")?,
            payment_status: choice::<v1::PaymentStatus, _>(order.payment_status, "payment_status")?,
            fulfilment_status: choice::<v1::FulfilmentStatus, _>(
                order.fulfilment_status,
                "fulfilment_status",
            )?,
            lines: lines(order.lines)?,
            total: optional::<_, Money>(order.total, "total")?,
            reason: order
                .reason
                .map(|reason| choice::<v1::RejectionReason, _>(reason, "reason"))
                .transpose()?,
            cancelled_by: order
                .cancelled_by
                .map(|by| choice::<v1::CancelledBy, _>(by, "cancelled_by"))
                .transpose()?,
            deadline: Timestamp::from_millis(order.deadline_ms),
            created_at: Timestamp::from_millis(order.created_at_ms),
            updated_at: Timestamp::from_millis(order.updated_at_ms),
        })
    }
}

impl From<&Line> for v1::OrderLine {
    fn from(line: &Line) -> Self {
        use v1::order_line::Outcome;

        Self {
            product_id: line.product_id.get(),
            quantity: line.quantity.get(),
            outcome: match &line.outcome {
                LineOutcome::Pending => None,
                LineOutcome::Reserved {
                    sku,
                    name,
                    unit_price,
                } => Some(Outcome::Reserved(v1::ReservedLine {
                    sku: sku.as_str().to_owned(),
                    name: name.as_ref().to_owned(),
                    unit_price: Some((*unit_price).into()),
                })),
                LineOutcome::Refused { available } => Some(Outcome::Refused(v1::RefusedLine {
                    available: *available,
                })),
                LineOutcome::TooLate => Some(Outcome::TooLate(v1::TooLateLine {})),
            },
        }
    }
}

impl TryFrom<v1::OrderLine> for Line {
    type Error = InvalidField;

    fn try_from(line: v1::OrderLine) -> Result<Self, Self::Error> {
        use v1::order_line::Outcome;

        Ok(Self {
            product_id: id(ProductId::new, line.product_id, "product_id")?,
            quantity: quantity(line.quantity)?,
            outcome: match line.outcome {
                None => LineOutcome::Pending,
                Some(Outcome::Reserved(reserved)) => LineOutcome::Reserved {
                    sku: text(&reserved.sku, "reserved.sku")?,
                    name: reserved.name.into(),
                    unit_price: price(reserved.unit_price, "reserved.unit_price")?,
                },
                Some(Outcome::Refused(refused)) => LineOutcome::Refused {
                    available: left(refused.available, "refused.available")?,
                },
                Some(Outcome::TooLate(v1::TooLateLine {})) => LineOutcome::TooLate,
            },
        })
    }
}

fn quantity(pieces: u32) -> Result<Quantity, InvalidField> {
    Quantity::new(pieces.into()).map_err(|error| InvalidField::new("quantity", error))
}

/// The lines of an order, as many as an order can have.
pub(crate) fn lines<W, T>(lines: Vec<W>) -> Result<Vec<T>, InvalidField>
where
    T: TryFrom<W, Error = InvalidField>,
{
    if !(1..=LINES_MAX).contains(&lines.len()) {
        return Err(InvalidField::new(
            "lines",
            format_args!("an order has 1 to {LINES_MAX} lines"),
        ));
    }
    list(lines, "lines")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::test_support::order;

    proptest! {
        #[test]
        fn an_order_comes_back_as_it_went(order in order()) {
            let bytes = v1::Order::from(&order).encode_to_vec();
            let message = v1::Order::decode(bytes.as_slice()).map_err(|error| error.to_string());
            prop_assert_eq!(message.map(Order::try_from), Ok(Ok(order)));
        }
    }
}
