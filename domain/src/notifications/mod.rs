//! A notification: what a customer is told about an order.
//!
//! There is one per order and template. In this form it is recorded and shown, and written to the log channel.

use std::{convert::Infallible, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{Aggregate, NotificationId, OrderId, Timestamp, UserId, orders::OrderEvent};

/// Which text is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Template {
    /// The order is confirmed.
    OrderConfirmed,
    /// It could not be fulfilled.
    OrderRejected,
    /// It was called off.
    OrderCancelled,
    /// It was given up after its deadline.
    OrderExpired,
}

impl Template {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::OrderConfirmed,
        Self::OrderRejected,
        Self::OrderCancelled,
        Self::OrderExpired,
    ];

    /// Its stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OrderConfirmed => "order_confirmed",
            Self::OrderRejected => "order_rejected",
            Self::OrderCancelled => "order_cancelled",
            Self::OrderExpired => "order_expired",
        }
    }

    /// The template that an event of an order calls for, if any.
    #[must_use]
    pub fn for_event(event: &OrderEvent) -> Option<Self> {
        match event {
            OrderEvent::OrderConfirmed { .. } => Some(Self::OrderConfirmed),
            OrderEvent::OrderRejected { .. } => Some(Self::OrderRejected),
            OrderEvent::OrderCancelled { .. } => Some(Self::OrderCancelled),
            OrderEvent::OrderExpired { .. } => Some(Self::OrderExpired),
            OrderEvent::OrderCreated { .. }
            | OrderEvent::AnswerRecorded { .. }
            | OrderEvent::LateReservationReleased { .. } => None,
        }
    }
}

/// The way by which a notification reaches its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Channel {
    /// The program's own log.
    Log,
}

impl Channel {
    /// Its stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log",
        }
    }
}

/// Where its delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DeliveryStatus {
    /// Handed to its channel.
    Sent,
}

impl DeliveryStatus {
    /// Its stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
        }
    }
}

/// A notification.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    /// Its id, which tells its shard.
    pub id: NotificationId,
    /// The order it is about.
    pub order_id: OrderId,
    /// Whom it tells.
    pub user_id: UserId,
    /// Which text.
    pub template: Template,
    /// By which way.
    pub channel: Channel,
    /// Where its delivery stands.
    pub status: DeliveryStatus,
    /// One line.
    pub subject: Arc<str>,
    /// The text.
    pub body: Arc<str>,
    /// When it was recorded.
    pub created_at: Timestamp,
}

/// What can be asked of a notification.
#[derive(Clone, Debug, PartialEq)]
pub enum NotificationCommand {
    /// Record it.
    RecordNotification {
        /// The id its shard has issued.
        id: NotificationId,
        /// The order it is about.
        order_id: OrderId,
        /// Whom it tells.
        user_id: UserId,
        /// Which text.
        template: Template,
        /// By which way.
        channel: Channel,
        /// One line.
        subject: Arc<str>,
        /// The text.
        body: Arc<str>,
    },
}

/// What has happened to a notification.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NotificationEvent {
    /// It was recorded and handed to its channel.
    NotificationRecorded {
        /// Its id.
        id: NotificationId,
        /// The order it is about.
        order_id: OrderId,
        /// Whom it tells.
        user_id: UserId,
        /// Which text.
        template: Template,
        /// By which way.
        channel: Channel,
        /// One line.
        subject: Arc<str>,
        /// The text.
        body: Arc<str>,
    },
}

/// No command about a notification is ever turned down.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotificationRejection {}

impl Aggregate for Notification {
    type Command = NotificationCommand;
    /// A shard makes them itself, from the records that it reads.
    type Draft = Infallible;
    type Event = NotificationEvent;
    type Rejection = NotificationRejection;

    const KIND: &'static str = "notification";

    fn create(draft: Infallible, _id: u64) -> NotificationCommand {
        match draft {}
    }

    fn decide(
        state: Option<&Self>,
        command: &Self::Command,
        _now: Timestamp,
    ) -> Result<Vec<Self::Event>, Self::Rejection> {
        let NotificationCommand::RecordNotification {
            id,
            order_id,
            user_id,
            template,
            channel,
            subject,
            body,
        } = command;
        if state.is_some() {
            return Ok(Vec::new());
        }
        Ok(vec![NotificationEvent::NotificationRecorded {
            id: *id,
            order_id: *order_id,
            user_id: *user_id,
            template: *template,
            channel: *channel,
            subject: subject.clone(),
            body: body.clone(),
        }])
    }

    fn evolve(state: Option<Self>, event: &Self::Event, at: Timestamp) -> Option<Self> {
        let NotificationEvent::NotificationRecorded {
            id,
            order_id,
            user_id,
            template,
            channel,
            subject,
            body,
        } = event;
        state.or_else(|| {
            Some(Self {
                id: *id,
                order_id: *order_id,
                user_id: *user_id,
                template: *template,
                channel: *channel,
                status: DeliveryStatus::Sent,
                subject: subject.clone(),
                body: body.clone(),
                created_at: at,
            })
        })
    }

    fn at_rest(&self) -> bool {
        true
    }
}
