//! How events change an order.

use super::{
    Answer, FulfilmentStatus, Line, LineOutcome, Order, OrderEvent, OrderStatus, PaymentStatus,
};
use crate::{Aggregate, Timestamp};

impl Aggregate for Order {
    type Command = super::OrderCommand;
    type Draft = super::OrderDraft;
    type Event = OrderEvent;
    type Rejection = super::OrderRejection;

    const KIND: &'static str = "order";

    fn create(draft: super::OrderDraft, id: u64) -> super::OrderCommand {
        draft.into_command(id)
    }

    fn decide(
        state: Option<&Self>,
        command: &Self::Command,
        _now: Timestamp,
    ) -> Result<Vec<Self::Event>, Self::Rejection> {
        super::decide::decide(state, command)
    }

    fn evolve(state: Option<Self>, event: &Self::Event, at: Timestamp) -> Option<Self> {
        match (state, event) {
            (
                None,
                OrderEvent::OrderCreated {
                    order_id,
                    user_id,
                    lines,
                    deadline,
                    ..
                },
            ) => Some(Self {
                id: *order_id,
                user_id: *user_id,
                status: OrderStatus::Created,
                payment_status: PaymentStatus::None,
                fulfilment_status: FulfilmentStatus::None,
                lines: lines
                    .iter()
                    .map(|line| Line {
                        product_id: line.product_id,
                        quantity: line.quantity,
                        outcome: LineOutcome::Pending,
                    })
                    .collect(),
                total: None,
                reason: None,
                cancelled_by: None,
                deadline: *deadline,
                created_at: at,
                updated_at: at,
            }),
            (None, _) => None,
            (Some(mut order), event) => {
                order.apply(event, at);
                Some(order)
            }
        }
    }

    fn at_rest(&self) -> bool {
        self.status.is_settled()
    }
}

impl Order {
    fn apply(&mut self, event: &OrderEvent, at: Timestamp) {
        match event {
            OrderEvent::OrderCreated { .. } => return,
            OrderEvent::AnswerRecorded { answer } => apply_answer(self, answer),
            OrderEvent::OrderConfirmed { answer, total, .. } => {
                apply_answer(self, answer);
                self.status = OrderStatus::Confirmed;
                self.total = Some(*total);
            }
            OrderEvent::OrderRejected { answer, reason, .. } => {
                apply_answer(self, answer);
                self.status = OrderStatus::Rejected;
                self.reason = Some(*reason);
            }
            OrderEvent::OrderCancelled { by, .. } => {
                self.status = OrderStatus::Cancelled;
                self.cancelled_by = Some(*by);
            }
            OrderEvent::OrderExpired { .. } => self.status = OrderStatus::Expired,
            OrderEvent::LateReservationReleased { release } => {
                for line in &mut self.lines {
                    if line.product_id == release.product_id && line.outcome == LineOutcome::Pending
                    {
                        line.outcome = LineOutcome::TooLate;
                    }
                }
            }
        }
        self.updated_at = at;
    }
}

/// Gives a product's answer to those of its lines that wait for it.
pub(super) fn apply_answer(order: &mut Order, answer: &Answer) {
    let product = answer.product_id();
    for line in &mut order.lines {
        if line.product_id == product && line.outcome == LineOutcome::Pending {
            line.outcome = match answer {
                Answer::Reserved {
                    sku,
                    name,
                    unit_price,
                    ..
                } => LineOutcome::Reserved {
                    sku: sku.clone(),
                    name: name.clone(),
                    unit_price: *unit_price,
                },
                Answer::Refused { available, .. } => LineOutcome::Refused {
                    available: *available,
                },
            };
        }
    }
}
