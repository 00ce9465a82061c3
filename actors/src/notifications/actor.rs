//! What a notification shard does: it reads what happens to orders and records what the customer is told.

use std::sync::Arc;

use domain::{
    Domain, Event, NotificationId, OrderId, ShardRef, Timestamp, Topology,
    ids::next_in_shard,
    notifications::{Channel, Notification, NotificationCommand, Template},
    orders::OrderEvent,
    routing,
};
use engine::Policy;
use futures::future::BoxFuture;
use storage::StorageError;

use super::templates::Templates;
use crate::runtime::{
    Env, Host,
    host::{LinkKind, Part, Stored},
    messages::Row,
    policy,
};

/// A notification shard.
pub struct NotificationHost {
    /// The texts.
    pub templates: Arc<Templates>,
}

impl Host for NotificationHost {
    type Aggregate = Notification;

    const POLICY: Policy = policy::NOTIFICATION;

    fn sources(&self, shard: ShardRef, topology: &Topology) -> Vec<(ShardRef, LinkKind)> {
        (0..topology.orders)
            .map(|shard| ShardRef {
                domain: Domain::Orders,
                shard,
            })
            .filter(|source| routing::public_target(*source, topology) == Some(shard))
            .map(|source| (source, LinkKind::Public))
            .collect()
    }

    fn next_id(&self, last_id: u64, shard: ShardRef, topology: &Topology, _now: Timestamp) -> u64 {
        let last = (last_id > 0).then_some(last_id);
        next_in_shard(last, shard.shard, topology.notifications)
    }

    fn parts(
        &self,
        event: &Event,
        about: u64,
        _shard: ShardRef,
        _topology: &Topology,
        issue: &mut dyn FnMut() -> u64,
    ) -> Vec<Part<Notification>> {
        let (Event::Order(event), Some(order_id)) = (event, OrderId::new(about)) else {
            return Vec::new();
        };
        let (
            OrderEvent::OrderConfirmed { user_id, .. }
            | OrderEvent::OrderRejected { user_id, .. }
            | OrderEvent::OrderCancelled { user_id, .. }
            | OrderEvent::OrderExpired { user_id, .. },
            Some(template),
        ) = (event, Template::for_event(event))
        else {
            return Vec::new();
        };
        let id = issue();
        let (Some(notification_id), Ok(rendered)) = (
            NotificationId::new(id),
            self.templates.render(template, order_id, event),
        ) else {
            tracing::error!(order.id = %order_id, template = template.as_str(), "a notification cannot be made");
            return Vec::new();
        };
        tracing::debug!(
            order.id = %order_id, template = template.as_str(), subject = rendered.subject,
            "notification"
        );
        vec![Part {
            id,
            is_new: true,
            command: NotificationCommand::RecordNotification {
                id: notification_id,
                order_id,
                user_id: *user_id,
                template,
                channel: Channel::Log,
                subject: rendered.subject.into(),
                body: rendered.body.into(),
            },
            order_id: Some(order_id),
        }]
    }

    fn load(
        &self,
        _env: &Env,
        _ids: Vec<u64>,
    ) -> BoxFuture<'static, Result<Vec<Stored<Notification>>, StorageError>> {
        // A notification is recorded once and never changes; one that is handed over again was not recorded.
        Box::pin(async { Ok(Vec::new()) })
    }

    fn row(&self, state: Notification, version: u64) -> Row {
        Row::Notification(state, version)
    }
}
