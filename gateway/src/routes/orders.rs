//! Orders. Placing one is the busiest route of all.

use actix_web::{
    HttpResponse, get,
    http::header::{self, HeaderName, HeaderValue},
    post,
    web::Data,
};
use actors::{
    Shop,
    edge::{HISTORY_LENGTH_MAX, rules::Flaw},
    orders::{PlaceOrder, Placed},
};
use domain::{
    OrderId, ProductId,
    orders::{CancelledBy, Order, OrderStatus, RejectionReason, RequestedLine},
};
use storage::OrderQuery;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{REPLAYED, private};
use crate::{
    cursor::BeforeOrder,
    dto::{
        List, Refusal,
        history::OrderHistoryEntry,
        new_order::{NewOrder, WrittenOrder},
        orders::{Order as OrderBody, OrderList},
    },
    edge::Edge,
    history_stream,
    identity::User,
    input::{Body, Id, Params, accept::HistoryForm, idempotency::Key, prefer::Prefer},
    problem::{Code, Fault, More, Problem, ProblemBody, RefusalBody},
};

/// Says which preferences were followed, RFC 7240.
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

pub(super) fn register(config: &mut ServiceConfig<'_>) {
    config
        .service(place_order)
        .service(get_order)
        .service(list_orders)
        .service(cancel_order)
        .service(list_order_events);
}

/// Place an order
///
/// Waits for the outcome as long as `Prefer: wait=N` says (5 s unless told otherwise, 30 s at most); with
/// `Prefer: respond-async` it answers once the order is durable.
///
/// With an `Idempotency-Key`, a repeat within 24 hours places nothing and shows the order as it is then: 201 if it was
/// confirmed (also if it has been cancelled since), 202 while it is not settled, 409 if it was refused or given up.
///
/// A product that was sold out a moment ago is not asked again for half a second: its orders are refused before they are
/// orders. Such a 409 `out_of_stock` has neither an `order_id` nor a `Location`, and its key stays free.
#[utoipa::path(
    tag = "orders",
    security(("bearer" = [])),
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters, remembered per user for 24 hours."),
        ("Prefer" = Option<String>, Header, description = "`wait=N` with seconds from 0 to 30, `respond-async`. What is malformed is ignored.", example = "wait=10"),
    ),
    request_body = WrittenOrder,
    responses(
        (status = 201, description = "The order is confirmed.", body = OrderBody, headers(
            ("Location" = String, description = "The order's path."),
            ("Idempotent-Replayed" = Option<bool>, description = "`true` if it had been placed before, under the same key."),
            ("Preference-Applied" = Option<String>, description = "The preferences that were followed."),
        )),
        (status = 202, description = "The order is durable and not settled yet. Its status tells when it is.", body = OrderBody, headers(
            ("Location" = String, description = "The order's path."),
            ("Idempotent-Replayed" = Option<bool>, description = "`true` if it had been placed before, under the same key."),
            ("Preference-Applied" = Option<String>, description = "The preferences that were followed."),
        )),
        (status = 409, description = "The order was refused, and stays readable. `out_of_stock`: some product had not enough pieces, see `lines`. `currency_mismatch`: its products are priced in several currencies. `expired`: its products did not answer in time.", body = RefusalBody, content_type = "application/problem+json", headers(
            ("Location" = String, description = "The order's path."),
            ("Idempotent-Replayed" = Option<bool>, description = "`true` if it had been placed before, under the same key."),
        )),
    ),
)]
#[post("/v1/orders")]
async fn place_order(
    user: User,
    key: Key,
    prefer: Prefer,
    body: Body<NewOrder>,
    shop: Data<Shop>,
) -> Result<HttpResponse, Problem> {
    let Body(NewOrder { lines }) = body;
    refuse_unknown_products(&shop, &lines).await?;
    let order = PlaceOrder {
        user_id: user.id,
        idempotency: key.of(lines.as_slice()),
        lines,
        wait: prefer.wait(),
    };
    let placed = shop.orders.place(order).await?;
    outcome(placed, prefer)
}

