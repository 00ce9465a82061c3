//! `stampede.v1.LogService`.

use domain::{OrderId, Timestamp, ids::ID_BOUND};
use proto::v1::{self, log_service_server::LogService};
use storage::{ActivityEntry, ActivityQuery, Level};
use tonic::{Request, Response, Status, async_trait};

use crate::{
    edge::{
        Refusal,
        cursor::BeforeEntry,
        rules::{self, FILTER_LENGTH_MAX, Flaw, FlawCode, SEARCH_LENGTH_MAX},
    },
    grpc::{Caller, Edge, PageAsked, Violations, page_info, read},
};

/// The service.
pub(crate) struct LogGrpc(pub(crate) Edge);

#[async_trait]
impl LogService for LogGrpc {
    async fn list_logs(
        &self,
        request: Request<v1::ListLogsRequest>,
    ) -> Result<Response<v1::ListLogsResponse>, Status> {
        let shop = &self.0.shop;
        Caller::admin(request.metadata(), &shop.auth)?;
        let query = read(|found| list(found, request.into_inner()))?;
        let page = shop.logs.search(&query).await.map_err(Refusal::from)?;
        Ok(Response::new(v1::ListLogsResponse {
            page: Some(page_info(&page, |entry: &ActivityEntry| {
                BeforeEntry(entry.id)
            })),
            entries: page.rows.into_iter().map(entry).collect(),
        }))
    }
}

fn list(found: &mut Violations, message: v1::ListLogsRequest) -> Option<ActivityQuery> {
    let page = PageAsked::<BeforeEntry>::read(found, message.page);
    let level = found.optional("level", message.level, level);
    let name = |text: String| rules::plain(&text, FILTER_LENGTH_MAX);
    let service = found.optional("service", message.service, name);
    let event_type = found.optional("type", message.r#type, name);
    let order_id = found.optional("order_id", message.order_id, |number| {
        let detail = format!("must be between 1 and {}", ID_BOUND - 1);
        OrderId::new(number).ok_or_else(|| Flaw::new(FlawCode::OutOfRange, detail))
    });
    let text = found.optional("query", message.query, |text| {
        rules::plain(&text, SEARCH_LENGTH_MAX)
    });
    let page = page?;
    Some(ActivityQuery {
        level: level?.flatten(),
        service: service?,
        event_type: event_type?,
        order_id: order_id?,
        since: message.since_ms.map(Timestamp::from_millis),
        until: message.until_ms.map(Timestamp::from_millis),
        text: text?.filter(|text| !text.is_empty()),
        before: page.position.map(|BeforeEntry(id)| id),
        limit: page.limit,
    })
}

/// A level to filter by; `None` where it was left out.
fn level(number: i32) -> Result<Option<Level>, Flaw> {
    match v1::LogLevel::try_from(number) {
        Ok(v1::LogLevel::Unspecified) => Ok(None),
        Ok(v1::LogLevel::Info) => Ok(Some(Level::Info)),
        Ok(v1::LogLevel::Warn) => Ok(Some(Level::Warn)),
        Ok(v1::LogLevel::Error) => Ok(Some(Level::Error)),
        // Nothing is written at that level.
        Ok(v1::LogLevel::Debug) | Err(_) => Err(Flaw::new(
            FlawCode::InvalidFormat,
            "must be one of info, warn, error",
        )),
    }
}

fn entry(entry: ActivityEntry) -> v1::LogEntry {
    let level = match entry.level {
        Level::Info => v1::LogLevel::Info,
        Level::Warn => v1::LogLevel::Warn,
        Level::Error => v1::LogLevel::Error,
    };
    v1::LogEntry {
        id: entry.id,
        time_ms: entry.time.as_millis(),
        level: level.into(),
        service: entry.service,
        r#type: entry.event_type,
        order_id: entry.order_id.map(OrderId::get),
        message: entry.message,
    }
}
