//! The feed within one process.

use std::collections::BTreeMap;

use domain::{Domain, ShardRef, Topology, routing};

use super::{Committed, Feed, Inbox};
use crate::runtime::{
    Faults,
    faults::failpoint,
    messages::{Deliver, Record},
};

/// The activity log, which reads everything.
const LOGS: ShardRef = ShardRef {
    domain: Domain::Logs,
    shard: 0,
};

/// Puts records into the mailboxes of their targets. What does not fit is dropped: mailboxes are bounded, and nobody
/// waits for another's.
pub struct InProcessFeed {
    targets: BTreeMap<ShardRef, Inbox>,
    topology: Topology,
    faults: Faults,
}

impl InProcessFeed {
    /// A feed to these targets.
    #[must_use]
    pub fn new(targets: BTreeMap<ShardRef, Inbox>, topology: Topology, faults: Faults) -> Self {
        Self {
            targets,
            topology,
            faults,
        }
    }

    fn deliver(&self, target: ShardRef, source: ShardRef, records: Vec<Record>) {
        let records = self.faults.on_feed(records);
        if records.is_empty() {
            return;
        }
        let delivery = Deliver {
            source,
            records,
            announced: 0,
        };
        if let Some(inbox) = self.targets.get(&target)
            && inbox.try_send(delivery).is_err()
        {
            tracing::debug!(%target, %source, "a delivery did not fit the mailbox");
        }
    }
}

impl Feed for InProcessFeed {
    /// Sorts records by target: inbox links by their stamps, public links whole.
    fn publish(&self, source: ShardRef, committed: Vec<Committed>) {
        let mut inboxes: BTreeMap<ShardRef, Vec<Record>> = BTreeMap::new();
        let mut public = Vec::with_capacity(committed.len());
        for committed in committed {
            let record = Record {
                source,
                position: committed.position,
                prev: committed.position - 1,
                aggregate_id: committed.record.aggregate_id,
                time: committed.record.time,
                event: committed.event,
                trace: committed.record.trace,
            };
            for stamp in committed.stamps {
                inboxes.entry(stamp.target).or_default().push(Record {
                    prev: stamp.prev,
                    ..record.clone()
                });
            }
            public.push(record);
        }
        for (target, records) in inboxes {
            self.deliver(target, source, records);
        }
        if let Some(target) = routing::public_target(source, &self.topology) {
            self.deliver(target, source, public.clone());
        }
        self.deliver(LOGS, source, public);
        failpoint!(self.faults, AfterProduceBeforeConfirm);
    }
}