async fn refuse_unknown_products(shop: &Shop, lines: &[RequestedLine]) -> Result<(), Problem> {
    let mut products: Vec<ProductId> = lines.iter().map(|line| line.product_id).collect();
    products.sort_unstable();
    products.dedup();
    let missing = shop.products.missing(&products).await?;
    if missing.is_empty() {
        return Ok(());
    }
    let faults = lines.iter().enumerate().filter_map(|(index, line)| {
        let id = line.product_id;
        missing.contains(&id).then(|| {
            let flaw = Flaw::unknown_product(id);
            let pointer = format!("/lines/{index}/product_id");
            Fault::new(pointer, flaw.code.into(), flaw.detail)
        })
    });
    Err(Problem::invalid(faults.collect()))
}

/// The answer to an order that was placed, now or before.
fn outcome(placed: Placed, prefer: Prefer) -> Result<HttpResponse, Problem> {
    let Placed { order, replayed } = placed;
    let mut headers = vec![(header::LOCATION, location(order.id))];
    if replayed {
        headers.push((REPLAYED, HeaderValue::from_static("true")));
    }
    if let Some(applied) = prefer.applied() {
        headers.push((PREFERENCE_APPLIED, applied));
    }
    let mut answer = match order.status {
        // One that was called off after a first answer is shown as it is now.
        OrderStatus::Confirmed | OrderStatus::Cancelled => HttpResponse::Created(),
        OrderStatus::Created | OrderStatus::Reserved => HttpResponse::Accepted(),
        OrderStatus::Rejected | OrderStatus::Expired => {
            let problem = refusal(&order);
            let with_header = |problem: Problem, (name, value)| problem.with_header(name, value);
            return Err(headers.into_iter().fold(problem, with_header));
        }
    };
    for header in headers {
        answer.insert_header(header);
    }
    Ok(answer.json(OrderBody::from(order)))
}

/// Why an order that is rejected or expired was not fulfilled.
pub(super) fn refusal(order: &Order) -> Problem {
    let problem = match (order.status, order.reason) {
        (OrderStatus::Expired, _) => {
            Problem::new(Code::Expired, "its products did not answer in time")
        }
        (_, Some(RejectionReason::CurrencyMismatch)) => Problem::new(
            Code::CurrencyMismatch,
            "the products of the order are priced in more than one currency",
        ),
        _ => Problem::new(Code::OutOfStock, "some product had not enough pieces"),
    };
    problem.with(More::Refusal(Refusal::from(order)))
}

fn location(id: OrderId) -> HeaderValue {
    // Digits after a path: always a header.
    HeaderValue::try_from(format!("/v1/orders/{id}"))
        .unwrap_or_else(|_| HeaderValue::from_static("/v1/orders"))
}

/// List orders
///
/// A customer's own orders; everybody's for an administrator.
#[utoipa::path(
    tag = "orders",
    security(("bearer" = [])),
    params(OrderList),
    responses(
        (status = 200, description = "A page of orders, newest first.", body = List<OrderBody>),
        (status = 403, description = "`forbidden`: a customer asks for `stuck` orders, or for another user's.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
#[get("/v1/orders")]
async fn list_orders(
    user: User,
    params: Params<OrderList>,
    shop: Data<Shop>,
    edge: Data<Edge>,
) -> Result<HttpResponse, Problem> {
    let Params(params) = params;
    if params.stuck {
        user.admin()?;
    }
    let query = OrderQuery {
        user_id: user.sees(params.user_id)?,
        status: params.status,
        overdue_at: params.stuck.then(|| edge.config.clock.now()),
        before: params.before.map(|BeforeOrder(id)| id),
        limit: params.limit,
    };
    let page = shop.orders.list(&query).await?;
    Ok(private(&List::<OrderBody>::of(page, |order| {
        BeforeOrder(order.id)
    })))
}

/// Read an order
///
/// The customer who placed it, or an administrator.
#[utoipa::path(
    tag = "orders",
    security(("bearer" = [])),
    params(("id" = u64, Path, description = "The order.")),
    responses((status = 200, description = "The order.", body = OrderBody)),
)]
#[get("/v1/orders/{id}")]
async fn get_order(user: User, id: Id<OrderId>, shop: Data<Shop>) -> Result<HttpResponse, Problem> {
    let order = visible(user, id, &shop).await?;
    Ok(private(&OrderBody::from(order)))
}

