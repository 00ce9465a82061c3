//! Any event of any domain: what a journal holds.

use serde::{Deserialize, Serialize};

use crate::{
    notifications::NotificationEvent, orders::OrderEvent, parking::ParkingEvent,
    products::ProductEvent, users::UserEvent,
};

/// One fact, of whichever domain.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Event {
    /// About a user.
    User(UserEvent),
    /// About an order.
    Order(OrderEvent),
    /// About a product.
    Product(ProductEvent),
    /// About a notification.
    Notification(NotificationEvent),
    /// About a command that was set aside.
    Parking(ParkingEvent),
}

impl From<UserEvent> for Event {
    fn from(event: UserEvent) -> Self {
        Self::User(event)
    }
}

impl From<OrderEvent> for Event {
    fn from(event: OrderEvent) -> Self {
        Self::Order(event)
    }
}

impl From<ProductEvent> for Event {
    fn from(event: ProductEvent) -> Self {
        Self::Product(event)
    }
}

impl From<NotificationEvent> for Event {
    fn from(event: NotificationEvent) -> Self {
        Self::Notification(event)
    }
}

impl From<ParkingEvent> for Event {
    fn from(event: ParkingEvent) -> Self {
        Self::Parking(event)
    }
}
