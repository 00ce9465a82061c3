//! The shop itself, for administrators.

use actix_web::{
    HttpResponse, get, post,
    web::{Data, Path},
};
use actors::Shop;
use utoipa_actix_web::service_config::ServiceConfig;

use super::private;
use crate::{
    dto::system::System,
    identity::Admin,
    problem::{Problem, ProblemBody},
};

pub(super) fn register(config: &mut ServiceConfig<'_>) {
    config
        .service(get_system)
        .service(retry_parked)
        .service(discard_parked);
}

/// Look at the shop itself
///
/// Nodes, shards and their owners, actors by kind, restarts, and parked commands.
#[utoipa::path(
    tag = "system",
    security(("bearer" = ["admin"])),
    responses((status = 200, description = "Everything about the shop itself.", body = System)),
)]
#[get("/v1/system")]
async fn get_system(_: Admin, shop: Data<Shop>) -> Result<HttpResponse, Problem> {
    let status = shop.system.status().await?;
    Ok(private(&System::from(status)))
}

/// Retry a parked command
///
/// Handles it once more. If that works, it is no longer parked.
#[utoipa::path(
    tag = "system",
    security(("bearer" = ["admin"])),
    params(("id" = String, Path, description = "The parked command, as `GET /v1/system` names it.", example = "products-17")),
    responses(
        (status = 204, description = "It is done."),
        (status = 409, description = "`parked_not_first`: another one about the same order comes first. `parked_failed_again`: it stays parked.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
#[post("/v1/system/parked/{id}/retry")]
async fn retry_parked(
    _: Admin,
    id: Path<String>,
    shop: Data<Shop>,
) -> Result<HttpResponse, Problem> {
    shop.system.retry_parked(&id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Discard a parked command
///
/// Gives it up for good.
#[utoipa::path(
    tag = "system",
    security(("bearer" = ["admin"])),
    params(("id" = String, Path, description = "The parked command, as `GET /v1/system` names it.", example = "products-17")),
    responses(
        (status = 204, description = "It is gone."),
        (status = 409, description = "`parked_not_first`: another one about the same order comes first.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
#[post("/v1/system/parked/{id}/discard")]
async fn discard_parked(
    _: Admin,
    id: Path<String>,
    shop: Data<Shop>,
) -> Result<HttpResponse, Problem> {
    shop.system.discard_parked(&id).await?;
    Ok(HttpResponse::NoContent().finish())
}
