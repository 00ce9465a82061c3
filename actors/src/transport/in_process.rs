//! The feed within one process, whose shards have one writer.

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

    fn deliver(&self, target: ShardRef, delivery: Deliver) {
        let source = delivery.source;
        if let Some(inbox) = self.targets.get(&target)
            && inbox.try_send(delivery).is_err()
        {
            tracing::debug!(%target, %source, "a delivery did not fit the mailbox");
        }
    }

    fn carry(&self, target: ShardRef, source: ShardRef, records: Vec<Record>) {
        let records = self.faults.on_feed(records);
        if !records.is_empty() {
            let delivery = Deliver {
                source,
                records,
                announced: 0,
                term: None,
            };
            self.deliver(target, delivery);
        }
    }
}

impl Feed for InProcessFeed {
    /// Carries public links whole. On inbox links everything has run ahead: it is only said how far they have come, so
    /// that a target which has missed something reads it from the journal.
    fn publish(&self, source: ShardRef, committed: Vec<Committed>) {
        let mut sent: BTreeMap<ShardRef, u64> = BTreeMap::new();
        let mut public = Vec::with_capacity(committed.len());
        for committed in committed {
            for stamp in committed.stamps {
                sent.insert(stamp.target, committed.position);
            }
            public.push(Record {
                source,
                position: committed.position,
                prev: committed.position - 1,
                aggregate_id: committed.record.aggregate_id,
                time: committed.record.time,
                event: committed.event,
                trace: committed.record.trace,
            });
        }
        for (target, announced) in sent {
            let delivery = Deliver {
                source,
                records: Vec::new(),
                announced,
                term: None,
            };
            self.deliver(target, delivery);
        }
        if let Some(target) = routing::public_target(source, &self.topology) {
            self.carry(target, source, public.clone());
        }
        self.carry(LOGS, source, public);
        failpoint!(self.faults, AfterProduceBeforeConfirm);
    }
}
