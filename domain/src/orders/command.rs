//! What can be asked of an order.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::event::{Answer, CancelledBy};
use crate::{OrderId, ProductId, Quantity, Timestamp, UserId};

/// A line as the customer asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RequestedLine {
    /// Which product.
    pub product_id: ProductId,
    /// How many pieces.
    pub quantity: Quantity,
}

/// The key under which a client may repeat a request, and what the request said.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct IdempotencyKey {
    /// The client's key, as sent.
    pub key: Arc<str>,
    /// A hash of the parsed request: the same key with another one is a mistake of the client.
    pub fingerprint: [u8; 16],
}

/// An order to be placed: all but its id.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderDraft {
    /// Who buys.
    pub user_id: UserId,
    /// 1 to [`super::LINES_MAX`] lines.
    pub lines: Vec<RequestedLine>,
    /// When the products must have answered.
    pub deadline: Timestamp,
    /// The client's key, if it sent one.
    pub idempotency: Option<IdempotencyKey>,
}

impl OrderDraft {
    pub(super) fn into_command(self, id: u64) -> OrderCommand {
        OrderCommand::CreateOrder {
            order_id: OrderId::new(id).expect("a shard issues ids above zero and below 2^53"),
            user_id: self.user_id,
            lines: self.lines,
            deadline: self.deadline,
            idempotency: self.idempotency,
        }
    }
}

/// What can be asked of an order.
#[derive(Clone, Debug, PartialEq)]
pub enum OrderCommand {
    /// Place it.
    CreateOrder {
        /// The id its shard has issued.
        order_id: OrderId,
        /// Who buys.
        user_id: UserId,
        /// 1 to [`super::LINES_MAX`] lines.
        lines: Vec<RequestedLine>,
        /// When the products must have answered.
        deadline: Timestamp,
        /// The client's key, if it sent one.
        idempotency: Option<IdempotencyKey>,
    },
    /// A product has answered.
    RecordAnswer(Answer),
    /// Call it off.
    CancelOrder(CancelledBy),
    /// Its deadline has passed.
    ExpireOrder,
}

/// Why a command was turned down.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderRejection {
    /// There is no such order.
    #[error("there is no such order")]
    UnknownOrder,
    /// No lines, or more than [`super::LINES_MAX`].
    #[error("an order has 1 to {} lines", super::LINES_MAX)]
    InvalidLineCount,
    /// It is rejected or expired, or on its way to the customer.
    #[error("an order that is {status} cannot be cancelled")]
    NotCancellable {
        /// What it is instead.
        status: super::OrderStatus,
    },
}
