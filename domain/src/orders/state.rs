//! What an order is.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use super::event::{CancelledBy, RejectionReason};
use crate::{Money, OrderId, ProductId, Quantity, Sku, Timestamp, UserId};

/// How far an order has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OrderStatus {
    /// Placed, its products have not all answered.
    Created,
    /// Everything is reserved, the payment has not been answered.
    Reserved,
    /// Sold.
    Confirmed,
    /// It could not be fulfilled.
    Rejected,
    /// It was called off.
    Cancelled,
    /// Its deadline passed.
    Expired,
}

impl OrderStatus {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Created,
        Self::Reserved,
        Self::Confirmed,
        Self::Rejected,
        Self::Cancelled,
        Self::Expired,
    ];

    /// Its stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Reserved => "reserved",
            Self::Confirmed => "confirmed",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// Whether the order's outcome is known: confirmed, rejected, cancelled or expired.
    #[must_use]
    pub const fn is_settled(self) -> bool {
        !matches!(self, Self::Created | Self::Reserved)
    }

    /// Whether the pieces it has reserved are its own.
    #[must_use]
    pub const fn holds_stock(self) -> bool {
        matches!(self, Self::Created | Self::Reserved | Self::Confirmed)
    }
}

impl fmt::Display for OrderStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Text that names no status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a status is one of created, reserved, confirmed, rejected, cancelled, expired")]
pub struct UnknownStatus;

impl FromStr for OrderStatus {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or(UnknownStatus)
    }
}

/// Where its payment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PaymentStatus {
    /// It needs none.
    None,
}

impl PaymentStatus {
    /// Its stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
        }
    }
}

/// Where its delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FulfilmentStatus {
    /// Nothing has been sent.
    None,
}

impl FulfilmentStatus {
    /// Its stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
        }
    }
}

/// What became of a line.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LineOutcome {
    /// Its product has not answered.
    Pending,
    /// Its pieces were held at this price.
    Reserved {
        /// The product's SKU at that moment.
        sku: Sku,
        /// Its name at that moment.
        name: Arc<str>,
        /// Its price at that moment.
        unit_price: Money,
    },
    /// Its product had not enough.
    Refused {
        /// Pieces that were left.
        available: u64,
    },
    /// Its product answered after the order was settled.
    TooLate,
}

/// One line of an order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Line {
    /// Which product.
    pub product_id: ProductId,
    /// How many pieces.
    pub quantity: Quantity,
    /// What became of it.
    pub outcome: LineOutcome,
}

/// An order. See the module for its life.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Order {
    /// Its id, which carries its shard.
    pub id: OrderId,
    /// Who buys.
    pub user_id: UserId,
    /// How far it has come.
    pub status: OrderStatus,
    /// Where its payment stands.
    pub payment_status: PaymentStatus,
    /// Where its delivery stands.
    pub fulfilment_status: FulfilmentStatus,
    /// What was asked for; a product named twice stays two lines.
    pub lines: Vec<Line>,
    /// What it costs, once everything is reserved.
    pub total: Option<Money>,
    /// Why it was rejected.
    pub reason: Option<RejectionReason>,
    /// Who called it off.
    pub cancelled_by: Option<CancelledBy>,
    /// When its products must have answered.
    pub deadline: Timestamp,
    /// When it was placed.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Order {
    /// Pieces of a product that all lines ask for together.
    #[must_use]
    pub fn asked(&self, product: ProductId) -> u64 {
        self.lines_of(product)
            .map(|line| u64::from(line.quantity.get()))
            .sum()
    }

    /// Pieces of a product that the order holds: reserved ones, unless it was settled without them.
    #[must_use]
    pub fn held(&self, product: ProductId) -> u64 {
        if !self.status.holds_stock() {
            return 0;
        }
        self.lines_of(product)
            .filter(|line| matches!(line.outcome, LineOutcome::Reserved { .. }))
            .map(|line| u64::from(line.quantity.get()))
            .sum()
    }

    /// Whether some product has not answered.
    #[must_use]
    pub fn awaits_answers(&self) -> bool {
        self.lines
            .iter()
            .any(|line| line.outcome == LineOutcome::Pending)
    }

    /// The products of the order, each once, in the order of its lines.
    #[must_use]
    pub fn products(&self) -> Vec<ProductId> {
        let mut products = Vec::with_capacity(self.lines.len());
        for line in &self.lines {
            if !products.contains(&line.product_id) {
                products.push(line.product_id);
            }
        }
        products
    }

    /// What the HTTP API gives as `reason`: why the order is not confirmed.
    #[must_use]
    pub fn reason_text(&self) -> Option<&'static str> {
        match (self.status, self.reason, self.cancelled_by) {
            (OrderStatus::Rejected, Some(reason), _) => Some(reason.as_str()),
            (OrderStatus::Cancelled, _, Some(CancelledBy::Admin)) => Some("cancelled_by_admin"),
            (OrderStatus::Cancelled, _, _) => Some("cancelled_by_customer"),
            (OrderStatus::Expired, _, _) => Some("deadline_passed"),
            _ => None,
        }
    }

    fn lines_of(&self, product: ProductId) -> impl Iterator<Item = &Line> {
        self.lines
            .iter()
            .filter(move |line| line.product_id == product)
    }
}
