//! One request and its answer, over a connection that is opened again when it has broken.

use std::{
    borrow::Cow,
    io,
    time::{Duration, Instant},
};

use serde::Deserialize;
use tokio::time::timeout;

use super::{
    measure::{Outcome, Times},
    requests::Buffers,
};
use crate::{
    api::is_for_now,
    http_client::{Connection, Place},
};

/// The longest that an answer is waited for: well beyond the five seconds that an order waits for its outcome.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);
/// The longest that a connection is waited for.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

/// A connection, and the request that is sent over it next.
#[derive(Default)]
pub(super) struct Line {
    connection: Option<Connection>,
    pub(super) buffers: Buffers,
}

/// An answer, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) status: u16,
    /// The order that it is about.
    pub(super) order_id: Option<u64>,
    /// The code of a problem.
    pub(super) code: Option<String>,
    pub(super) retry_after: Option<Duration>,
}

/// The body of an answer about an order, a problem included.
#[derive(Debug, Default, Deserialize)]
struct Body<'a> {
    id: Option<u64>,
    order_id: Option<u64>,
    #[serde(borrow)]
    code: Option<Cow<'a, str>>,
}

impl Line {
    /// Connects unless there is a connection that is good.
    pub(super) async fn ensure_open(&mut self, place: &Place) -> io::Result<&mut Connection> {
        if self.connection.as_ref().is_some_and(|it| !it.is_open()) {
            self.connection = None;
        }
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => timeout(CONNECT_TIME_MAX, Connection::open(place)).await??,
        };
        Ok(self.connection.insert(connection))
    }

    /// Sends what was written into its buffers. `has_order` says whether the answer's body is read.
    pub(super) async fn exchange(
        &mut self,
        place: &Place,
        due: Instant,
        has_order: bool,
    ) -> (Times, Result<Told, String>) {
        if let Err(error) = self.ensure_open(place).await {
            let now = Instant::now();
            let times = Times {
                due,
                sent: now,
                answered: now,
            };
            return (times, Err(format!("no connection: {error}")));
        }
        let sent = Instant::now();
        let answer = match &mut self.connection {
            Some(connection) => {
                timeout(ANSWER_TIME_MAX, connection.ask(&self.buffers.request)).await
            }
            None => Ok(Err(io::ErrorKind::NotConnected.into())),
        };
        let answered = Instant::now();
        let told = match answer {
            Ok(Ok(answer)) => {
                let body: Body<'_> = if has_order || answer.status >= 400 {
                    serde_json::from_slice(answer.body).unwrap_or_default()
                } else {
                    Body::default()
                };
                Ok(Told {
                    status: answer.status,
                    order_id: body.id.or(body.order_id),
                    code: body.code.map(Cow::into_owned),
                    retry_after: answer.retry_after_secs.map(Duration::from_secs),
                })
            }
            Ok(Err(error)) => Err(format!("no answer: {error}")),
            Err(_) => Err(format!("no answer within {ANSWER_TIME_MAX:?}")),
        };
        if told.is_err() {
            self.connection = None;
        }
        let times = Times {
            due,
            sent,
            answered,
        };
        (times, told)
    }
}

impl Told {
    /// How an order was answered.
    pub(super) fn outcome_of_order(&self) -> Outcome {
        let is_sold_out = self.code.as_deref() == Some("out_of_stock");
        match (self.status, self.order_id) {
            (201, Some(_)) => Outcome::Confirmed,
            (202, Some(_)) => Outcome::Accepted,
            (409, Some(_)) if is_sold_out => Outcome::SoldOut,
            (409, None) if is_sold_out => Outcome::SoldOutAtEdge,
            (status, _) if is_for_now(status) => Outcome::Refused,
            _ => Outcome::Failed,
        }
    }

    /// How anything else was answered.
    pub(super) const fn outcome(&self) -> Outcome {
        match self.status {
            200 => Outcome::Done,
            408 | 429 | 503 => Outcome::Refused,
            _ => Outcome::Failed,
        }
    }

    /// What it is, as an error.
    pub(super) fn error(&self) -> String {
        let code = self.code.as_deref().unwrap_or("");
        match (self.status, self.order_id) {
            (201 | 202, None) => format!("{} without an order", self.status),
            (status, _) => format!("{status} {code}").trim_end().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outcome_of_an_order_is_in_its_answer() {
        let told = |status, order_id, code: &str| Told {
            status,
            order_id,
            code: (!code.is_empty()).then(|| code.to_owned()),
            retry_after: None,
        };
        for (told, outcome) in [
            (told(201, Some(1), ""), Outcome::Confirmed),
            (told(202, Some(1), ""), Outcome::Accepted),
            (told(409, Some(1), "out_of_stock"), Outcome::SoldOut),
            (told(409, None, "out_of_stock"), Outcome::SoldOutAtEdge),
            (told(503, None, "unavailable"), Outcome::Refused),
            (told(429, None, "too_many_requests"), Outcome::Refused),
            (told(201, None, ""), Outcome::Failed),
            (told(409, Some(1), "expired"), Outcome::Failed),
            (told(500, None, "internal"), Outcome::Failed),
        ] {
            assert_eq!(told.outcome_of_order(), outcome, "{told:?}");
        }
        assert_eq!(told(201, None, "").error(), "201 without an order");
        assert_eq!(told(500, None, "internal").error(), "500 internal");
        assert_eq!(told(502, None, "").error(), "502");
    }
}
