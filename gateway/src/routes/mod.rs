//! What can be called, one file per area.
//!
//! A route's `#[utoipa::path]` stands above the macro that gives it its method and path, and [`register`] hands both to
//! the router and to the OpenAPI document in one call.

mod auth;
mod docs;
mod faults;
mod health;
mod legacy;
mod logs;
pub(crate) mod metrics;
mod notifications;
mod orders;
mod products;
mod system;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method,
        header::{self, HeaderName, HeaderValue},
    },
};
use serde::Serialize;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    edge::Edge,
    problem::{Code, Form, Problem},
};

/// Says that a request had been carried out before, under the same key.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Every route, with its documentation. Orders come first: the router tries one route after the other.
pub(crate) fn register(config: &mut ServiceConfig<'_>) {
    config
        .configure(orders::register)
        .configure(products::register)
        .configure(auth::register)
        .configure(notifications::register)
        .configure(logs::register)
        .configure(system::register)
        .configure(faults::register)
        .configure(health::register)
        .configure(metrics::register)
        .configure(docs::register)
        .configure(legacy::register);
}

/// The form of errors at a path.
pub(crate) fn form_of(path: &str) -> Form {
    if legacy::owns(path) {
        Form::Legacy
    } else {
        Form::Problem
    }
}

/// What is not served by a process that serves no shop.
pub(crate) async fn nothing() -> Result<HttpResponse, Problem> {
    Err(Problem::new(
        Code::NotFound,
        "there is nothing at this path",
    ))
}

/// What no route took: 405 where another method is taken, the methods for OPTIONS, else 404.
pub(crate) async fn fallback(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let Some(allow) = Edge::of(&request)?.methods.at(request.path()) else {
        return Err(Problem::new(
            Code::NotFound,
            "there is nothing at this path",
        ));
    };
    let value = HeaderValue::try_from(allow)
        .map_err(|_| Problem::internal("the methods of a path are no header"))?;
    if request.method() == Method::OPTIONS {
        return Ok(HttpResponse::NoContent()
            .insert_header((header::ALLOW, value))
            .finish());
    }
    Err(
        Problem::new(Code::MethodNotAllowed, format!("this path takes {allow}"))
            .with_header(header::ALLOW, value),
    )
}

/// JSON that no cache may keep: it is one caller's, or of this moment.
fn private<T: Serialize>(body: &T) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .json(body)
}
