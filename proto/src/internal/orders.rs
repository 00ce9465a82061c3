//! Orders between nodes.

use domain::{
    Addressee, Aggregate, OrderId, Timestamp, UserId,
    orders::{Order, OrderCommand, OrderDraft, OrderRejection},
};

use super::{Command, OnWire, aggregate, other_kind, rejection, v1};
use crate::{
    InvalidField,
    common::{choice, id, optional, required},
    orders::lines,
};

impl OnWire for Order {
    fn write_command(addressee: &Addressee<Self>) -> Option<Command> {
        match addressee {
            Addressee::New(draft) => Some(Command::CreateOrder(v1::CreateOrder {
                user_id: draft.user_id.get(),
                lines: draft.lines.iter().copied().map(Into::into).collect(),
                deadline_ms: draft.deadline.as_millis(),
                idempotency: draft.idempotency.as_ref().map(Into::into),
            })),
            Addressee::Existing(order_id, OrderCommand::CancelOrder(by)) => {
                Some(Command::CancelOrder(v1::CancelOrder {
                    order_id: *order_id,
                    by: crate::v1::CancelledBy::from(*by).into(),
                }))
            }
            Addressee::Existing(
                _,
                OrderCommand::CreateOrder { .. }
                | OrderCommand::RecordAnswer(_)
                | OrderCommand::ExpireOrder,
            ) => None,
        }
    }

    fn read_command(command: Command) -> Result<Addressee<Self>, InvalidField> {
        match command {
            Command::CreateOrder(order) => Ok(Addressee::New(OrderDraft {
                user_id: id(UserId::new, order.user_id, "user_id")?,
                lines: lines(order.lines)?,
                deadline: Timestamp::from_millis(order.deadline_ms),
                idempotency: optional(order.idempotency, "idempotency")?,
            })),
            Command::CancelOrder(cancel) => Ok(Addressee::Existing(
                id(OrderId::new, cancel.order_id, "order_id")?.get(),
                OrderCommand::CancelOrder(choice::<crate::v1::CancelledBy, _>(cancel.by, "by")?),
            )),
            _ => other_kind("command", Self::KIND),
        }
    }

    fn write_state(&self) -> v1::Aggregate {
        aggregate(v1::aggregate::State::Order(self.into()))
    }

    fn read_state(message: v1::Aggregate) -> Result<Self, InvalidField> {
        match message.state {
            Some(v1::aggregate::State::Order(order)) => {
                Self::try_from(order).map_err(|error| error.within("order"))
            }
            _ => other_kind("state", Self::KIND),
        }
    }

    fn write_rejection(reason: &OrderRejection) -> v1::Rejection {
        use v1::rejection::Reason;

        rejection(match reason {
            OrderRejection::UnknownOrder => Reason::Unknown(v1::Unknown {}),
            OrderRejection::InvalidLineCount => Reason::InvalidLineCount(v1::InvalidLineCount {}),
            OrderRejection::NotCancellable { status } => {
                Reason::NotCancellable(v1::NotCancellable {
                    status: crate::v1::OrderStatus::from(*status).into(),
                })
            }
        })
    }

    fn read_rejection(message: v1::Rejection) -> Result<OrderRejection, InvalidField> {
        use v1::rejection::Reason;

        match required(message.reason, "reason")? {
            Reason::Unknown(_) => Ok(OrderRejection::UnknownOrder),
            Reason::InvalidLineCount(_) => Ok(OrderRejection::InvalidLineCount),
            Reason::NotCancellable(order) => Ok(OrderRejection::NotCancellable {
                status: choice::<crate::v1::OrderStatus, _>(order.status, "status")?,
            }),
            _ => other_kind("reason", Self::KIND),
        }
    }
}
