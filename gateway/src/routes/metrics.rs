//! Metrics, for Prometheus.

use actix_web::{HttpRequest, HttpResponse, get, http::header, web::Data};
use actors::{Shop, metrics::CONTENT_TYPE};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    edge::Edge,
    identity::admin_of,
    metrics::HttpExposition,
    problem::{Problem, ProblemBody},
};

pub(crate) fn register(config: &mut ServiceConfig<'_>) {
    config.service(metrics);
}

/// Read metrics
///
/// Of the process that answers, as OpenMetrics text, which Prometheus reads. Anyone may, unless the configuration says
/// otherwise (`metrics.public`): then administrators.
#[utoipa::path(
    tag = "health",
    responses(
        (status = 200, description = "Counters, gauges and histograms.", body = String, content_type = "application/openmetrics-text"),
        (status = 401, description = "`unauthorized`: the configuration wants an administrator's token.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`: the configuration wants an administrator's token.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
#[get("/metrics")]
async fn metrics(
    request: HttpRequest,
    shop: Data<Shop>,
    edge: Data<Edge>,
) -> Result<HttpResponse, Problem> {
    if !edge.config.metrics_public {
        admin_of(&request)?;
    }
    let http = HttpExposition(edge.meters.clone());
    let text = shop
        .system
        .metrics(|registry| registry.register_collector(Box::new(http)));
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, CONTENT_TYPE))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(text.await))
}
