//! The services of `proto/` for other programs, on top of [`Shop`]: the second edge, beside HTTP.
//!
//! - Each domain's service is in its own folder (`orders/grpc.rs` and its like). Here is what they share: who asks
//!   ([`identity`]), what is wrong with a request ([`violations`]), how a refusal is told ([`status`]), until when a
//!   call is worth an answer ([`deadline`]), and the server with its bounds ([`server`]).
//! - The rules for what may come in, the codes of refusals, cursors and the fingerprints of idempotent requests are
//!   [`crate::edge`]'s, which HTTP uses too.
//! - [`services`] makes the routes, to which a node adds what it has of its own; [`serve`] serves them.
//!
//! Promises: a panic becomes `INTERNAL` and the connection lives on; a call whose deadline has passed is not begun, and
//! one whose deadline passes ends; health says what [`crate::system::System::readiness`] says.
//!
//! Deliberately absent: business rules, storage, and what nodes say to each other.

mod deadline;
mod guard;
mod health;
mod identity;
mod page;
mod server;
mod status;
mod violations;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use proto::v1;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{Status, service::Routes};

use crate::{
    Shop,
    edge::{Code, REQUEST_BYTES_MAX, Refusal},
};

pub(crate) use deadline::Deadline;
pub(crate) use identity::Caller;
pub(crate) use page::{PageAsked, page_info};
pub use server::{Serving, serve};
pub(crate) use status::{deadline_exceeded, internal, invalid_at};
pub(crate) use violations::{Violations, read};

/// How the server is set up.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Threads that serve gRPC, at least one.
    pub threads: usize,
    /// The largest request, in bytes.
    pub request_bytes_max: usize,
    /// Calls of one connection at the same time, streams included; a client waits with further ones.
    pub calls_per_connection_max: u32,
    /// Streams of order events that are open at the same time in this process.
    pub streams_max: usize,
    /// How long calls that have begun may go on when the server is asked to stop.
    pub stop_limit: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            threads: 2,
            request_bytes_max: REQUEST_BYTES_MAX,
            calls_per_connection_max: 10_000,
            streams_max: 1_024,
            stop_limit: Duration::from_secs(25),
        }
    }
}

/// What all services share.
#[derive(Clone)]
pub(crate) struct Edge {
    pub(crate) shop: Shop,
    streams: Arc<Semaphore>,
    is_stopping: Arc<AtomicBool>,
}

impl Edge {
    /// A permit for one more stream, to be kept while it is open.
    pub(crate) fn stream_permit(&self) -> Result<OwnedSemaphorePermit, Status> {
        Arc::clone(&self.streams)
            .try_acquire_owned()
            .map_err(|_| self.later("too many streams are open; try again later"))
    }

    /// Whether streams have to end and health has to say so.
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire) || self.shop.system.is_stopping()
    }

    /// Not now, though nothing is wrong with the call.
    pub(crate) fn later(&self, detail: &'static str) -> Status {
        Refusal {
            retry_after: Some(LATER),
            ..Refusal::new(Code::Unavailable, detail)
        }
        .into()
    }
}

/// After what time a call is worth repeating that this process cannot serve now.
const LATER: Duration = Duration::from_secs(3);

/// The public services with health and reflection, ready to be served.
pub struct Services {
    routes: Routes,
    edge: Edge,
    health: health::Health,
}

impl Services {
    /// With more services on the same port.
    #[must_use]
    pub fn with(self, add: impl FnOnce(Routes) -> Routes) -> Self {
        Self {
            routes: add(self.routes),
            ..self
        }
    }
}

/// The public services of a shop.
///
/// # Errors
/// If the descriptors of the services cannot be read, which only a broken build can cause.
pub fn services(
    shop: Shop,
    settings: &Settings,
) -> Result<Services, tonic_reflection::server::Error> {
    let edge = Edge {
        shop,
        streams: Arc::new(Semaphore::new(settings.streams_max)),
        is_stopping: Arc::default(),
    };
    let (health, health_server) = health::new();
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    macro_rules! bounded {
        ($server:ident, $service:expr) => {
            $server::new($service).max_decoding_message_size(settings.request_bytes_max)
        };
    }
    use v1::{
        auth_service_server::AuthServiceServer, log_service_server::LogServiceServer,
        notification_service_server::NotificationServiceServer,
        order_service_server::OrderServiceServer, product_service_server::ProductServiceServer,
    };
    let routes = Routes::new(bounded!(
        AuthServiceServer,
        crate::auth::grpc::AuthGrpc(edge.clone())
    ))
    .add_service(bounded!(
        ProductServiceServer,
        crate::products::grpc::ProductGrpc(edge.clone())
    ))
    .add_service(bounded!(
        OrderServiceServer,
        crate::orders::grpc::OrderGrpc(edge.clone())
    ))
    .add_service(bounded!(
        NotificationServiceServer,
        crate::notifications::grpc::NotificationGrpc(edge.clone())
    ))
    .add_service(bounded!(
        LogServiceServer,
        crate::logs::grpc::LogGrpc(edge.clone())
    ))
    .add_service(health_server)
    .add_service(reflection);
    Ok(Services {
        routes,
        edge,
        health,
    })
}
