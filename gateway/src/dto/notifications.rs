//! What customers were told.

use std::sync::Arc;

use domain::{
    UserId,
    notifications::{self, Channel, DeliveryStatus, Template},
};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema, openapi::Object};

use super::{Time, schema::one_of};
use crate::{
    cursor::BeforeNotification,
    input::{FromQuery, Pairs},
};

/// Something that a customer was told about an order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": 12,
    "order_id": 3710193762701312_u64,
    "template": "order_confirmed",
    "channel": "log",
    "status": "sent",
    "subject": "Your order is confirmed",
    "body": "Thank you, anna. 2 x Storm lantern: 99.98 EUR.",
    "created_at": "2025-01-31T09:30:00.040Z"
}))]
pub(crate) struct Notification {
    /// Its id.
    id: u64,
    /// The order it is about.
    order_id: u64,
    /// Which text. There is one of each about one order.
    #[schema(schema_with = templates)]
    template: &'static str,
    /// By which way it goes.
    #[schema(schema_with = channels)]
    channel: &'static str,
    /// Where its delivery stands.
    #[schema(schema_with = delivery_statuses)]
    status: &'static str,
    /// One line.
    #[schema(value_type = String)]
    subject: Arc<str>,
    /// The text.
    #[schema(value_type = String)]
    body: Arc<str>,
    /// When it was recorded.
    created_at: Time,
}

impl From<notifications::Notification> for Notification {
    fn from(notification: notifications::Notification) -> Self {
        Self {
            id: notification.id.get(),
            order_id: notification.order_id.get(),
            template: notification.template.as_str(),
            channel: notification.channel.as_str(),
            status: notification.status.as_str(),
            subject: notification.subject,
            body: notification.body,
            created_at: notification.created_at.into(),
        }
    }
}

fn templates() -> Object {
    one_of(
        "Which text. There is one of each about one order.",
        Template::ALL.map(Template::as_str),
    )
}

fn channels() -> Object {
    one_of("By which way it goes.", [Channel::Log.as_str()])
}

fn delivery_statuses() -> Object {
    one_of(
        "Where its delivery stands.",
        [DeliveryStatus::Sent.as_str()],
    )
}

/// Which notifications to list, newest first.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct NotificationList {
    /// Notifications of a page.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200, default = 50)]
    pub(crate) limit: usize,
    /// The `next_cursor` of the page before.
    #[param(rename = "cursor", value_type = Option<String>)]
    pub(crate) before: Option<BeforeNotification>,
    /// Only this user's. For administrators, who see everybody's otherwise.
    #[param(value_type = Option<u64>)]
    pub(crate) user_id: Option<UserId>,
}

impl FromQuery for NotificationList {
    fn read(pairs: &mut Pairs) -> Option<Self> {
        let (limit, before, user_id) = (pairs.limit(), pairs.cursor(), pairs.user("user_id"));
        Some(Self {
            limit: limit?,
            before: before?,
            user_id: user_id?,
        })
    }
}
