//! What an entry of the activity log says about an event.

use domain::{
    Event, OrderId,
    notifications::NotificationEvent,
    orders::{CancelledBy, OrderEvent},
    parking::ParkingEvent,
    products::ProductEvent,
    users::{SessionEnd, UserEvent},
};
use storage::{Level, NewActivity};

use crate::runtime::messages::Record;

/// The entry for a record.
pub(super) fn entry(record: &Record) -> NewActivity {
    let about = record.aggregate_id;
    let (level, order_id, message) = match &*record.event {
        Event::User(event) => user(event, about),
        Event::Order(event) => order(event, about),
        Event::Product(event) => product(event, about),
        Event::Notification(NotificationEvent::NotificationRecorded {
            order_id, subject, ..
        }) => (
            Level::Info,
            Some(*order_id),
            format!("notification {about}: {subject}"),
        ),
        Event::Parking(event) => parking(event),
    };
    NewActivity {
        source: Some((record.source, record.position)),
        time: record.time,
        level,
        service: record.source.domain.name(),
        event_type: proto::event_type(&record.event).to_owned(),
        order_id,
        message,
    }
}

type Told = (Level, Option<OrderId>, String);

fn user(event: &UserEvent, id: u64) -> Told {
    let (level, message) = match event {
        UserEvent::UserRegistered { username, role, .. } => (
            Level::Info,
            format!("user {id} registered as {} ({role})", username.as_str()),
        ),
        UserEvent::SessionOpened { .. } => (Level::Info, format!("user {id} logged in")),
        UserEvent::SessionRefreshed { .. } => {
            (Level::Info, format!("user {id} refreshed a session"))
        }
        UserEvent::SessionClosed {
            end: SessionEnd::LoggedOut,
            ..
        } => (Level::Info, format!("user {id} logged out")),
        UserEvent::SessionClosed {
            end: SessionEnd::TokenReused,
            ..
        } => (
            Level::Warn,
            format!("a used refresh token of user {id} was presented; its session is revoked"),
        ),
    };
    (level, None, message)
}

fn order(event: &OrderEvent, id: u64) -> Told {
    let (level, message) = match event {
        OrderEvent::OrderCreated { user_id, lines, .. } => (
            Level::Info,
            format!(
                "order {id} placed by user {user_id}, lines: {}",
                lines.len()
            ),
        ),
        OrderEvent::AnswerRecorded { answer } => (
            Level::Info,
            format!("order {id} was answered by product {}", answer.product_id()),
        ),
        OrderEvent::OrderConfirmed { total, .. } => {
            (Level::Info, format!("order {id} confirmed, total {total}"))
        }
        OrderEvent::OrderRejected { reason, .. } => (
            Level::Info,
            format!("order {id} rejected: {}", reason.as_str()),
        ),
        OrderEvent::OrderCancelled { by, .. } => {
            let by = match by {
                CancelledBy::Customer => "its customer",
                CancelledBy::Admin => "an administrator",
            };
            (Level::Info, format!("order {id} cancelled by {by}"))
        }
        OrderEvent::OrderExpired { .. } => (
            Level::Warn,
            format!("order {id} expired: its products did not answer in time"),
        ),
        OrderEvent::LateReservationReleased { release } => (
            Level::Info,
            format!(
                "order {id} gave back a late reservation: {} pieces of product {}",
                release.quantity, release.product_id
            ),
        ),
    };
    (level, OrderId::new(id), message)
}

fn product(event: &ProductEvent, id: u64) -> Told {
    match event {
        ProductEvent::ProductCreated { sku, stock, .. } => (
            Level::Info,
            None,
            format!(
                "product {id} created as {sku} with {} pieces",
                stock.available
            ),
        ),
        ProductEvent::ProductChanged { price, .. } => (
            Level::Info,
            None,
            format!("product {id} changed, price {price}"),
        ),
        ProductEvent::StockAdjusted {
            delta,
            reason,
            stock,
        } => (
            Level::Info,
            None,
            format!(
                "stock of product {id} adjusted by {delta} to {} available: {reason}",
                stock.available
            ),
        ),
        ProductEvent::StockReserved {
            order_id,
            quantity,
            stock,
            ..
        } => (
            Level::Info,
            Some(*order_id),
            format!(
                "{quantity} pieces of product {id} reserved for order {order_id}, {} left",
                stock.available
            ),
        ),
        ProductEvent::StockRefused {
            order_id,
            quantity,
            available,
            ..
        } => (
            Level::Info,
            Some(*order_id),
            format!(
                "{quantity} pieces of product {id} refused to order {order_id}, {available} left"
            ),
        ),
        ProductEvent::StockReleased {
            order_id, quantity, ..
        } => (
            Level::Info,
            Some(*order_id),
            format!("{quantity} pieces of product {id} given back by order {order_id}"),
        ),
    }
}

fn parking(event: &ParkingEvent) -> Told {
    match event {
        ParkingEvent::CommandParked(command) => (
            Level::Error,
            command.order_id,
            format!(
                "a command for {} was parked: {}",
                command.aggregate_id, command.error
            ),
        ),
        ParkingEvent::ParkedCommandRetried { id, .. } => (
            Level::Warn,
            None,
            format!("parked command {id} was handled at last"),
        ),
        ParkingEvent::ParkedCommandDiscarded { id, .. } => (
            Level::Warn,
            None,
            format!("parked command {id} was discarded"),
        ),
    }
}
