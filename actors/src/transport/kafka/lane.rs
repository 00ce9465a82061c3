//! The way of one shard's records to one family of topics.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use domain::ShardRef;
use engine::Cursor;
use tokio::time::Instant;

use super::{
    backlog::{Outgoing, Waiting},
    producer::{Family, Message},
    topics,
};
use crate::runtime::Faults;

/// Records that are made into messages at a time.
const CHUNK: usize = 256;
/// Positions that may be taken and not acknowledged, per shard.
const OPEN_MAX: usize = 8_192;

/// Names of topics, made once.
pub(super) struct TopicNames {
    public: BTreeMap<domain::Domain, Arc<str>>,
    inbox: BTreeMap<domain::Domain, Arc<str>>,
}

impl TopicNames {
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            public: (topics::PUBLIC_DOMAINS.into_iter())
                .map(|domain| (domain, topics::public(prefix, domain).into()))
                .collect(),
            inbox: (topics::INBOX_DOMAINS.into_iter())
                .map(|domain| (domain, topics::inbox(prefix, domain).into()))
                .collect(),
        }
    }

    /// The messages that a record is sent as in a family.
    fn messages(&self, family: Family, source: ShardRef, record: &Arc<Outgoing>) -> Vec<Message> {
        match family {
            Family::Public => (self.public.get(&source.domain).into_iter())
                .map(|topic| Message {
                    topic: topic.clone(),
                    partition: source.shard,
                    prev: record.position - 1,
                    record: record.clone(),
                })
                .collect(),
            Family::Inbox => (record.stamps.iter())
                .filter_map(|stamp| {
                    Some(Message {
                        topic: self.inbox.get(&stamp.target.domain)?.clone(),
                        partition: stamp.target.shard,
                        prev: stamp.prev,
                        record: record.clone(),
                    })
                })
                .collect(),
        }
    }
}

/// Whether a domain's records ever go to an inbox.
pub(super) fn has_inbox(source: ShardRef) -> bool {
    topics::INBOX_DOMAINS.contains(&source.domain)
}

/// What a lane wants next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// Nothing: it has sent everything, or has enough under way.
    Nothing,
    /// To send what it holds.
    Sending,
    /// The records after this position, from the journal.
    Reading(u64),
}

/// The way of one shard's records to one family.
pub(super) struct Lane {
    pub(super) cursor: Cursor,
    /// Messages made and not handed to the producer.
    pub(super) unsent: VecDeque<Message>,
    /// Records read from the journal and not made into messages.
    read: VecDeque<Arc<Outgoing>>,
    pub(super) is_reading: bool,
    /// A reading that brought nothing is not repeated before this.
    pub(super) read_not_before: Option<Instant>,
}

impl Lane {
    pub(super) fn new(acknowledged: u64) -> Self {
        Self {
            cursor: Cursor::new(acknowledged),
            unsent: VecDeque::new(),
            read: VecDeque::new(),
            is_reading: false,
            read_not_before: None,
        }
    }

    /// Starts again from what is acknowledged.
    pub(super) fn rewind(&mut self) {
        self.cursor.rewind();
        self.unsent.clear();
        self.read.clear();
    }

    /// Takes the records that were read after a position, if that is still the last one taken. Positions that the
    /// journal left out are passed without a message.
    pub(super) fn take_read(&mut self, after: u64, records: Vec<Outgoing>) {
        if self.read.is_empty() && self.cursor.taken() == after {
            self.read = records.into_iter().map(Arc::new).collect();
        }
    }

    /// Makes the next messages, from what was read or else from memory, and says what is wanted.
    pub(super) fn fill(
        &mut self,
        family: Family,
        source: ShardRef,
        waiting: &Waiting,
        names: &TopicNames,
        faults: &Faults,
        now: Instant,
    ) -> Wants {
        if !self.unsent.is_empty() {
            return Wants::Sending;
        }
        loop {
            let taken = self.cursor.taken();
            if taken >= waiting.last || self.cursor.open() >= OPEN_MAX {
                return Wants::Nothing;
            }
            let records = self.next_records(taken, waiting);
            if records.is_empty() {
                let is_soon = self.read_not_before.is_none_or(|at| at <= now);
                return if self.is_reading || !is_soon {
                    Wants::Nothing
                } else {
                    Wants::Reading(taken)
                };
            }
            self.make_messages(family, source, &records, names, faults);
            if !self.unsent.is_empty() {
                return Wants::Sending;
            }
        }
    }

