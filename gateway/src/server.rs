//! The HTTP server and its limits.

use std::{io, net::TcpListener, time::Duration};

use actix_web::{
    App, Error, HttpServer,
    body::BoxBody,
    dev::{Server, ServiceFactory, ServiceRequest, ServiceResponse},
    middleware::from_fn,
    web::{self, Data},
};
use actors::{Shop, runtime::Clock};
use domain::Currency;
use utoipa_actix_web::AppExt;

use crate::{
    edge::{Edge, edge as edge_layer},
    routes,
};

/// How long a connection may stay open between two requests.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a client may take to send the head of its first request.
const HEAD_READ_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take to close a connection that the server has finished with.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Open connections of one worker; further ones wait to be accepted.
const CONNECTIONS_PER_WORKER_MAX: usize = 10_000;
/// Open connections of those who read nothing but metrics.
const METRICS_CONNECTIONS_MAX: usize = 100;

/// How the gateway is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// How long the cookie of the old demo's routes is good for.
    pub cookie_lifetime: Duration,
    /// The currency of products that the old demo's routes create.
    pub legacy_currency: Currency,
    /// The largest body that is read, in bytes.
    pub body_limit_bytes: usize,
    /// Whether anyone may read `/metrics`; if not, administrators may.
    pub metrics_public: bool,
    /// Threads that serve HTTP.
    pub workers: usize,
    /// How long requests that have begun may go on when the server is asked to stop gracefully, in whole seconds.
    pub stop_limit: Duration,
    /// The time.
    pub clock: Clock,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cookie_lifetime: Duration::from_secs(30 * 24 * 3_600),
            legacy_currency: Currency::EUR,
            body_limit_bytes: actors::edge::REQUEST_BYTES_MAX,
            metrics_public: true,
            workers: 2,
            stop_limit: Duration::from_secs(30),
            clock: Clock::default(),
        }
    }
}

/// Serves the shop on a listener that is bound already.
///
/// The server begins when it is awaited, or spawned. It minds no signals: whoever holds its handle stops it. A graceful
/// stop lets requests finish for as long as [`Config::stop_limit`] says; streams of server-sent events end by themselves
/// as soon as the shop says that it is stopping ([`actors::system::Phase::Stopping`]), so tell the shop first.
///
/// # Errors
/// If the listener cannot be used.
pub fn serve(listener: TcpListener, shop: Shop, config: Config) -> io::Result<Server> {
    let workers = config.workers.max(1);
    let stop_limit_secs = config.stop_limit.as_secs();
    let edge = Data::new(Edge::new(config));
    let shop = Data::new(shop);
    let server = HttpServer::new(move || app(edge.clone()).app_data(shop.clone()))
        .workers(workers)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_READ_TIMEOUT)
        .client_disconnect_timeout(DISCONNECT_TIMEOUT)
        .max_connections(CONNECTIONS_PER_WORKER_MAX)
        .shutdown_timeout(stop_limit_secs)
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}

/// Serves `/metrics` and nothing else, for a process that serves no shop. As for the rest, see [`serve`].
///
/// # Errors
/// If the listener cannot be used.
pub fn serve_metrics(listener: TcpListener, shop: Shop, config: Config) -> io::Result<Server> {
    let stop_limit_secs = config.stop_limit.as_secs();
    let edge = Data::new(Edge::new(config));
    let shop = Data::new(shop);
    let server = HttpServer::new(move || {
        App::new()
            .into_utoipa_app()
            .configure(routes::metrics::register)
            .into_app()
            .default_service(web::to(routes::nothing))
            .app_data(edge.clone())
            .app_data(shop.clone())
            .wrap(from_fn(edge_layer))
    })
    .workers(1)
    .client_request_timeout(HEAD_READ_TIMEOUT)
    .client_disconnect_timeout(DISCONNECT_TIMEOUT)
    .max_connections(METRICS_CONNECTIONS_MAX)
    .shutdown_timeout(stop_limit_secs)
    .disable_signals()
    .listen(listener)?;
    Ok(server.run())
}

/// The application without the shop that it serves.
pub(crate) fn app(
    edge_data: Data<Edge>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    >,
> {
    App::new()
        .into_utoipa_app()
        .configure(routes::register)
        .into_app()
        .default_service(web::to(routes::fallback))
        .app_data(edge_data)
        .wrap(from_fn(edge_layer))
}
