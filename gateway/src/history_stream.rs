//! An order's history as server-sent events, while it happens.

use std::{sync::Arc, time::Duration};

use actix_web::{
    Error, HttpResponse,
    http::header::{self, HeaderValue},
    web::Bytes,
};
use actors::{Shop, orders::HistoryEntry};
use domain::{
    OrderId,
    orders::{Order, OrderEvent},
};
use futures::{Stream, stream};
use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use crate::{
    dto::history::OrderHistoryEntry,
    edge::Edge,
    problem::{Code, Problem},
};

/// Entries that are fetched at a time.
const ENTRIES_MAX: usize = 100;
/// How long one look for news waits; between two looks it is seen whether the stream has to end.
const LOOK: Duration = Duration::from_secs(1);
/// How long a stream may be silent, lest something on the way takes it for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a settled order may be without news before its stream ends. A confirmed order can still be cancelled.
const SETTLED_QUIET: Duration = Duration::from_secs(60);
/// How long a stream goes on at most: an access token is good for that long, and whoever resumes shows a new one.
const LIFETIME: Duration = actors::auth::ACCESS_TOKEN_LIFETIME;
/// How long a client is to wait before it resumes.
const RETRY: Duration = Duration::from_secs(3);

/// The stream of an order's events after the one with that number.
pub(crate) fn answer(
    edge: &Edge,
    shop: &Shop,
    order: &Order,
    after_seq: u64,
) -> Result<HttpResponse, Problem> {
    let permit = Arc::clone(&edge.streams).try_acquire_owned().map_err(|_| {
        Problem::new(
            Code::Unavailable,
            "too many streams are open; try again later, or read the history as JSON",
        )
        .retry_after(RETRY.as_secs())
        .because("too many streams are open")
    })?;
    let now = Instant::now();
    let stream = HistoryStream {
        shop: shop.clone(),
        order_id: order.id,
        after_seq,
        is_settled: order.status.is_settled(),
        is_new: true,
        last_news: now,
        last_sent: now,
        ends_at: now + LIFETIME,
        _permit: permit,
    };
    Ok(HttpResponse::Ok()
        .insert_header((
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/event-stream"),
        ))
        .insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .streaming(stream.into_stream()))
}

struct HistoryStream {
    shop: Shop,
    order_id: OrderId,
    after_seq: u64,
    is_settled: bool,
    is_new: bool,
    last_news: Instant,
    last_sent: Instant,
    ends_at: Instant,
    /// Given back when the stream ends, whoever ends it.
    _permit: OwnedSemaphorePermit,
}

impl HistoryStream {
    fn into_stream(self) -> impl Stream<Item = Result<Bytes, Error>> {
        stream::unfold(self, |mut stream| async move {
            let text = stream.next_text().await?;
            Some((Ok(text.into()), stream))
        })
    }

    /// What is sent next; `None` at the end.
    async fn next_text(&mut self) -> Option<String> {
        if self.is_new {
            self.is_new = false;
            return Some(format!("retry: {}\n\n", RETRY.as_millis()));
        }
        loop {
            if self.is_over() {
                return None;
            }
            let look =
                self.shop
                    .orders
                    .next_history(self.order_id, self.after_seq, ENTRIES_MAX, LOOK);
            // A stream that cannot go on ends; its client resumes it.
            let entries = look.await.ok()?;
            if !entries.is_empty() {
                return Some(self.tell(entries));
            }
            if self.last_sent.elapsed() >= HEARTBEAT {
                self.last_sent = Instant::now();
                return Some(": still here\n\n".to_owned());
            }
        }
    }

    fn tell(&mut self, entries: Vec<HistoryEntry>) -> String {
        self.last_news = Instant::now();
        self.last_sent = self.last_news;
        let mut text = String::new();
        for entry in entries {
            self.after_seq = self.after_seq.max(entry.seq);
            self.is_settled |= settles(&entry.event);
            text.push_str(&event(entry.into()));
        }
        text
    }

    fn is_over(&self) -> bool {
        let is_quiet = self.is_settled && self.last_news.elapsed() >= SETTLED_QUIET;
        is_quiet || Instant::now() >= self.ends_at || self.shop.system.is_stopping()
    }
}

fn settles(event: &OrderEvent) -> bool {
    match event {
        OrderEvent::OrderConfirmed { .. }
        | OrderEvent::OrderRejected { .. }
        | OrderEvent::OrderCancelled { .. }
        | OrderEvent::OrderExpired { .. } => true,
        OrderEvent::OrderCreated { .. }
        | OrderEvent::AnswerRecorded { .. }
        | OrderEvent::LateReservationReleased { .. } => false,
    }
}

/// One event. JSON has no line feeds of its own here, so one `data` line holds it.
fn event(entry: OrderHistoryEntry) -> String {
    // An entry of numbers, texts and lists always has a JSON form.
    let data = serde_json::to_string(&entry).unwrap_or_default();
    format!(
        "id: {}\nevent: {}\ndata: {data}\n\n",
        entry.seq, entry.event_type
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use domain::{Timestamp, UserId, orders::CancelledBy};

    use super::*;

    #[test]
    fn an_event_is_one_block_with_its_number() {
        let entry = HistoryEntry {
            seq: 3,
            event_type: "order.cancelled.v1".to_owned(),
            time: Timestamp::from_millis(0),
            event: OrderEvent::OrderCancelled {
                user_id: UserId::new(7).unwrap(),
                by: CancelledBy::Customer,
                releases: Vec::new(),
            },
        };
        assert_eq!(
            event(entry.into()),
            "id: 3\nevent: order.cancelled.v1\ndata: {\"seq\":3,\"type\":\"order.cancelled.v1\",\
             \"time\":\"1970-01-01T00:00:00.000Z\",\"data\":{\"by\":\"customer\",\"released\":[]}}\n\n"
        );
    }
}
