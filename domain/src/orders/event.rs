//! What has happened to an order.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::command::{IdempotencyKey, RequestedLine};
use crate::{Money, OrderId, ProductId, Sku, Timestamp, UserId};

/// A product's answer to the order's request, for all its lines of that product together.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Answer {
    /// The pieces are held for the order.
    Reserved {
        /// Which product.
        product_id: ProductId,
        /// Pieces of all its lines together.
        quantity: u64,
        /// The product's SKU at that moment.
        sku: Sku,
        /// Its name at that moment.
        name: Arc<str>,
        /// Its price at that moment.
        unit_price: Money,
    },
    /// There are not enough pieces.
    Refused {
        /// Which product.
        product_id: ProductId,
        /// Pieces that were left.
        available: u64,
    },
}

impl Answer {
    /// The product that answered.
    #[must_use]
    pub fn product_id(&self) -> ProductId {
        match self {
            Self::Reserved { product_id, .. } | Self::Refused { product_id, .. } => *product_id,
        }
    }
}

/// Pieces that an order gives back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Release {
    /// Of which product.
    pub product_id: ProductId,
    /// Pieces of all its lines together.
    pub quantity: u64,
}

/// Why an order was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RejectionReason {
    /// Some product had not enough pieces.
    OutOfStock,
    /// Its products are priced in more than one currency.
    CurrencyMismatch,
}

impl RejectionReason {
    /// Its stable name, which the HTTP API shows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OutOfStock => "out_of_stock",
            Self::CurrencyMismatch => "currency_mismatch",
        }
    }
}

/// Who called an order off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CancelledBy {
    /// The customer who placed it.
    Customer,
    /// An administrator.
    Admin,
}

/// What has happened to an order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OrderEvent {
    /// It was placed; each product concerned is to answer.
    OrderCreated {
        /// Its id.
        order_id: OrderId,
        /// Who buys.
        user_id: UserId,
        /// What was asked for.
        lines: Vec<RequestedLine>,
        /// When the products must have answered.
        deadline: Timestamp,
        /// The client's key, if it sent one.
        idempotency: Option<IdempotencyKey>,
    },
    /// A product answered, and others are still to answer.
    AnswerRecorded {
        /// What it said.
        answer: Answer,
    },
    /// The last product answered, and everything is reserved.
    OrderConfirmed {
        /// Who bought.
        user_id: UserId,
        /// The answer that completed the order.
        answer: Answer,
        /// What it costs.
        total: Money,
    },
    /// The last product answered, and the order cannot be fulfilled.
    OrderRejected {
        /// Who bought.
        user_id: UserId,
        /// The answer that completed the order.
        answer: Answer,
        /// Why.
        reason: RejectionReason,
        /// What is given back.
        releases: Vec<Release>,
    },
    /// It was called off.
    OrderCancelled {
        /// Who bought.
        user_id: UserId,
        /// By whom.
        by: CancelledBy,
        /// What is given back.
        releases: Vec<Release>,
    },
    /// Its products did not answer in time.
    OrderExpired {
        /// Who bought.
        user_id: UserId,
        /// What is given back.
        releases: Vec<Release>,
    },
    /// A product reserved pieces after the order was settled without them; they are given back.
    LateReservationReleased {
        /// What is given back.
        release: Release,
    },
}