    fn next_records(&mut self, taken: u64, waiting: &Waiting) -> Vec<Arc<Outgoing>> {
        while self
            .read
            .front()
            .is_some_and(|record| record.position <= taken)
        {
            self.read.pop_front();
        }
        if self.read.is_empty() {
            waiting.after(taken, CHUNK)
        } else {
            self.read.drain(..CHUNK.min(self.read.len())).collect()
        }
    }

    fn make_messages(
        &mut self,
        family: Family,
        source: ShardRef,
        records: &[Arc<Outgoing>],
        names: &TopicNames,
        faults: &Faults,
    ) {
        let made = (records.iter())
            .flat_map(|record| names.messages(family, source, record))
            .collect();
        let made = match family {
            Family::Public => faults.on_public_topic(made),
            Family::Inbox => faults.on_feed(made),
        };
        let mut counts: BTreeMap<u64, u32> = BTreeMap::new();
        for message in &made {
            *counts.entry(message.record.position).or_default() += 1;
        }
        for record in records {
            while self.cursor.taken() + 1 < record.position {
                self.cursor.take(0);
            }
            let count = counts.get(&record.position).copied().unwrap_or(0);
            self.cursor.take(count);
        }
        self.unsent.extend(made);
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use domain::{Domain, Timestamp};
    use engine::Stamp;

    use super::*;

    const SOURCE: ShardRef = ShardRef {
        domain: Domain::Products,
        shard: 3,
    };

    fn record(position: u64, targets: &[u16]) -> Outgoing {
        Outgoing {
            position,
            aggregate_id: 1,
            time: Timestamp::default(),
            event_type: Cow::Borrowed("stock.refused.v1"),
            payload: Vec::new(),
            stamps: (targets.iter())
                .map(|shard| Stamp {
                    target: ShardRef {
                        domain: Domain::Orders,
                        shard: *shard,
                    },
                    prev: position - 1,
                })
                .collect(),
            trace: None,
        }
    }

    fn fill(lane: &mut Lane, family: Family, last: u64) -> Wants {
        let waiting = Waiting {
            last,
            ..Waiting::default()
        };
        let names = TopicNames::new("");
        lane.fill(
            family,
            SOURCE,
            &waiting,
            &names,
            &Faults::default(),
            Instant::now(),
        )
    }

    fn places(lane: &Lane) -> Vec<(u64, &str, u16)> {
        (lane.unsent.iter())
            .map(|message| (message.record.position, &*message.topic, message.partition))
            .collect()
    }

    #[test]
    fn what_memory_lacks_is_read_and_sent_to_every_target() {
        let mut lane = Lane::new(4);
        assert_eq!(fill(&mut lane, Family::Inbox, 6), Wants::Reading(4));
        lane.take_read(4, vec![record(5, &[]), record(6, &[0, 2])]);
        assert_eq!(fill(&mut lane, Family::Inbox, 6), Wants::Sending);
        assert_eq!(
            places(&lane),
            [(6, "inbox.orders", 0), (6, "inbox.orders", 2)]
        );
        assert_eq!(lane.cursor.acknowledged(), 5, "position 5 has no target");
        lane.unsent.clear();
        assert_eq!(fill(&mut lane, Family::Inbox, 6), Wants::Nothing);
    }

    #[test]
    fn a_reading_that_is_out_of_date_is_not_taken() {
        let mut lane = Lane::new(4);
        lane.take_read(4, vec![record(5, &[]), record(6, &[])]);
        assert_eq!(fill(&mut lane, Family::Public, 8), Wants::Sending);
        assert_eq!(
            places(&lane),
            [(5, "events.products", 3), (6, "events.products", 3)]
        );
        lane.rewind();
        lane.take_read(6, vec![record(7, &[])]);
        assert_eq!(
            fill(&mut lane, Family::Public, 8),
            Wants::Reading(4),
            "5 and 6 are not acknowledged"
        );
    }
}
