//! The edge: HTTP and JSON on the outside, the services of [`actors::Shop`] on the inside.
//!
//! - `routes/`: one file per area. A route and its documentation are one call, so none can exist undocumented.
//! - `dto/`: what is sent and received, apart from the domain's types so that neither binds the other.
//! - `input/`: bodies, paths, queries and headers, turned into the domain's types or refused.
//! - `problem/`: what goes wrong, as clients see it.
//!
//! Deliberately absent: SQL, business rules, and anything done for each good request that only errors need.

mod cursor;
mod document;
mod dto;
mod edge;
mod etag;
mod history_stream;
mod identity;
mod input;
mod methods;
mod metrics;
mod problem;
mod quiet;
mod routes;
mod server;
#[cfg(test)]
mod tests;
mod trace;

pub use actix_web::dev::{Server, ServerHandle};
pub use document::openapi;
pub use server::{Config, serve, serve_metrics};
