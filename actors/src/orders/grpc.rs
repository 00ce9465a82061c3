//! `stampede.v1.OrderService`.

use std::time::Duration;

use domain::{
    Event, OrderId, ProductId,
    orders::{CancelledBy, LINES_MAX, Order, OrderStatus, RequestedLine},
};
use futures::stream::BoxStream;
use proto::v1::{self, order_service_server::OrderService};
use storage::OrderQuery;
use tonic::{Request, Response, Status, async_trait};

use super::{HistoryEntry, OrdersError, PlaceOrder, watch};
use crate::{
    edge::{
        HISTORY_LENGTH_MAX, Refusal, WAIT_DEFAULT, WAIT_MAX,
        cursor::BeforeOrder,
        idempotency_key, key,
        rules::{self, Flaw, FlawCode},
    },
    grpc::{Caller, Deadline, Edge, PageAsked, Violations, page_info, read},
};

/// The service.
pub(crate) struct OrderGrpc(pub(crate) Edge);

#[async_trait]
impl OrderService for OrderGrpc {
    async fn create_order(
        &self,
        request: Request<v1::CreateOrderRequest>,
    ) -> Result<Response<v1::CreateOrderResponse>, Status> {
        let shop = &self.0.shop;
        let caller = Caller::of(request.metadata(), &shop.auth)?;
        let deadline = Deadline::of(request.extensions());
        let message = request.into_inner();
        let wait = message.wait_ms.map_or(WAIT_DEFAULT, |millis| {
            WAIT_MAX.min(Duration::from_millis(millis.into()))
        });
        let (lines, key) = read(|found| new_order(found, message))?;
        self.refuse_unknown_products(&lines).await?;
        let order = PlaceOrder {
            user_id: caller.id,
            idempotency: key.map(|key| idempotency_key(&key, lines.as_slice())),
            lines,
            wait: deadline.bounds(wait),
        };
        let placed = shop.orders.place(order).await?;
        Ok(Response::new(v1::CreateOrderResponse {
            order: Some((&placed.order).into()),
            replayed: placed.replayed,
        }))
    }

    async fn list_orders(
        &self,
        request: Request<v1::ListOrdersRequest>,
    ) -> Result<Response<v1::ListOrdersResponse>, Status> {
        let shop = &self.0.shop;
        let caller = Caller::of(request.metadata(), &shop.auth)?;
        let message = request.into_inner();
        let is_stuck = message.stuck;
        if is_stuck {
            caller.as_admin()?;
        }
        let query = OrderQuery {
            user_id: caller.lists(),
            ..read(|found| list(found, message))?
        };
        let page = if is_stuck {
            shop.orders
                .list_stuck(&query)
                .await
                .map_err(Refusal::from)?
        } else {
            shop.orders.list(&query).await.map_err(Refusal::from)?
        };
        Ok(Response::new(v1::ListOrdersResponse {
            page: Some(page_info(&page, |order: &Order| BeforeOrder(order.id))),
            orders: page.rows.iter().map(v1::Order::from).collect(),
        }))
    }

    async fn get_order(
        &self,
        request: Request<v1::GetOrderRequest>,
    ) -> Result<Response<v1::GetOrderResponse>, Status> {
        let caller = Caller::of(request.metadata(), &self.0.shop.auth)?;
        let order = self.visible(caller, request.into_inner().id).await?;
        Ok(Response::new(v1::GetOrderResponse {
            order: Some((&order).into()),
        }))
    }

    async fn cancel_order(
        &self,
        request: Request<v1::CancelOrderRequest>,
    ) -> Result<Response<v1::CancelOrderResponse>, Status> {
        let shop = &self.0.shop;
        let caller = Caller::of(request.metadata(), &shop.auth)?;
        let order = self.visible(caller, request.into_inner().id).await?;
        let by = if order.user_id == caller.id {
            CancelledBy::Customer
        } else {
            CancelledBy::Admin
        };
        let order = shop.orders.cancel(order.id, by).await?;
        Ok(Response::new(v1::CancelOrderResponse {
            order: Some((&order).into()),
        }))
    }

    async fn list_order_events(
        &self,
        request: Request<v1::ListOrderEventsRequest>,
    ) -> Result<Response<v1::ListOrderEventsResponse>, Status> {
        let shop = &self.0.shop;
        let caller = Caller::of(request.metadata(), &shop.auth)?;
        let order = self.visible(caller, request.into_inner().id).await?;
        let entries = shop
            .orders
            .history(order.id, 0, HISTORY_LENGTH_MAX)
            .await
            .map_err(Refusal::from)?;
        Ok(Response::new(v1::ListOrderEventsResponse {
            events: entries.into_iter().map(recorded).collect(),
        }))
    }

