//! The history of an order.

use std::sync::Arc;

use actors::orders::HistoryEntry;
use domain::{
    Sku,
    orders::{self, CancelledBy, OrderEvent, Release, RequestedLine},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Money, Time};

/// One thing that happened to an order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "seq": 2,
    "type": "order.confirmed.v1",
    "time": "2025-01-31T09:30:00.012Z",
    "data": {
        "answer": {
            "outcome": "reserved",
            "product_id": 4,
            "quantity": 2,
            "sku": "LANTERN-1",
            "name": "Storm lantern",
            "unit_price": {"amount": 4999, "currency": "EUR"}
        },
        "total": {"amount": 9998, "currency": "EUR"}
    }
}))]
pub(crate) struct OrderHistoryEntry {
    /// Its number, counted from one.
    pub(crate) seq: u64,
    /// What kind of event: `order.created.v1` and the like.
    #[serde(rename = "type")]
    pub(crate) event_type: String,
    /// When it happened.
    time: Time,
    /// The rest, by type.
    data: EventData,
}

impl From<HistoryEntry> for OrderHistoryEntry {
    fn from(entry: HistoryEntry) -> Self {
        Self {
            seq: entry.seq,
            event_type: entry.event_type,
            time: entry.time.into(),
            data: entry.event.into(),
        }
    }
}

/// What an event says beyond its type.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum EventData {
    /// The order was placed.
    Created {
        /// What was asked for.
        lines: Vec<AskedLine>,
        /// When the products must have answered.
        deadline: Time,
    },
    /// A product answered, and the order is confirmed.
    Confirmed {
        /// The answer that completed the order.
        answer: Answer,
        /// What it costs.
        total: Money,
    },
    /// A product answered, and the order is rejected.
    Rejected {
        /// The answer that completed the order.
        answer: Answer,
        /// Why: `out_of_stock`, `currency_mismatch`.
        reason: &'static str,
        /// What is given back.
        released: Vec<Pieces>,
    },
    /// A product answered, and others are still to answer.
    Answered {
        /// What it said.
        answer: Answer,
    },
    /// The order was called off.
    Cancelled {
        /// By whom: `customer`, `admin`.
        by: &'static str,
        /// What is given back.
        released: Vec<Pieces>,
    },
    /// The order was given up.
    Expired {
        /// Why: `deadline_passed`.
        reason: &'static str,
        /// What is given back.
        released: Vec<Pieces>,
    },
    /// A product answered too late.
    Released {
        /// What is given back.
        released: Vec<Pieces>,
    },
}

/// A line as it was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AskedLine {
    /// Which product.
    product_id: u64,
    /// How many pieces.
    quantity: u32,
}

/// Pieces of a product.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Pieces {
    /// Which product.
    product_id: u64,
    /// How many pieces.
    quantity: u64,
}

/// A product's answer, for all lines of that product together.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
#[schema(as = ProductAnswer)]
pub(crate) enum Answer {
    /// The pieces are held for the order.
    Reserved {
        /// Which product.
        product_id: u64,
        /// Pieces.
        quantity: u64,
        /// The product's SKU at that moment.
        #[schema(value_type = String)]
        sku: Sku,
        /// Its name at that moment.
        #[schema(value_type = String)]
        name: Arc<str>,
        /// Its price at that moment.
        unit_price: Money,
    },
    /// There are not enough pieces.
    Refused {
        /// Which product.
        product_id: u64,
        /// Pieces that were left.
        available: u64,
    },
}

impl From<OrderEvent> for EventData {
    fn from(event: OrderEvent) -> Self {
        match event {
            OrderEvent::OrderCreated {
                lines, deadline, ..
            } => Self::Created {
                lines: lines.iter().map(AskedLine::from).collect(),
                deadline: deadline.into(),
            },
            OrderEvent::AnswerRecorded { answer } => Self::Answered {
                answer: answer.into(),
            },
            OrderEvent::OrderConfirmed { answer, total, .. } => Self::Confirmed {
                answer: answer.into(),
                total: total.into(),
            },
            OrderEvent::OrderRejected {
                answer,
                reason,
                releases,
                ..
            } => Self::Rejected {
                answer: answer.into(),
                reason: reason.as_str(),
                released: pieces(&releases),
            },
            OrderEvent::OrderCancelled { by, releases, .. } => Self::Cancelled {
                by: match by {
                    CancelledBy::Customer => "customer",
                    CancelledBy::Admin => "admin",
                },
                released: pieces(&releases),
            },
            OrderEvent::OrderExpired { releases, .. } => Self::Expired {
                reason: "deadline_passed",
                released: pieces(&releases),
            },
            OrderEvent::LateReservationReleased { release } => Self::Released {
                released: pieces(&[release]),
            },
        }
    }
}

impl From<&RequestedLine> for AskedLine {
    fn from(line: &RequestedLine) -> Self {
        Self {
            product_id: line.product_id.get(),
            quantity: line.quantity.get(),
        }
    }
}

fn pieces(releases: &[Release]) -> Vec<Pieces> {
    let pieces = |release: &Release| Pieces {
        product_id: release.product_id.get(),
        quantity: release.quantity,
    };
    releases.iter().map(pieces).collect()
}

impl From<orders::Answer> for Answer {
    fn from(answer: orders::Answer) -> Self {
        match answer {
            orders::Answer::Reserved {
                product_id,
                quantity,
                sku,
                name,
                unit_price,
            } => Self::Reserved {
                product_id: product_id.get(),
                quantity,
                sku,
                name,
                unit_price: unit_price.into(),
            },
            orders::Answer::Refused {
                product_id,
                available,
            } => Self::Refused {
                product_id: product_id.get(),
                available,
            },
        }
    }
}
