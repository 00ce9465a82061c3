//! What a message means to its shard.

use std::{collections::BTreeMap, sync::Arc};

use actix::dev::SendError;
use domain::{Domain, ShardRef, Topology};
use rdkafka::Message;
use storage::Incarnations;

use super::{
    codec::{self, Malformed},
    membership::Partition,
    stats::ConsumerCounts,
    topics::Carries,
};
use crate::runtime::{
    decode::decode,
    messages::{Deliver, Record},
};
use crate::transport::Inbox;

/// What a message means.
#[derive(Debug)]
pub(super) enum Meaning {
    /// A record of a source.
    Record(Box<Record>),
    /// A record of this source and position that could not be decoded here.
    Announced(ShardRef, u64),
    /// Nothing: it is of another life of its source.
    Foreign,
    /// It is not one of ours.
    Dead(Malformed),
}

/// What has to be delivered to one shard, from one source.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) target: ShardRef,
    pub(super) deliver: Deliver,
    /// The offset of the first of its messages.
    pub(super) first_offset: i64,
}

/// Finds out what messages mean, and delivers them.
pub(super) struct Dispatcher {
    pub(super) domain: Domain,
    pub(super) topology: Topology,
    pub(super) incarnations: Arc<Incarnations>,
    pub(super) targets: BTreeMap<ShardRef, Inbox>,
    pub(super) counts: Arc<ConsumerCounts>,
}

impl Dispatcher {
    /// What a message of this partition means.
    pub(super) fn meaning(&self, partition: Partition, message: &impl Message) -> Meaning {
        match self.understand(partition, message) {
            Ok(meaning) => meaning,
            Err(malformed) => Meaning::Dead(malformed),
        }
    }

    fn understand(
        &self,
        (carries, partition): Partition,
        message: &impl Message,
    ) -> Result<Meaning, Malformed> {
        let address = codec::address(message)?;
        let (source, position) = (address.source, address.position);
        if source.shard >= self.topology.shards(source.domain) {
            return Err(Malformed::UnknownShard(source));
        }
        let prev = match carries {
            Carries::Inbox(_) => codec::prev(message, position)?,
            Carries::Public(domain) => {
                if source.domain != domain || i32::from(source.shard) != partition {
                    return Err(Malformed::Misplaced(source));
                }
                position - 1
            }
        };
        if self.incarnations.of(source, position) != address.incarnation {
            return Ok(Meaning::Foreign);
        }
        let content = match codec::content(message) {
            Ok(content) => content,
            Err(error) => return Ok(self.undecodable(source, position, &error)),
        };
        Ok(match decode(&content.event_type, &content.payload) {
            Ok(event) => Meaning::Record(Box::new(Record {
                source,
                position,
                prev,
                aggregate_id: content.aggregate_id,
                time: content.time,
                event: Arc::new(event),
                trace: content.trace,
            })),
            Err(error) => self.undecodable(source, position, &error),
        })
    }

    fn undecodable(
        &self,
        source: ShardRef,
        position: u64,
        error: &dyn std::fmt::Display,
    ) -> Meaning {
        self.counts.undecodable.add(1);
        // Counted here; the alarm is raised by the shard, once for the record that holds its link.
        tracing::debug!(%source, position, %error, "a message cannot be decoded; the journal is asked for its record");
        Meaning::Announced(source, position)
    }

    /// The shard that gets the messages of a partition; `None` where they only serve to share out shards.
    pub(super) fn target(&self, (carries, partition): Partition) -> Option<ShardRef> {
        match self.domain {
            Domain::Auth => None,
            Domain::Logs => Some(ShardRef {
                domain: Domain::Logs,
                shard: 0,
            }),
            _ => super::topics::served(self.domain, carries, partition),
        }
    }

    /// Delivers a parcel. Gives it back if the mailbox is full. A shard that is not served here gets nothing and misses
    /// nothing: it reads the journal when it is served again.
    pub(super) fn deliver(&self, parcel: Parcel) -> Result<(), Parcel> {
        let Parcel {
            target,
            deliver,
            first_offset,
        } = parcel;
        let Some(inbox) = self.targets.get(&target) else {
            return Ok(());
        };
        let records = deliver.records.len() as u64;
        match inbox.try_send(deliver) {
            Ok(()) => {
                self.counts.delivered.add(records);
                Ok(())
            }
            Err(SendError::Full(deliver)) => Err(Parcel {
                target,
                deliver,
                first_offset,
            }),
            Err(SendError::Closed(_)) => Ok(()),
        }
    }
}

/// Puts a message's record or announcement into the parcels of a partition: one per source and batch.
pub(super) fn pack(
    parcels: &mut Vec<Parcel>,
    target: ShardRef,
    source: ShardRef,
    offset: i64,
    record: Option<Record>,
    announced: u64,
) {
    let index = parcels
        .iter()
        .position(|parcel| parcel.deliver.source == source && parcel.target == target);
    let index = index.unwrap_or_else(|| {
        parcels.push(Parcel {
            target,
            deliver: Deliver {
                source,
                records: Vec::new(),
                announced: 0,
                term: None,
            },
            first_offset: offset,
        });
        parcels.len() - 1
    });
    let deliver = &mut parcels[index].deliver;
    deliver.records.extend(record);
    deliver.announced = deliver.announced.max(announced);
}
