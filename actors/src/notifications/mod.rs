//! Notifications: one actor per notification.

mod actor;
pub(crate) mod grpc;
mod service;
mod templates;

pub use actor::NotificationHost;
pub use service::Notifications;
pub use templates::{Rendered, Templates};