    type WatchOrderEventsStream = BoxStream<'static, Result<v1::WatchOrderEventsResponse, Status>>;

    async fn watch_order_events(
        &self,
        request: Request<v1::WatchOrderEventsRequest>,
    ) -> Result<Response<Self::WatchOrderEventsStream>, Status> {
        let caller = Caller::of(request.metadata(), &self.0.shop.auth)?;
        let deadline = Deadline::of(request.extensions());
        let message = request.into_inner();
        let order = self.visible(caller, message.id).await?;
        let stream = watch::events(self.0.clone(), &order, message.after_seq, deadline)?;
        Ok(Response::new(stream))
    }
}

impl OrderGrpc {
    /// The order, if this caller may see it. What is no id is not there.
    async fn visible(&self, caller: Caller, id: u64) -> Result<Order, Status> {
        let id = OrderId::new(id).ok_or(OrdersError::NotFound)?;
        let order = self.0.shop.orders.get(id).await.map_err(Refusal::from)?;
        order
            .filter(|order| caller.may_see(order.user_id))
            .ok_or_else(|| Refusal::not_found("order").into())
    }

    async fn refuse_unknown_products(&self, lines: &[RequestedLine]) -> Result<(), Status> {
        let mut products: Vec<ProductId> = lines.iter().map(|line| line.product_id).collect();
        products.sort_unstable();
        products.dedup();
        let missing = self
            .0
            .shop
            .products
            .missing(&products)
            .await
            .map_err(Refusal::from)?;
        if missing.is_empty() {
            return Ok(());
        }
        read(|found| {
            for (index, line) in lines.iter().enumerate() {
                let id = line.product_id;
                if missing.contains(&id) {
                    let flaw = Flaw::unknown_product(id);
                    found.check::<()>(format!("lines[{index}].product_id"), Err(flaw));
                }
            }
            Some(())
        })
    }
}

/// The lines that are asked for, and the key if there is one.
fn new_order(
    found: &mut Violations,
    message: v1::CreateOrderRequest,
) -> Option<(Vec<RequestedLine>, Option<String>)> {
    let key = found.optional("idempotency_key", message.idempotency_key, |text| {
        key(text.as_bytes()).map(str::to_owned)
    });
    let count = rules::item_count(message.lines.len(), 1..=LINES_MAX);
    found.check("lines", count)?;
    let lines = message.lines.iter().enumerate().map(|(index, line)| {
        let product_id = found.check(
            format!("lines[{index}].product_id"),
            rules::product_id(line.product_id),
        );
        let quantity = found.check(
            format!("lines[{index}].quantity"),
            rules::quantity(line.quantity.into()),
        );
        Some(RequestedLine {
            product_id: product_id?,
            quantity: quantity?,
        })
    });
    // All are looked at, though the first that is wrong is enough to refuse.
    let lines: Vec<_> = lines.collect();
    Some((lines.into_iter().collect::<Option<_>>()?, key?))
}

fn list(found: &mut Violations, message: v1::ListOrdersRequest) -> Option<OrderQuery> {
    let page = PageAsked::<BeforeOrder>::read(found, message.page);
    let status = found.optional("status", message.status, status);
    let page = page?;
    Some(OrderQuery {
        status: status?.flatten(),
        before: page.position.map(|BeforeOrder(id)| id),
        limit: page.limit,
        ..OrderQuery::default()
    })
}

/// A status to filter by; `None` where it was left out.
fn status(number: i32) -> Result<Option<OrderStatus>, Flaw> {
    match v1::OrderStatus::try_from(number) {
        Ok(v1::OrderStatus::Unspecified) => Ok(None),
        Ok(status) => Ok(OrderStatus::try_from(status).ok()),
        Err(_) => Err(Flaw::new(FlawCode::InvalidFormat, "is no known status")),
    }
}

/// An entry of a history on the wire.
pub(super) fn recorded(entry: HistoryEntry) -> v1::RecordedEvent {
    v1::RecordedEvent {
        seq: entry.seq,
        r#type: entry.event_type,
        time_ms: entry.time.as_millis(),
        payload: proto::encode(&Event::Order(entry.event)),
    }
}
