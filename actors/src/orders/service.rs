//! What can be asked of orders.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use domain::{
    Event, OrderId, Timestamp, Topology, UserId,
    orders::{
        CancelledBy, IdempotencyKey, Order, OrderCommand, OrderDraft, OrderEvent, OrderRejection,
        OrderStatus, RequestedLine,
    },
};
use storage::{OrderQuery, Page, Views};
use tracing::Instrument;

use super::{
    actor::OrderHost,
    admission::Admission,
    sold_out::{Shelves, SoldOut},
};
use crate::{
    Unavailable,
    error::storage,
    runtime::{
        Clock,
        messages::{ExecuteError, Executed, KeyClaim},
        shards::{Answers, Request, Shards, answer},
    },
    trace::STAGE,
};

/// An order to be placed.
#[derive(Clone, Debug)]
pub struct PlaceOrder {
    /// Who buys.
    pub user_id: UserId,
    /// 1 to [`domain::orders::LINES_MAX`] lines, of products that exist.
    pub lines: Vec<RequestedLine>,
    /// The client's key, if it sent one.
    pub idempotency: Option<IdempotencyKey>,
    /// How long to wait for the outcome; zero answers once the order is durable.
    pub wait: Duration,
}

/// An order that was placed.
#[derive(Clone, Debug)]
pub struct Placed {
    /// As it is now: settled, unless the wait ended before.
    pub order: Order,
    /// Whether it had been placed before, under the same key.
    pub replayed: bool,
}

/// One entry of an order's history.
#[derive(Clone, Debug)]
pub struct HistoryEntry {
    /// Its number, counted from one.
    pub seq: u64,
    /// Its type, such as `order.created.v1`.
    pub event_type: String,
    /// When it happened.
    pub time: Timestamp,
    /// What happened.
    pub event: OrderEvent,
}

/// Why a call was turned down.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrdersError {
    /// There is no such order.
    #[error("there is no such order")]
    NotFound,
    /// It is rejected or expired.
    #[error("an order that is {status} cannot be cancelled")]
    NotCancellable {
        /// What it is instead.
        status: OrderStatus,
    },
    /// Products were sold out a moment ago: there is no order, and its key is not taken.
    #[error("some product is sold out")]
    SoldOut(Vec<SoldOut>),
    /// The key was used with another request.
    #[error("the idempotency key was used with another request")]
    KeyReused,
    /// What is asked for of its history was archived.
    #[error("the beginning of the order's history was archived")]
    HistoryArchived,
    /// It could not be carried out.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl From<ExecuteError<OrderRejection>> for OrdersError {
    fn from(error: ExecuteError<OrderRejection>) -> Self {
        match error {
            ExecuteError::Rejected(OrderRejection::UnknownOrder) => Self::NotFound,
            ExecuteError::Rejected(OrderRejection::NotCancellable { status }) => {
                Self::NotCancellable { status }
            }
            // The edge has checked the lines.
            ExecuteError::Rejected(OrderRejection::InvalidLineCount) => {
                Unavailable::NotServing.into()
            }
            ExecuteError::Unavailable(reason) => Self::Unavailable(reason),
        }
    }
}

/// How long products have to answer an order.
pub const RESERVATION_DEADLINE: Duration = Duration::from_secs(60);
/// How long an idempotency key is remembered.
const KEY_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// How often an order is looked at while its shard is being recovered.
const SETTLED_POLL: Duration = Duration::from_millis(20);
/// How often a live history is looked at.
const HISTORY_POLL: Duration = Duration::from_millis(200);

/// Orders.
#[derive(Clone)]
pub struct Orders {
    pub(crate) shards: Shards<OrderHost>,
    pub(crate) views: Arc<dyn Views>,
    pub(crate) topology: Topology,
    pub(crate) clock: Clock,
    pub(crate) shelves: Arc<Shelves>,
    pub(crate) admission: Arc<Admission>,
}

