//! The bytes of events: what journals keep and topics carry.
//!
//! An event's type travels beside its bytes, in a column or a header, and names the message they hold. Types and field
//! numbers are for ever; `golden/events.v1.hex` holds the bytes of a sample of each, and a test holds the code to it.

use domain::{
    Event, notifications::NotificationEvent, orders::OrderEvent, parking::ParkingEvent,
    products::ProductEvent, users::UserEvent,
};
use prost::Message;

use crate::{InvalidField, notifications, orders, parking, products, users, v1};

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

/// The type of each event: what happened, and the version of its message.
pub mod types {
    /// [`domain::orders::OrderEvent::OrderCreated`]
    pub const ORDER_CREATED: &str = "order.created.v1";
    /// [`domain::orders::OrderEvent::AnswerRecorded`]
    pub const ORDER_ANSWER_RECORDED: &str = "order.answer_recorded.v1";
    /// [`domain::orders::OrderEvent::OrderConfirmed`]
    pub const ORDER_CONFIRMED: &str = "order.confirmed.v1";
    /// [`domain::orders::OrderEvent::OrderRejected`]
    pub const ORDER_REJECTED: &str = "order.rejected.v1";
    /// [`domain::orders::OrderEvent::OrderCancelled`]
    pub const ORDER_CANCELLED: &str = "order.cancelled.v1";
    /// [`domain::orders::OrderEvent::OrderExpired`]
    pub const ORDER_EXPIRED: &str = "order.expired.v1";
    /// [`domain::orders::OrderEvent::LateReservationReleased`]
    pub const ORDER_LATE_RESERVATION_RELEASED: &str = "order.late_reservation_released.v1";
    /// [`domain::products::ProductEvent::ProductCreated`]
    pub const PRODUCT_CREATED: &str = "product.created.v1";
    /// [`domain::products::ProductEvent::ProductChanged`]
    pub const PRODUCT_CHANGED: &str = "product.changed.v1";
    /// [`domain::products::ProductEvent::StockAdjusted`]
    pub const PRODUCT_STOCK_ADJUSTED: &str = "product.stock_adjusted.v1";
    /// [`domain::products::ProductEvent::StockReserved`]
    pub const STOCK_RESERVED: &str = "stock.reserved.v1";
    /// [`domain::products::ProductEvent::StockRefused`]
    pub const STOCK_REFUSED: &str = "stock.refused.v1";
    /// [`domain::products::ProductEvent::StockReleased`]
    pub const STOCK_RELEASED: &str = "stock.released.v1";
    /// [`domain::users::UserEvent::UserRegistered`]
    pub const USER_REGISTERED: &str = "user.registered.v1";
    /// [`domain::users::UserEvent::SessionOpened`]
    pub const SESSION_OPENED: &str = "session.opened.v1";
    /// [`domain::users::UserEvent::SessionRefreshed`]
    pub const SESSION_REFRESHED: &str = "session.refreshed.v1";
    /// [`domain::users::UserEvent::SessionClosed`]
    pub const SESSION_CLOSED: &str = "session.closed.v1";
    /// [`domain::notifications::NotificationEvent::NotificationRecorded`]
    pub const NOTIFICATION_RECORDED: &str = "notification.recorded.v1";
    /// [`domain::parking::ParkingEvent::CommandParked`]
    pub const COMMAND_PARKED: &str = "command.parked.v1";
    /// [`domain::parking::ParkingEvent::ParkedCommandRetried`]
    pub const COMMAND_RETRIED: &str = "command.retried.v1";
    /// [`domain::parking::ParkingEvent::ParkedCommandDiscarded`]
    pub const COMMAND_DISCARDED: &str = "command.discarded.v1";
}

/// Every type that [`decode`] knows.
pub const EVENT_TYPES: [&str; 21] = [
    types::ORDER_CREATED,
    types::ORDER_ANSWER_RECORDED,
    types::ORDER_CONFIRMED,
    types::ORDER_REJECTED,
    types::ORDER_CANCELLED,
    types::ORDER_EXPIRED,
    types::ORDER_LATE_RESERVATION_RELEASED,
    types::PRODUCT_CREATED,
    types::PRODUCT_CHANGED,
    types::PRODUCT_STOCK_ADJUSTED,
    types::STOCK_RESERVED,
    types::STOCK_REFUSED,
    types::STOCK_RELEASED,
    types::USER_REGISTERED,
    types::SESSION_OPENED,
    types::SESSION_REFRESHED,
    types::SESSION_CLOSED,
    types::NOTIFICATION_RECORDED,
    types::COMMAND_PARKED,
    types::COMMAND_RETRIED,
    types::COMMAND_DISCARDED,
];

