//! The activity log.

use domain::{OrderId, Timestamp};
use serde::Serialize;
use storage::{ActivityEntry, ActivityQuery, Level};
use utoipa::{IntoParams, ToSchema, openapi::Object};

use super::{Time, schema::one_of};
use crate::{
    cursor::BeforeEntry,
    input::{FromQuery, Pairs},
    problem::FaultCode,
};

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": 31,
    "time": "2025-01-31T09:30:00.012Z",
    "level": "info",
    "service": "orders",
    "type": "order.confirmed.v1",
    "order_id": 3710193762701312_u64,
    "message": "order 3710193762701312 is confirmed for 99.98 EUR"
}))]
pub(crate) struct LogEntry {
    /// Its number, growing with the order of arrival.
    id: u64,
    /// When it happened.
    time: Time,
    /// How much attention it deserves.
    #[schema(schema_with = levels)]
    level: &'static str,
    /// The part of the shop that says so: `orders`, `products`, `auth`, `notifications`, `node`.
    service: String,
    /// What kind of event: `order.created.v1` and the like.
    #[serde(rename = "type")]
    event_type: String,
    /// The order it is about; null if it is about none.
    #[schema(required)]
    order_id: Option<u64>,
    /// One line for people.
    message: String,
}

impl From<ActivityEntry> for LogEntry {
    fn from(entry: ActivityEntry) -> Self {
        Self {
            id: entry.id,
            time: entry.time.into(),
            level: entry.level.as_str(),
            service: entry.service,
            event_type: entry.event_type,
            order_id: entry.order_id.map(OrderId::get),
            message: entry.message,
        }
    }
}

fn levels() -> Object {
    one_of(
        "How much attention it deserves.",
        Level::ALL.map(Level::as_str),
    )
}

/// Which entries to list, newest first.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogList {
    /// Entries of a page.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200, default = 50)]
    limit: usize,
    /// The `next_cursor` of the page before.
    #[param(rename = "cursor", value_type = Option<String>)]
    before: Option<BeforeEntry>,
    /// Only this level.
    #[param(schema_with = levels, required = false)]
    level: Option<Level>,
    /// Only what this part of the shop says.
    #[param(max_length = 64)]
    service: Option<String>,
    /// Only this type of event.
    #[param(rename = "type", max_length = 64)]
    event_type: Option<String>,
    /// Only about this order.
    #[param(value_type = Option<u64>)]
    order_id: Option<OrderId>,
    /// Only what happened at this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Only what happened before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// Only messages that contain this, whatever its case.
    #[param(max_length = 200)]
    q: Option<String>,
}

impl FromQuery for LogList {
    fn read(pairs: &mut Pairs) -> Option<Self> {
        let (limit, before) = (pairs.limit(), pairs.cursor());
        let level = pairs.take("level", |text| {
            let detail = "must be one of info, warn, error";
            Level::from_name(text).ok_or((FaultCode::InvalidFormat, detail.into()))
        });
        let (service, event_type) = (pairs.name("service"), pairs.name("type"));
        let order_id = pairs.order("order_id");
        let (since, until) = (pairs.time("since"), pairs.time("until"));
        let q = pairs.search("q");
        Some(Self {
            limit: limit?,
            before: before?,
            level: level?,
            service: service?,
            event_type: event_type?,
            order_id: order_id?,
            since: since?,
            until: until?,
            q: q?,
        })
    }
}

impl From<LogList> for ActivityQuery {
    fn from(list: LogList) -> Self {
        Self {
            level: list.level,
            service: list.service,
            event_type: list.event_type,
            order_id: list.order_id,
            since: list.since,
            until: list.until,
            text: list.q,
            before: list.before.map(|BeforeEntry(id)| id),
            limit: list.limit,
        }
    }
}
