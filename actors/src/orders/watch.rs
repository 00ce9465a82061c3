//! An order's history as a stream, while it happens. It ends when nothing more can come.

use std::{collections::VecDeque, panic::AssertUnwindSafe, time::Duration};

use domain::{
    OrderId,
    orders::{LineOutcome, Order, OrderStatus},
};
use futures::{
    FutureExt,
    stream::{self, BoxStream, StreamExt},
};
use proto::v1::WatchOrderEventsResponse;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout_at},
};
use tonic::Status;

use super::{HistoryEntry, grpc::recorded};
use crate::{
    auth::{ACCESS_TOKEN_LIFETIME, TokenError},
    edge::Refusal,
    grpc::{Deadline, Edge, deadline_exceeded, internal},
};

/// Entries that are fetched at a time.
const ENTRIES_MAX: usize = 100;
/// How long one look for news waits; between two looks it is seen whether the stream has to end.
const LOOK: Duration = Duration::from_secs(1);
/// How long an order may be settled and without news before its stream ends, if more could still come: a confirmed
/// order can be cancelled, and one that was given up hears late answers.
const SETTLED_QUIET: Duration = Duration::from_secs(60);

/// The events of an order after the one with that number.
pub(super) fn events(
    edge: Edge,
    order: &Order,
    after_seq: u64,
    deadline: Deadline,
) -> Result<BoxStream<'static, Result<WatchOrderEventsResponse, Status>>, Status> {
    let now = Instant::now();
    let watch = Watch {
        _permit: edge.stream_permit()?,
        edge,
        order_id: order.id,
        after_seq,
        is_settled: order.status.is_settled(),
        is_final: is_final(order),
        last_news: now,
        // Whoever resumes shows a new token.
        token_ends: now + ACCESS_TOKEN_LIFETIME,
        deadline,
        waiting: VecDeque::new(),
    };
    let entries = stream::try_unfold(watch, |mut watch| async move {
        // Beyond the guard of the call, which ends where the stream begins.
        let next = AssertUnwindSafe(watch.next()).catch_unwind().await;
        let entry = next.unwrap_or_else(|_| Err(internal()))?;
        Ok(entry.map(|entry| (entry, watch)))
    });
    let answers = entries.map(|entry| {
        entry.map(|entry| WatchOrderEventsResponse {
            event: Some(recorded(entry)),
        })
    });
    Ok(answers.boxed())
}

struct Watch {
    edge: Edge,
    order_id: OrderId,
    after_seq: u64,
    is_settled: bool,
    /// Whether there is nothing beyond what is committed already.
    is_final: bool,
    last_news: Instant,
    token_ends: Instant,
    deadline: Deadline,
    /// Read and not yet told.
    waiting: VecDeque<HistoryEntry>,
    /// Given back when the stream ends, whoever ends it.
    _permit: OwnedSemaphorePermit,
}

impl Watch {
    /// The next entry; `None` when nothing more can come.
    async fn next(&mut self) -> Result<Option<HistoryEntry>, Status> {
        loop {
            if let Some(entry) = self.waiting.pop_front() {
                self.after_seq = self.after_seq.max(entry.seq);
                return Ok(Some(entry));
            }
            self.end_if_over()?;
            // What is final was so before this look, so a look that finds nothing has seen all.
            let was_final = self.is_final;
            let entries = self.look().await?;
            if entries.is_empty() {
                let is_quiet = self.is_settled && self.last_news.elapsed() >= SETTLED_QUIET;
                if was_final || is_quiet {
                    return Ok(None);
                }
                continue;
            }
            self.last_news = Instant::now();
            self.waiting = entries.into();
            self.see_order().await?;
        }
    }

    async fn look(&self) -> Result<Vec<HistoryEntry>, Status> {
        let wait = if self.is_final { Duration::ZERO } else { LOOK };
        let orders = &self.edge.shop.orders;
        let look = orders.next_history(self.order_id, self.after_seq, ENTRIES_MAX, wait);
        let latest = Instant::now() + ACCESS_TOKEN_LIFETIME;
        match timeout_at(self.deadline.or_earlier(latest), look).await {
            Ok(entries) => Ok(entries.map_err(Refusal::from)?),
            Err(_) => Err(deadline_exceeded()),
        }
    }

    async fn see_order(&mut self) -> Result<(), Status> {
        if let Some(order) = self
            .edge
            .shop
            .orders
            .get(self.order_id)
            .await
            .map_err(Refusal::from)?
        {
            self.is_settled = order.status.is_settled();
            self.is_final = is_final(&order);
        }
        Ok(())
    }

    /// Why the stream has to end though more may come.
    fn end_if_over(&self) -> Result<(), Status> {
        if self.deadline.has_passed() {
            Err(deadline_exceeded())
        } else if Instant::now() >= self.token_ends {
            Err(TokenError::Expired.into())
        } else if self.edge.is_stopping() {
            Err(self
                .edge
                .later("this node is stopping; resume the stream at another one"))
        } else {
            Ok(())
        }
    }
}

/// Whether nothing can happen to the order any more: it is not fulfilled, and no product's answer is open.
fn is_final(order: &Order) -> bool {
    let is_over = matches!(
        order.status,
        OrderStatus::Rejected | OrderStatus::Cancelled | OrderStatus::Expired
    );
    let is_open = |outcome: &LineOutcome| *outcome == LineOutcome::Pending;
    is_over && !order.lines.iter().any(|line| is_open(&line.outcome))
}