impl Orders {
    /// Places an order and waits for its outcome.
    ///
    /// # Errors
    /// [`OrdersError::KeyReused`], [`OrdersError::SoldOut`]. An order that is refused is no error: see its status.
    pub async fn place(&self, order: PlaceOrder) -> Result<Placed, OrdersError> {
        let sold_out = self.shelves.sold_out(&order.lines, self.clock.uptime());
        if sold_out.is_empty() {
            let span = tracing::debug_span!(target: STAGE, "place");
            let placed = self.place_new(order).instrument(span).await?;
            if !placed.replayed {
                self.shelves.learn(&placed.order, self.clock.uptime());
            }
            return Ok(placed);
        }
        // Whoever repeats an order that there is gets that one, however little is left.
        match self.placed_before(order).await? {
            Some(placed) => Ok(placed),
            None => Err(OrdersError::SoldOut(sold_out)),
        }
    }

    /// The order that was placed before under the key of this one.
    async fn placed_before(&self, order: PlaceOrder) -> Result<Option<Placed>, OrdersError> {
        if order.idempotency.is_none() {
            return Ok(None);
        }
        let (begun, wait) = (Instant::now(), order.wait);
        let shard = self.topology.order_shard(order.user_id);
        let request = Request {
            asks_only: true,
            ..self.request(order)
        };
        match self.shards.execute(shard, request).await? {
            Executed::KeyTaken {
                same_request: true,
                aggregate_id,
            } => {
                let id = OrderId::new(aggregate_id).ok_or(OrdersError::NotFound)?;
                let left = wait.saturating_sub(begun.elapsed());
                let order = self.settled(id, left).await?;
                let order = order.ok_or(Unavailable::Restarted)?;
                Ok(Some(Placed {
                    order,
                    replayed: true,
                }))
            }
            Executed::KeyTaken { .. } => Err(OrdersError::KeyReused),
            Executed::KeyFree | Executed::Done(_) => Ok(None),
        }
    }

    async fn place_new(&self, order: PlaceOrder) -> Result<Placed, OrdersError> {
        let begun = Instant::now();
        let shard = self.topology.order_shard(order.user_id);
        let _in_hand = self.admission.enter(shard, self.clock.uptime())?;
        let wait = order.wait;
        let request = self.request(order);
        let executed = if wait.is_zero() {
            self.shards.execute(shard, request).await?
        } else {
            let Answers { reply, mut at_rest } = self.shards.send(shard, request)?;
            if let Ok(order) = at_rest.within(wait).await {
                return Ok(Placed {
                    order,
                    replayed: false,
                });
            }
            // Not settled in time, or not carried out, or placed before: the answer to the command tells.
            answer::<Order>(reply).await?
        };
        let (id, replayed) = match executed {
            Executed::Done(order) if wait.is_zero() => {
                return Ok(Placed {
                    order,
                    replayed: false,
                });
            }
            Executed::Done(order) => (order.id, false),
            // Nobody has asked for that.
            Executed::KeyFree => return Err(Unavailable::Restarted.into()),
            Executed::KeyTaken {
                same_request: false,
                ..
            } => return Err(OrdersError::KeyReused),
            Executed::KeyTaken { aggregate_id, .. } => (
                OrderId::new(aggregate_id).ok_or(OrdersError::NotFound)?,
                true,
            ),
        };
        let order = self
            .settled(id, wait.saturating_sub(begun.elapsed()))
            .await?
            // The order under whose key this one was sent came to nothing.
            .ok_or(Unavailable::Restarted)?;
        Ok(Placed { order, replayed })
    }

    fn request(&self, order: PlaceOrder) -> Request<Order> {
        let PlaceOrder {
            user_id,
            lines,
            idempotency,
            wait: _,
        } = order;
        let key = idempotency.as_ref().map(|idempotency| KeyClaim {
            text: format!("order:{user_id}:{}", idempotency.key),
            fingerprint: idempotency.fingerprint,
            lifetime: Some(KEY_LIFETIME),
        });
        let deadline = self.clock.now().plus(RESERVATION_DEADLINE);
        let mut request = Request::new(OrderDraft {
            user_id,
            lines,
            deadline,
            idempotency,
        });
        request.key = key;
        request
    }