/// Why bytes are no event.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DecodeError {
    /// This version knows no such type; a newer one may.
    #[error("unknown event type {0:?}")]
    UnknownType(String),
    /// The bytes are no message of that type.
    #[error("malformed {event_type}")]
    Malformed {
        /// The type that was named.
        event_type: String,
        /// What the decoder met.
        source: prost::DecodeError,
    },
    /// The message says what the domain does not accept.
    #[error("invalid {event_type}: {field}: {reason}")]
    Invalid {
        /// The type that was named.
        event_type: String,
        /// Which field, as a path.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// The type under which an event is kept.
#[must_use]
pub fn event_type(event: &Event) -> &'static str {
    match event {
        Event::Order(event) => match event {
            OrderEvent::OrderCreated { .. } => types::ORDER_CREATED,
            OrderEvent::AnswerRecorded { .. } => types::ORDER_ANSWER_RECORDED,
            OrderEvent::OrderConfirmed { .. } => types::ORDER_CONFIRMED,
            OrderEvent::OrderRejected { .. } => types::ORDER_REJECTED,
            OrderEvent::OrderCancelled { .. } => types::ORDER_CANCELLED,
            OrderEvent::OrderExpired { .. } => types::ORDER_EXPIRED,
            OrderEvent::LateReservationReleased { .. } => types::ORDER_LATE_RESERVATION_RELEASED,
        },
        Event::Product(event) => match event {
            ProductEvent::ProductCreated { .. } => types::PRODUCT_CREATED,
            ProductEvent::ProductChanged { .. } => types::PRODUCT_CHANGED,
            ProductEvent::StockAdjusted { .. } => types::PRODUCT_STOCK_ADJUSTED,
            ProductEvent::StockReserved { .. } => types::STOCK_RESERVED,
            ProductEvent::StockRefused { .. } => types::STOCK_REFUSED,
            ProductEvent::StockReleased { .. } => types::STOCK_RELEASED,
        },
        Event::User(event) => match event {
            UserEvent::UserRegistered { .. } => types::USER_REGISTERED,
            UserEvent::SessionOpened { .. } => types::SESSION_OPENED,
            UserEvent::SessionRefreshed { .. } => types::SESSION_REFRESHED,
            UserEvent::SessionClosed { .. } => types::SESSION_CLOSED,
        },
        Event::Notification(NotificationEvent::NotificationRecorded { .. }) => {
            types::NOTIFICATION_RECORDED
        }
        Event::Parking(event) => match event {
            ParkingEvent::CommandParked(_) => types::COMMAND_PARKED,
            ParkingEvent::ParkedCommandRetried { .. } => types::COMMAND_RETRIED,
            ParkingEvent::ParkedCommandDiscarded { .. } => types::COMMAND_DISCARDED,
        },
    }
}

/// The bytes of an event, without its type.
#[must_use]
pub fn encode(event: &Event) -> Vec<u8> {
    match event {
        Event::Order(event) => orders::encode(event),
        Event::Product(event) => products::encode(event),
        Event::User(event) => users::encode(event),
        Event::Notification(event) => notifications::encode(event),
        Event::Parking(event) => parking::encode(event),
    }
}

/// The event of this type in these bytes. Fields that this version does not know are skipped.
///
/// # Errors
/// [`DecodeError`] where the type is unknown, or the bytes are none of its events.
pub fn decode(event_type: &str, payload: &[u8]) -> Result<Event, DecodeError> {
    let read = match event_type {
        types::ORDER_CREATED => read::<v1::OrderCreated, OrderEvent>,
        types::ORDER_ANSWER_RECORDED => read::<v1::OrderAnswerRecorded, OrderEvent>,
        types::ORDER_CONFIRMED => read::<v1::OrderConfirmed, OrderEvent>,
        types::ORDER_REJECTED => read::<v1::OrderRejected, OrderEvent>,
        types::ORDER_CANCELLED => read::<v1::OrderCancelled, OrderEvent>,
        types::ORDER_EXPIRED => read::<v1::OrderExpired, OrderEvent>,
        types::ORDER_LATE_RESERVATION_RELEASED => {
            read::<v1::OrderLateReservationReleased, OrderEvent>
        }
        types::PRODUCT_CREATED => read::<v1::ProductCreated, ProductEvent>,
        types::PRODUCT_CHANGED => read::<v1::ProductChanged, ProductEvent>,
        types::PRODUCT_STOCK_ADJUSTED => read::<v1::ProductStockAdjusted, ProductEvent>,
        types::STOCK_RESERVED => read::<v1::StockReserved, ProductEvent>,
        types::STOCK_REFUSED => read::<v1::StockRefused, ProductEvent>,
        types::STOCK_RELEASED => read::<v1::StockReleased, ProductEvent>,
        types::USER_REGISTERED => read::<v1::UserRegistered, UserEvent>,
        types::SESSION_OPENED => read::<v1::SessionOpened, UserEvent>,
        types::SESSION_REFRESHED => read::<v1::SessionRefreshed, UserEvent>,
        types::SESSION_CLOSED => read::<v1::SessionClosed, UserEvent>,
        types::NOTIFICATION_RECORDED => read::<v1::NotificationRecorded, NotificationEvent>,
        types::COMMAND_PARKED => read::<v1::CommandParked, ParkingEvent>,
        types::COMMAND_RETRIED => read::<v1::CommandRetried, ParkingEvent>,
        types::COMMAND_DISCARDED => read::<v1::CommandDiscarded, ParkingEvent>,
        unknown => return Err(DecodeError::UnknownType(unknown.to_owned())),
    };
    read(event_type, payload)
}

/// Reads message `W` and makes of it an event of the domain's kind `E`.
fn read<W, E>(event_type: &str, payload: &[u8]) -> Result<Event, DecodeError>
where
    W: Message + Default,
    E: TryFrom<W, Error = InvalidField> + Into<Event>,
{
    let message = W::decode(payload).map_err(|source| DecodeError::Malformed {
        event_type: event_type.to_owned(),
        source,
    })?;
    E::try_from(message)
        .map(Into::into)
        .map_err(|InvalidField { field, reason }| DecodeError::Invalid {
            event_type: event_type.to_owned(),
            field,
            reason,
        })
}
