//! `grpc.health.v1.Health`: SERVING while every shard is served, for each service and for all together.

use std::time::Duration;

use proto::v1;
use tonic_health::{
    ServingStatus,
    pb::health_server::{Health as HealthService, HealthServer},
    server::HealthReporter,
};

use super::Edge;
use crate::system::Phase;

/// How often it is looked whether the shop serves.
const LOOK: Duration = Duration::from_millis(250);
/// The empty name stands for the whole process.
const NAMES: [&str; 6] = [
    "",
    v1::auth_service_server::SERVICE_NAME,
    v1::product_service_server::SERVICE_NAME,
    v1::order_service_server::SERVICE_NAME,
    v1::notification_service_server::SERVICE_NAME,
    v1::log_service_server::SERVICE_NAME,
];

/// Says how the services are.
#[derive(Clone)]
pub(super) struct Health(HealthReporter);

/// What is said, and the service that says it. It answers once [`Health::keep`] runs.
pub(super) fn new() -> (Health, HealthServer<impl HealthService>) {
    let (reporter, server) = tonic_health::server::health_reporter();
    (Health(reporter), server)
}

impl Health {
    /// Keeps it up to date, for ever.
    pub(super) async fn keep(self, edge: Edge) {
        let mut said = None;
        loop {
            let status = status(&edge);
            if said != Some(status) {
                for name in NAMES {
                    self.0.set_service_status(name, status).await;
                }
                said = Some(status);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Not serving from now on.
    pub(super) async fn say_stopping(&self) {
        for name in NAMES {
            self.0
                .set_service_status(name, ServingStatus::NotServing)
                .await;
        }
    }

    /// Ends the streams of those who watch, so that their connections can be closed.
    pub(super) async fn close(mut self) {
        for name in NAMES {
            self.0.clear_service_status(name).await;
        }
    }
}

fn status(edge: &Edge) -> ServingStatus {
    let is_serving = !edge.is_stopping() && edge.shop.system.readiness().phase == Phase::Serving;
    if is_serving {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    }
}
