//! Orders.

use std::sync::Arc;

use actors::orders::SoldOut;
use domain::{
    Sku, UserId,
    orders::{self, FulfilmentStatus, LineOutcome, OrderStatus, PaymentStatus, RejectionReason},
};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema, openapi::Object};

use super::{Money, Time, schema::one_of};
use crate::{
    cursor::BeforeOrder,
    input::{FromQuery, Pairs},
    problem::FaultCode,
};

/// An order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": 3710193762701312_u64,
    "user_id": 7,
    "status": "confirmed",
    "payment_status": "none",
    "fulfilment_status": "none",
    "lines": [{
        "product_id": 4,
        "sku": "LANTERN-1",
        "name": "Storm lantern",
        "quantity": 2,
        "unit_price": {"amount": 4999, "currency": "EUR"}
    }],
    "total": {"amount": 9998, "currency": "EUR"},
    "reason": null,
    "created_at": "2025-01-31T09:30:00.000Z",
    "updated_at": "2025-01-31T09:30:00.012Z"
}))]
pub(crate) struct Order {
    /// Its id.
    id: u64,
    /// Who buys.
    user_id: u64,
    /// How far it has come. It is settled unless it is `created` or `reserved`.
    #[schema(schema_with = statuses)]
    status: &'static str,
    /// Where its payment stands.
    #[schema(schema_with = payment_statuses)]
    payment_status: &'static str,
    /// Where its delivery stands.
    #[schema(schema_with = fulfilment_statuses)]
    fulfilment_status: &'static str,
    /// What was asked for; a product named twice stays two lines.
    lines: Vec<Line>,
    /// What it costs; null until it is confirmed.
    #[schema(required)]
    total: Option<Money>,
    /// Why it is not confirmed; null if it is, or may still be.
    #[schema(schema_with = reasons, required)]
    reason: Option<&'static str>,
    /// When it was placed.
    created_at: Time,
    /// When it last changed.
    updated_at: Time,
}

/// One line of an order. What is known only once its pieces are reserved is null until then.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderLine)]
pub(crate) struct Line {
    /// Which product.
    product_id: u64,
    /// The product's SKU when its pieces were reserved.
    #[schema(value_type = Option<String>, required)]
    sku: Option<Sku>,
    /// Its name then.
    #[schema(value_type = Option<String>, required)]
    name: Option<Arc<str>>,
    /// How many pieces.
    quantity: u32,
    /// Its price then.
    #[schema(required)]
    unit_price: Option<Money>,
}

impl From<orders::Order> for Order {
    fn from(order: orders::Order) -> Self {
        Self {
            id: order.id.get(),
            user_id: order.user_id.get(),
            status: order.status.as_str(),
            payment_status: order.payment_status.as_str(),
            fulfilment_status: order.fulfilment_status.as_str(),
            total: order.total.map(Money::from),
            reason: order.reason_text(),
            created_at: order.created_at.into(),
            updated_at: order.updated_at.into(),
            lines: order.lines.into_iter().map(Line::from).collect(),
        }
    }
}

impl From<orders::Line> for Line {
    fn from(line: orders::Line) -> Self {
        let (sku, name, unit_price) = match line.outcome {
            LineOutcome::Reserved {
                sku,
                name,
                unit_price,
            } => (Some(sku), Some(name), Some(unit_price.into())),
            LineOutcome::Pending | LineOutcome::Refused { .. } | LineOutcome::TooLate => {
                (None, None, None)
            }
        };
        Self {
            product_id: line.product_id.get(),
            sku,
            name,
            quantity: line.quantity.get(),
            unit_price,
        }
    }
}

fn statuses() -> Object {
    one_of(
        "How far it has come. It is settled unless it is `created` or `reserved`.",
        OrderStatus::ALL.map(OrderStatus::as_str),
    )
}

fn payment_statuses() -> Object {
    one_of("Where its payment stands.", [PaymentStatus::None.as_str()])
}

fn fulfilment_statuses() -> Object {
    one_of(
        "Where its delivery stands.",
        [FulfilmentStatus::None.as_str()],
    )
}

fn reasons() -> Object {
    use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .description(Some(
            "Why it is not confirmed; null if it is, or may still be.",
        ))
        .examples([RejectionReason::OutOfStock.as_str()])
        .build()
}

/// What a refused order adds to its problem.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderRefusal, example = json!({
    "order_id": 3710193762701312_u64,
    "lines": [{"product_id": 4, "quantity": 5, "available": 3}]
}))]
pub(crate) struct Refusal {
    /// The order, which stays readable. Missing if there is none, because a product was known to be sold out.
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<u64>,
    /// What was short, each product once. Empty unless the code is `out_of_stock`.
    lines: Vec<Short>,
}

/// A product of which an order asked for more than there was.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShortLine)]
pub(crate) struct Short {
    /// Which product.
    product_id: u64,
    /// Pieces that all lines of the order asked for together.
    quantity: u64,
    /// Pieces that were left when it answered.
    available: u64,
}

impl From<&orders::Order> for Refusal {
    fn from(order: &orders::Order) -> Self {
        let mut lines: Vec<Short> = Vec::new();
        for line in &order.lines {
            let LineOutcome::Refused { available } = line.outcome else {
                continue;
            };
            let product_id = line.product_id.get();
            if lines.iter().all(|short| short.product_id != product_id) {
                lines.push(Short {
                    product_id,
                    quantity: order.asked(line.product_id),
                    available,
                });
            }
        }
        Self {
            order_id: Some(order.id.get()),
            lines,
        }
    }
}

impl From<&[SoldOut]> for Refusal {
    fn from(products: &[SoldOut]) -> Self {
        let lines = products.iter().map(|product| Short {
            product_id: product.product_id.get(),
            quantity: product.quantity,
            available: 0,
        });
        Self {
            order_id: None,
            lines: lines.collect(),
        }
    }
}

/// Which orders to list, newest first.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct OrderList {
    /// Orders of a page.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200, default = 50)]
    pub(crate) limit: usize,
    /// The `next_cursor` of the page before.
    #[param(rename = "cursor", value_type = Option<String>)]
    pub(crate) before: Option<BeforeOrder>,
    /// Only those with this status.
    #[param(schema_with = statuses, required = false)]
    pub(crate) status: Option<OrderStatus>,
    /// Only this user's. For administrators, who see everybody's orders otherwise.
    #[param(value_type = Option<u64>)]
    pub(crate) user_id: Option<UserId>,
    /// Only orders that are not settled although their deadline has passed. For administrators.
    #[param(value_type = Option<bool>, default = false)]
    pub(crate) stuck: bool,
}

impl FromQuery for OrderList {
    fn read(pairs: &mut Pairs) -> Option<Self> {
        let (limit, before) = (pairs.limit(), pairs.cursor());
        let status = pairs.take("status", |text| {
            text.parse::<OrderStatus>()
                .map_err(|error| (FaultCode::InvalidFormat, error.to_string().into()))
        });
        let (user_id, stuck) = (pairs.user("user_id"), pairs.flag("stuck"));
        Some(Self {
            limit: limit?,
            before: before?,
            status: status?,
            user_id: user_id?,
            stuck: stuck?,
        })
    }
}
