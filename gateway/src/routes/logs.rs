//! The activity log.

use actix_web::{HttpResponse, get, web::Data};
use actors::Shop;
use storage::{ActivityEntry, ActivityQuery};
use utoipa_actix_web::service_config::ServiceConfig;

use super::private;
use crate::{
    cursor::BeforeEntry,
    dto::{
        List,
        logs::{LogEntry, LogList},
    },
    identity::Admin,
    input::Params,
    problem::Problem,
};

pub(super) fn register(config: &mut ServiceConfig<'_>) {
    config.service(list_logs);
}

/// Search the activity log
///
/// Everything that happened in the shop.
#[utoipa::path(
    tag = "logs",
    security(("bearer" = ["admin"])),
    params(LogList),
    responses((status = 200, description = "A page of entries, newest first.", body = List<LogEntry>)),
)]
#[get("/v1/logs")]
async fn list_logs(
    _: Admin,
    params: Params<LogList>,
    shop: Data<Shop>,
) -> Result<HttpResponse, Problem> {
    let Params(params) = params;
    let page = shop.logs.search(&ActivityQuery::from(params)).await?;
    Ok(private(&List::<LogEntry>::of(
        page,
        |entry: &ActivityEntry| BeforeEntry(entry.id),
    )))
}
