//! One instance of a producer: it takes messages until one of them fails, and is then replaced.

use std::sync::{Arc, Mutex, PoisonError};

use domain::ShardRef;
use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    message::DeliveryResult,
    producer::{BaseRecord, ProducerContext, ThreadedProducer},
};

use super::{
    backlog::{Backlog, Outgoing},
    clients,
    codec::Envelope,
    config::{KafkaConfig, Pace},
};

/// The families of topics, each with a producer and cursors of its own: one that fails does not hold up the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    /// Public topics.
    Public,
    /// Inboxes.
    Inbox,
}

impl Family {
    pub(super) const ALL: [Self; 2] = [Self::Public, Self::Inbox];

    const fn pace(self) -> Pace {
        match self {
            Self::Public => Pace::Gathered,
            Self::Inbox => Pace::AtOnce,
        }
    }
}

/// Whose message was acknowledged, or failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) family: Family,
    /// Which instance of the family's producer has sent it.
    pub(super) instance: u64,
    pub(super) shard: ShardRef,
    /// Which life of the shard.
    pub(super) life: u64,
    pub(super) position: u64,
}

/// What came of a message.
pub(super) type Outcome = (Ticket, Result<(), KafkaError>);

/// Where producers leave what came of their messages. It is bounded by what they may have in flight.
#[derive(Debug, Default)]
pub(super) struct Outcomes(Mutex<Vec<Outcome>>);

impl Outcomes {
    fn add(&self, outcome: Outcome) {
        let mut outcomes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        outcomes.push(outcome);
    }

    pub(super) fn take(&self) -> Vec<Outcome> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A message that waits to be sent.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) topic: Arc<str>,
    pub(super) partition: u16,
    pub(super) prev: u64,
    pub(super) record: Arc<Outgoing>,
}

struct Context {
    outcomes: Arc<Outcomes>,
    backlog: Arc<Backlog>,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        clients::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        clients::report(&error, reason);
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Box<Ticket>;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Self::DeliveryOpaque) {
        let result = match result {
            Ok(_) => Ok(()),
            Err((error, _)) => Err(error.clone()),
        };
        self.outcomes.add((*ticket, result));
        self.backlog.wake.notify_one();
    }
}

/// What came of handing a message to a producer.
pub(super) enum Sent {
    /// It will be heard of.
    Queued,
    /// There is no room for it now.
    Full,
    /// The producer is of no use any more.
    Failed(KafkaError),
}

/// An instance of a producer. Dropping it forgets what it has not sent.
pub(super) struct Producer {
    client: Option<ThreadedProducer<Context>>,
}

impl Producer {
    /// A new instance. Starts threads, and does not wait for the network.
    pub(super) fn new(
        config: &KafkaConfig,
        family: Family,
        outcomes: Arc<Outcomes>,
        backlog: Arc<Backlog>,
    ) -> Result<Self, KafkaError> {
        let context = Context { outcomes, backlog };
        let client = config
            .for_producer(family.pace())
            .create_with_context(context)?;
        Ok(Self {
            client: Some(client),
        })
    }

    /// Hands a message over, without waiting.
    pub(super) fn send(&self, message: &Message, source: &str, ticket: Ticket) -> Sent {
        // Only `drop` takes the client.
        let Some(client) = &self.client else {
            return Sent::Full;
        };
        let envelope = Envelope {
            source,
            position: message.record.position,
            prev: message.prev,
            event_type: &message.record.event_type,
            aggregate_id: message.record.aggregate_id,
            time: message.record.time,
            trace: message.record.trace,
        };
        let key = envelope.key();
        let record = BaseRecord::with_opaque_to(&message.topic, Box::new(ticket))
            .partition(i32::from(message.partition))
            .key(&key)
            .payload(&message.record.payload)
            .headers(envelope.headers());
        match client.send(record) {
            Ok(()) => Sent::Queued,
            Err((error, _)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) => {
                Sent::Full
            }
            Err((error, _)) => Sent::Failed(error),
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            clients::drop_elsewhere(client);
        }
    }
}
