//! The feed within one process.

use std::collections::BTreeMap;

use actix::Recipient;
use domain::ShardRef;

use super::Feed;
use crate::runtime::{
    Faults,
    messages::{Deliver, Record},
};

/// Puts records into the mailboxes of their targets. What does not fit is dropped: mailboxes are bounded, and nobody
/// waits for another's.
pub struct InProcessFeed {
    targets: BTreeMap<ShardRef, Recipient<Deliver>>,
    faults: Faults,
}

impl InProcessFeed {
    /// A feed to these targets.
    #[must_use]
    pub fn new(targets: BTreeMap<ShardRef, Recipient<Deliver>>, faults: Faults) -> Self {
        Self { targets, faults }
    }
}

impl Feed for InProcessFeed {
    fn publish(&self, target: ShardRef, source: ShardRef, records: Vec<Record>) {
        let records = self.faults.on_feed(records);
        if records.is_empty() {
            return;
        }
        if let Some(recipient) = self.targets.get(&target)
            && recipient.try_send(Deliver { source, records }).is_err()
        {
            tracing::debug!(%target, %source, "a delivery did not fit the mailbox");
        }
    }
}