/// Cancel an order
///
/// Calls it off, also after it was confirmed; what it held goes back to stock. One that is cancelled already stays so.
#[utoipa::path(
    tag = "orders",
    security(("bearer" = [])),
    params(("id" = u64, Path, description = "The order.")),
    responses(
        (status = 200, description = "The order.", body = OrderBody),
        (status = 409, description = "`not_cancellable`: it is rejected or expired.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
#[post("/v1/orders/{id}/cancel")]
async fn cancel_order(
    user: User,
    id: Id<OrderId>,
    shop: Data<Shop>,
) -> Result<HttpResponse, Problem> {
    let order = visible(user, id, &shop).await?;
    let by = if order.user_id == user.id {
        CancelledBy::Customer
    } else {
        CancelledBy::Admin
    };
    let order = shop.orders.cancel(order.id, by).await?;
    Ok(private(&OrderBody::from(order)))
}

/// Read an order's history
///
/// Everything that happened to it, as JSON; or, with `Accept: text/event-stream`, as server-sent events while it
/// happens: `id` is `seq`, `event` is `type`, and `data` is an entry as in the JSON. A stream that was cut off resumes
/// after `Last-Event-ID`. It ends when a settled order has had no news for a minute, and after 15 minutes at the latest.
/// Of a very old order the history may have been archived: 410 `history_archived`.
#[utoipa::path(
    tag = "orders",
    security(("bearer" = [])),
    params(
        ("id" = u64, Path, description = "The order."),
        ("Last-Event-ID" = Option<u64>, Header, description = "The last event that the client has."),
    ),
    responses((status = 200, description = "The history.", content(
        (List<OrderHistoryEntry> = "application/json"),
        (String = "text/event-stream", example = "id: 1\nevent: order.created.v1\ndata: {\"seq\":1,\"type\":\"order.created.v1\",\"time\":\"2025-01-31T09:30:00.000Z\",\"data\":{\"lines\":[{\"product_id\":4,\"quantity\":2}],\"deadline\":\"2025-01-31T09:31:00.000Z\"}}\n\n"),
    )), (status = 410, description = "`history_archived`: the order is so old that its history was archived.", body = ProblemBody, content_type = "application/problem+json")),
)]
#[get("/v1/orders/{id}/events")]
async fn list_order_events(
    user: User,
    id: Id<OrderId>,
    form: HistoryForm,
    shop: Data<Shop>,
    edge: Data<Edge>,
) -> Result<HttpResponse, Problem> {
    let order = visible(user, id, &shop).await?;
    match form {
        HistoryForm::Json => {
            let entries = shop.orders.history(order.id, 0, HISTORY_LENGTH_MAX).await?;
            let entries = entries.into_iter().map(OrderHistoryEntry::from).collect();
            Ok(private(&List::whole(entries)))
        }
        HistoryForm::Stream { after_seq } => {
            // Whether there is a history to go on with is said before the stream begins.
            shop.orders.history(order.id, after_seq, 1).await?;
            history_stream::answer(&edge, &shop, &order, after_seq)
        }
    }
}

/// The order, if this user may see it.
async fn visible(user: User, id: Id<OrderId>, shop: &Shop) -> Result<Order, Problem> {
    let Id(id) = id;
    let order = shop.orders.get(id).await?;
    order
        .filter(|order| order.user_id == user.id || user.is_admin())
        .ok_or_else(|| Problem::not_found("order"))
}

#[cfg(test)]
mod tests;
