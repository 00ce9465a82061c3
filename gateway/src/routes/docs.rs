//! The API's own description, for programs and for people. Nothing is loaded from another host.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse, get,
    http::header::{self, HeaderName, HeaderValue},
    web::{Data, Path},
};
use utoipa_actix_web::service_config::ServiceConfig;
use utoipa_swagger_ui::Config;

use crate::{edge::Edge, etag, problem::Problem};

/// The pages run their own scripts and styles, talk to this host, and are framed by nobody. The inline styles are
/// Swagger UI's.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

pub(super) fn register(config: &mut ServiceConfig<'_>) {
    config
        .service(openapi_json)
        .service(docs)
        .service(docs_file);
}

/// This document
#[utoipa::path(
    tag = "docs",
    responses(
        (status = 200, description = "The OpenAPI document.", body = serde_json::Value),
        (status = 304, description = "The document is the one that `If-None-Match` names."),
    ),
)]
#[get("/openapi.json")]
async fn openapi_json(request: HttpRequest, edge: Data<Edge>) -> HttpResponse {
    etag::tagged(&request, edge.document.clone())
}

/// The API as a page
#[utoipa::path(
    tag = "docs",
    responses((status = 308, description = "To `/docs/`.", headers(("Location" = String, description = "`/docs/`.")))),
)]
#[get("/docs")]
async fn docs() -> HttpResponse {
    HttpResponse::PermanentRedirect()
        .insert_header((header::LOCATION, HeaderValue::from_static("/docs/")))
        .finish()
}

/// A file of the API's page
#[utoipa::path(
    tag = "docs",
    params(("file" = String, Path, description = "Nothing for the page itself.", example = "index.html")),
    responses((status = 200, description = "The file.", body = String, content_type = "text/html")),
)]
#[get("/docs/{file:[^/]*}")]
async fn docs_file(file: Path<String>) -> Result<HttpResponse, Problem> {
    let config = Config::from("/openapi.json")
        .try_it_out_enabled(true)
        .validator_url("none");
    let file = utoipa_swagger_ui::serve(&file, Arc::new(config))
        .map_err(|error| Problem::internal(error.to_string()))?
        .ok_or_else(|| Problem::not_found("page"))?;
    let mut answer = HttpResponse::Ok();
    if file.gzpipped {
        answer.insert_header((header::CONTENT_ENCODING, HeaderValue::from_static("gzip")));
    }
    Ok(answer
        .insert_header((header::CONTENT_TYPE, file.content_type))
        .insert_header((
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(CONTENT_SECURITY_POLICY),
        ))
        .insert_header((
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .insert_header((
            HeaderName::from_static("referrer-policy"),
            HeaderValue::from_static("no-referrer"),
        ))
        .insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-cache")))
        .body(file.bytes.into_owned()))
}