    /// An order once it is settled, or as it is when the wait ends.
    async fn settled(&self, id: OrderId, wait: Duration) -> Result<Option<Order>, Unavailable> {
        let begun = Instant::now();
        loop {
            let stored = self.get(id).await?;
            let left = wait.saturating_sub(begun.elapsed());
            let is_settled = |order: &Order| order.status.is_settled();
            if left.is_zero() || stored.as_ref().is_none_or(is_settled) {
                return Ok(stored);
            }
            let watched = self.shards.watch(id.shard(), id.get(), left).await;
            if watched.is_some() {
                return Ok(watched);
            }
            // Settled meanwhile, or the shard is being recovered: look again.
            tokio::time::sleep(SETTLED_POLL.min(wait.saturating_sub(begun.elapsed()))).await;
        }
    }

    /// An order, whoever's it is.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn get(&self, id: OrderId) -> Result<Option<Order>, Unavailable> {
        self.views.order(id).await.map_err(storage)
    }

    /// A list of orders.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn list(&self, query: &OrderQuery) -> Result<Page<Order>, Unavailable> {
        self.views.orders(query).await.map_err(storage)
    }

    /// Orders whose deadline has passed without their being settled, newest first.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn list_stuck(&self, query: &OrderQuery) -> Result<Page<Order>, Unavailable> {
        self.list(&OrderQuery {
            overdue_at: Some(self.clock.now()),
            ..*query
        })
        .await
    }

    /// Calls an order off. One that is called off already stays so, which is no error.
    ///
    /// # Errors
    /// [`OrdersError::NotFound`], [`OrdersError::NotCancellable`].
    pub async fn cancel(&self, id: OrderId, by: CancelledBy) -> Result<Order, OrdersError> {
        let request = Request::existing(id.get(), OrderCommand::CancelOrder(by));
        let owner = self
            .topology
            .owner_of_order(id)
            .ok_or(OrdersError::NotFound)?;
        match self.shards.execute(owner.shard, request).await? {
            Executed::Done(order) => Ok(order),
            Executed::KeyTaken { .. } | Executed::KeyFree => Err(OrdersError::KeyReused),
        }
    }

    /// The history of an order that exists after entry number `after_seq`, at most `limit` entries.
    ///
    /// # Errors
    /// [`OrdersError::HistoryArchived`] if the next entry is no longer in the journal, [`OrdersError::Unavailable`].
    pub async fn history(
        &self,
        id: OrderId,
        after_seq: u64,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, OrdersError> {
        let records = self
            .views
            .order_history(id, after_seq, limit)
            .await
            .map_err(storage)?;
        // An order has a first entry, and its entries have no gaps.
        let next = records.first().map(|record| record.seq);
        if next.is_some_and(|seq| seq > after_seq + 1) || (next.is_none() && after_seq == 0) {
            return Err(OrdersError::HistoryArchived);
        }
        records
            .into_iter()
            .filter_map(|record| {
                match proto::decode(&record.event_type, &record.payload) {
                    Ok(Event::Order(event)) => Some(Ok(HistoryEntry {
                        seq: record.seq,
                        event_type: record.event_type,
                        time: record.time,
                        event,
                    })),
                    Ok(_) => None,
                    Err(error) => {
                        tracing::error!(order.id = %id, record.seq, %error, "a record cannot be decoded");
                        Some(Err(Unavailable::Storage.into()))
                    }
                }
            })
            .collect()
    }

    /// Like [`Orders::history`], but waits up to `wait` for there to be an entry. For live streams.
    ///
    /// # Errors
    /// As [`Orders::history`].
    pub async fn next_history(
        &self,
        id: OrderId,
        after_seq: u64,
        limit: usize,
        wait: Duration,
    ) -> Result<Vec<HistoryEntry>, OrdersError> {
        let begun = Instant::now();
        loop {
            let entries = self.history(id, after_seq, limit).await?;
            if !entries.is_empty() || begun.elapsed() >= wait {
                return Ok(entries);
            }
            tokio::time::sleep(HISTORY_POLL.min(wait.saturating_sub(begun.elapsed()))).await;
        }
    }
}
