//! Notifications between nodes: nothing can be asked of them, they can only be seen.

use domain::{
    Addressee, Aggregate,
    notifications::{Notification, NotificationRejection},
};

use super::{Command, OnWire, aggregate, other_kind, v1};
use crate::InvalidField;

impl OnWire for Notification {
    fn write_command(_addressee: &Addressee<Self>) -> Option<Command> {
        None
    }

    fn read_command(_command: Command) -> Result<Addressee<Self>, InvalidField> {
        other_kind("command", Self::KIND)
    }

    fn write_state(&self) -> v1::Aggregate {
        aggregate(v1::aggregate::State::Notification(self.into()))
    }

    fn read_state(message: v1::Aggregate) -> Result<Self, InvalidField> {
        match message.state {
            Some(v1::aggregate::State::Notification(notification)) => {
                Self::try_from(notification).map_err(|error| error.within("notification"))
            }
            _ => other_kind("state", Self::KIND),
        }
    }

    fn write_rejection(rejection: &NotificationRejection) -> v1::Rejection {
        match *rejection {}
    }

    fn read_rejection(_message: v1::Rejection) -> Result<NotificationRejection, InvalidField> {
        other_kind("reason", Self::KIND)
    }
}
