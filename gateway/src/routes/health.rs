//! Whether the program lives, and whether it can serve, for whoever starts, stops and balances it.

use actix_web::{HttpResponse, get, web::Data};
use actors::{Shop, system::Phase};
use utoipa_actix_web::service_config::ServiceConfig;

use super::private;
use crate::{
    dto::{
        Readiness,
        system::{Health, Ready},
    },
    problem::{Code, More, NotReadyBody, Problem},
};

/// Seconds after which readiness is worth another look.
const RETRY_AFTER_SECS: u64 = 1;

pub(super) fn register(config: &mut ServiceConfig<'_>) {
    config.service(healthz).service(readyz);
}

/// Is it alive
///
/// 200 as long as the process answers at all.
#[utoipa::path(
    tag = "health",
    responses((status = 200, description = "It lives.", body = Health)),
)]
#[get("/healthz")]
async fn healthz() -> HttpResponse {
    private(&Health { status: "alive" })
}

/// Is it ready
///
/// 200 only while every shard is served, and not while starting, recovering or stopping.
#[utoipa::path(
    tag = "health",
    responses(
        (status = 200, description = "Every shard is served.", body = Ready),
        (status = 503, description = "Some shard is not served.", body = NotReadyBody, content_type = "application/problem+json", headers(("Retry-After" = u64, description = "Seconds."))),
    ),
)]
#[get("/readyz")]
async fn readyz(shop: Data<Shop>) -> Result<HttpResponse, Problem> {
    let readiness = shop.system.readiness();
    if readiness.phase == Phase::Serving {
        return Ok(private(&Ready {
            status: "ready",
            readiness: readiness.into(),
        }));
    }
    let phase = readiness.phase.as_str();
    Err(
        Problem::new(Code::Unavailable, format!("the shop is {phase}"))
            .retry_after(RETRY_AFTER_SECS)
            .because(format!("not ready: {phase}"))
            .with(More::NotReady(Readiness::from(readiness))),
    )
}
