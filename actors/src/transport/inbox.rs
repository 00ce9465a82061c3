//! Where a feed delivers records: a shard, whichever actor serves it, or the activity log.

use std::{fmt, sync::Arc};

use actix::{Recipient, dev::SendError};

use crate::runtime::messages::Deliver;

/// A mailbox for records.
#[derive(Clone)]
pub struct Inbox(Arc<dyn Fn(Deliver) -> Result<(), SendError<Deliver>> + Send + Sync>);

impl Inbox {
    /// A mailbox that is filled by a call of this.
    #[must_use]
    pub fn new(
        deliver: impl Fn(Deliver) -> Result<(), SendError<Deliver>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(deliver))
    }

    /// Puts records into the mailbox, unless it is full.
    ///
    /// # Errors
    /// Gives the delivery back.
    pub fn try_send(&self, delivery: Deliver) -> Result<(), SendError<Deliver>> {
        self.0(delivery)
    }
}

impl From<Recipient<Deliver>> for Inbox {
    fn from(recipient: Recipient<Deliver>) -> Self {
        Self::new(move |delivery| recipient.try_send(delivery))
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inbox")
    }
}
