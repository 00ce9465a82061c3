//! Notifications on the wire.

use domain::{
    NotificationId, OrderId, Timestamp, UserId,
    notifications::{Channel, DeliveryStatus, Notification, NotificationEvent, Template},
};
use prost::Message;

use crate::{
    InvalidField,
    common::{choice, id, same_values},
    v1,
};

same_values!(
    v1::Template,
    Template,
    OrderConfirmed,
    OrderRejected,
    OrderCancelled,
    OrderExpired
);
same_values!(v1::Channel, Channel, Log);
same_values!(v1::DeliveryStatus, DeliveryStatus, Sent);

/// The bytes of an event.
pub(crate) fn encode(event: &NotificationEvent) -> Vec<u8> {
    let NotificationEvent::NotificationRecorded {
        id,
        order_id,
        user_id,
        template,
        channel,
        subject,
        body,
    } = event;
    v1::NotificationRecorded {
        notification_id: id.get(),
        order_id: order_id.get(),
        user_id: user_id.get(),
        template: v1::Template::from(*template).into(),
        channel: v1::Channel::from(*channel).into(),
        subject: subject.as_ref().to_owned(),
        body: body.as_ref().to_owned(),
    }
    .encode_to_vec()
}

impl TryFrom<v1::NotificationRecorded> for NotificationEvent {
    type Error = InvalidField;

    fn try_from(event: v1::NotificationRecorded) -> Result<Self, Self::Error> {
        Ok(Self::NotificationRecorded {
            id: id(
                NotificationId::new,
                event.notification_id,
                "notification_id",
            )?,
            order_id: id(OrderId::new, event.order_id, "order_id")?,
            user_id: id(UserId::new, event.user_id, "user_id")?,
            template: choice::<v1::Template, _>(event.template, "template")?,
            channel: choice::<v1::Channel, _>(event.channel, "channel")?,
            subject: event.subject.into(),
            body: event.body.into(),
        })
    }
}

impl From<&Notification> for v1::Notification {
    fn from(notification: &Notification) -> Self {
        Self {
            id: notification.id.get(),
            order_id: notification.order_id.get(),
            user_id: notification.user_id.get(),
            template: v1::Template::from(notification.template).into(),
            channel: v1::Channel::from(notification.channel).into(),
            status: v1::DeliveryStatus::from(notification.status).into(),
            subject: notification.subject.as_ref().to_owned(),
            body: notification.body.as_ref().to_owned(),
            created_at_ms: notification.created_at.as_millis(),
        }
    }
}

impl TryFrom<v1::Notification> for Notification {
    type Error = InvalidField;

    fn try_from(notification: v1::Notification) -> Result<Self, Self::Error> {
        Ok(Self {
            id: id(NotificationId::new, notification.id, "id")?,
            order_id: id(OrderId::new, notification.order_id, "order_id")?,
            user_id: id(UserId::new, notification.user_id, "user_id")?,
            template: choice::<v1::Template, _>(notification.template, "template")?,
            channel: choice::<v1::Channel, _>(notification.channel, "channel")?,
            status: choice::<v1::DeliveryStatus, _>(notification.status, "status")?,
            subject: notification.subject.into(),
            body: notification.body.into(),
            created_at: Timestamp::from_millis(notification.created_at_ms),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::test_support::notification;

    proptest! {
        #[test]
        fn a_notification_comes_back_as_it_went(notification in notification()) {
            let bytes = v1::Notification::from(&notification).encode_to_vec();
            let message = v1::Notification::decode(bytes.as_slice()).map_err(|error| error.to_string());
            prop_assert_eq!(message.map(Notification::try_from), Ok(Ok(notification)));
        }
    }
}
