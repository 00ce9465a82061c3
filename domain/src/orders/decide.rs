//! Which events a command brings about.

use super::{
    Answer, LINES_MAX, LineOutcome, Order, OrderCommand, OrderEvent, OrderRejection, OrderStatus,
    RejectionReason, Release,
};
use crate::Money;

pub(super) fn decide(
    state: Option<&Order>,
    command: &OrderCommand,
) -> Result<Vec<OrderEvent>, OrderRejection> {
    match (state, command) {
        (
            None,
            OrderCommand::CreateOrder {
                order_id,
                user_id,
                lines,
                deadline,
                idempotency,
            },
        ) => {
            if lines.is_empty() || lines.len() > LINES_MAX {
                return Err(OrderRejection::InvalidLineCount);
            }
            Ok(vec![OrderEvent::OrderCreated {
                order_id: *order_id,
                user_id: *user_id,
                lines: lines.clone(),
                deadline: *deadline,
                idempotency: idempotency.clone(),
            }])
        }
        (None, _) => Err(OrderRejection::UnknownOrder),
        (Some(_), OrderCommand::CreateOrder { .. }) => Ok(Vec::new()),
        (Some(order), OrderCommand::RecordAnswer(answer)) => Ok(record_answer(order, answer)),
        (Some(order), OrderCommand::CancelOrder(by)) => match order.status {
            OrderStatus::Cancelled => Ok(Vec::new()),
            OrderStatus::Rejected | OrderStatus::Expired => Err(OrderRejection::NotCancellable {
                status: order.status,
            }),
            OrderStatus::Created | OrderStatus::Reserved | OrderStatus::Confirmed => {
                Ok(vec![OrderEvent::OrderCancelled {
                    user_id: order.user_id,
                    by: *by,
                    releases: releases(order),
                }])
            }
        },
        (Some(order), OrderCommand::ExpireOrder) if order.status == OrderStatus::Created => {
            Ok(vec![OrderEvent::OrderExpired {
                user_id: order.user_id,
                releases: releases(order),
            }])
        }
        (Some(_), OrderCommand::ExpireOrder) => Ok(Vec::new()),
    }
}

fn record_answer(order: &Order, answer: &Answer) -> Vec<OrderEvent> {
    let product = answer.product_id();
    let is_expected = order
        .lines
        .iter()
        .any(|line| line.product_id == product && line.outcome == LineOutcome::Pending);
    if !is_expected {
        return Vec::new();
    }
    if order.status != OrderStatus::Created {
        return match answer {
            Answer::Reserved { quantity, .. } => vec![OrderEvent::LateReservationReleased {
                release: Release {
                    product_id: product,
                    quantity: *quantity,
                },
            }],
            Answer::Refused { .. } => Vec::new(),
        };
    }

    let mut answered = order.clone();
    super::evolve::apply_answer(&mut answered, answer);
    let answer = answer.clone();
    if answered.awaits_answers() {
        return vec![OrderEvent::AnswerRecorded { answer }];
    }
    match outcome(&answered) {
        Ok(total) => vec![OrderEvent::OrderConfirmed {
            user_id: order.user_id,
            answer,
            total,
        }],
        Err(reason) => vec![OrderEvent::OrderRejected {
            user_id: order.user_id,
            answer,
            reason,
            releases: releases(&answered),
        }],
    }
}

/// What a fully answered order costs, or why it cannot be fulfilled. A lack of stock comes before a mix of currencies.
fn outcome(order: &Order) -> Result<Money, RejectionReason> {
    let prices = order.lines.iter().map(|line| match &line.outcome {
        LineOutcome::Reserved { unit_price, .. } => {
            Some(unit_price.times(u64::from(line.quantity.get())))
        }
        _ => None,
    });
    let prices: Vec<Money> = prices
        .collect::<Option<_>>()
        .ok_or(RejectionReason::OutOfStock)?;
    let (first, rest) = prices.split_first().ok_or(RejectionReason::OutOfStock)?;
    rest.iter()
        .try_fold(*first, |total, price| total.plus(*price))
        .ok_or(RejectionReason::CurrencyMismatch)
}

/// Everything the order holds, one release a product.
fn releases(order: &Order) -> Vec<Release> {
    order
        .products()
        .into_iter()
        .map(|product_id| Release {
            product_id,
            quantity: order.held(product_id),
        })
        .filter(|release| release.quantity > 0)
        .collect()
}
