//! Faults on demand, for administrators of shops whose configuration allows it.

use actix_web::{HttpResponse, delete, post, web::Data};
use actors::Shop;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    dto::faults::{NewFault, WrittenFault},
    identity::Admin,
    input::Body,
    problem::{Problem, ProblemBody},
};

pub(super) fn register(config: &mut ServiceConfig<'_>) {
    config.service(inject).service(clear);
}

/// Inject a fault
///
/// To see what becomes of it: orders are never lost and never oversold, whatever goes wrong. Only where the
/// configuration says `faults.allowed`; every node that is concerned has to allow it. `GET /v1/system` shows what is in
/// force.
#[utoipa::path(
    tag = "system",
    security(("bearer" = ["admin"])),
    request_body = WrittenFault,
    responses(
        (status = 204, description = "The fault is in force."),
        (status = 403, description = "`faults_not_allowed`: the configuration does not allow it.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`: no node of that name was heard of lately.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
#[post("/v1/system/faults")]
async fn inject(_: Admin, body: Body<NewFault>, shop: Data<Shop>) -> Result<HttpResponse, Problem> {
    let Body(NewFault { fault, node }) = body;
    shop.system.inject(fault, node.as_deref()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// End all faults
///
/// Those that were injected, in every node.
#[utoipa::path(
    tag = "system",
    security(("bearer" = ["admin"])),
    responses(
        (status = 204, description = "No fault is in force."),
        (status = 403, description = "`faults_not_allowed`: the configuration does not allow it.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
#[delete("/v1/system/faults")]
async fn clear(_: Admin, shop: Data<Shop>) -> Result<HttpResponse, Problem> {
    shop.system.clear_faults().await?;
    Ok(HttpResponse::NoContent().finish())
}
