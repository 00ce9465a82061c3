//! Messages that nobody understands go to a topic of their own, with the reason. None is lost silently: what cannot be
//! handed over waits here, and when too much waits the consumer takes in no more.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use domain::Topology;
use rdkafka::{
    ClientContext, Message,
    config::RDKafkaLogLevel,
    error::KafkaError,
    message::{DeliveryResult, Header, OwnedHeaders, OwnedMessage},
    producer::{BaseRecord, ProducerContext, ThreadedProducer},
};

use super::{
    clients,
    codec::Malformed,
    config::{KafkaConfig, Pace},
    membership::Partition,
    topics,
};

/// Messages that may wait.
const WAITING_MAX: usize = 1_000;
/// The wait before a failed attempt is repeated.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Names of headers that are added.
pub(super) mod header {
    /// Why it is here.
    pub(in super::super) const REASON: &str = "dead_letter_reason";
    /// The topic it was read from.
    pub(in super::super) const TOPIC: &str = "dead_letter_topic";
    /// The partition it was read from.
    pub(in super::super) const PARTITION: &str = "dead_letter_partition";
    /// Its offset there.
    pub(in super::super) const OFFSET: &str = "dead_letter_offset";
}

type Place = (Partition, i64);

/// Of which instance of the producer, of which message, what.
type Outcome = (u64, Place, Result<(), KafkaError>);

#[derive(Clone, Default)]
struct Outcomes(Arc<Mutex<Vec<Outcome>>>);

impl ClientContext for Outcomes {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        clients::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "the producer of dead letters meets an error");
    }
}

impl ProducerContext for Outcomes {
    type DeliveryOpaque = Box<(u64, Place)>;

    fn delivery(&self, result: &DeliveryResult<'_>, place: Self::DeliveryOpaque) {
        let result = match result {
            Ok(_) => Ok(()),
            Err((error, _)) => Err(error.clone()),
        };
        let mut outcomes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        outcomes.push((place.0, place.1, result));
    }
}

/// The way to the dead letters.
pub(super) struct DeadLetters {
    config: KafkaConfig,
    topology: Topology,
    topic: String,
    outcomes: Outcomes,
    producer: Option<ThreadedProducer<Outcomes>>,
    instance: u64,
    retry_at: Option<Instant>,
    waiting: BTreeMap<Place, OwnedMessage>,
}

impl DeadLetters {
    pub(super) fn new(config: KafkaConfig, topology: Topology) -> Self {
        Self {
            topic: topics::dead_letters(&config.topic_prefix),
            config,
            topology,
            outcomes: Outcomes::default(),
            producer: None,
            instance: 0,
            retry_at: None,
            waiting: BTreeMap::new(),
        }
    }

    /// Whether no more should be taken in.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING_MAX
    }

    /// Whether something is on its way.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes a message in.
    pub(super) fn add(&mut self, partition: Partition, message: &impl Message, reason: &Malformed) {
        tracing::error!(
            topic = message.topic(),
            partition = message.partition(),
            offset = message.offset(),
            %reason,
            "a message is no record and goes to the dead letters"
        );
        let letter = letter(&self.topic, message, reason);
        let place = (partition, message.offset());
        self.waiting.insert(place, letter);
        self.send(place);
    }

    /// Looks what has come of messages, and tries again what failed. Returns the places that are done with.
    pub(super) fn tend(&mut self) -> Vec<Place> {
        let outcomes = std::mem::take(
            &mut *self
                .outcomes
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        let mut done = Vec::new();
        for (instance, place, result) in outcomes {
            match result {
                Ok(()) => {
                    if self.waiting.remove(&place).is_some() {
                        done.push(place);
                    }
                }
                Err(error) if instance == self.instance => self.fail(&error),
                Err(_) => {}
            }
        }
        if self.retry_at.is_some_and(|at| at <= Instant::now()) {
            self.retry_at = None;
            let places: Vec<Place> = self.waiting.keys().copied().collect();
            for place in places {
                self.send(place);
            }
        }
        done
    }

    fn send(&mut self, place: Place) {
        if self.retry_at.is_some() {
            return;
        }
        if self.producer.is_none() {
            match self
                .config
                .for_producer(Pace::AtOnce)
                .create_with_context(self.outcomes.clone())
            {
                Ok(producer) => {
                    self.instance += 1;
                    self.producer = Some(producer);
                }
                Err(error) => return self.fail(&error),
            }
        }
        let (Some(producer), Some(letter)) = (&self.producer, self.waiting.get(&place)) else {
            return;
        };
        let mut record = BaseRecord::with_opaque_to(&self.topic, Box::new((self.instance, place)))
            .partition(0)
            .payload(letter.payload().unwrap_or_default())
            .headers(letter.headers().cloned().unwrap_or_default());
        if let Some(key) = letter.key() {
            record = record.key(key);
        }
        if let Err((error, _)) = producer.send(record) {
            self.fail(&error);
        }
    }

    fn fail(&mut self, error: &KafkaError) {
        tracing::error!(%error, waiting = self.waiting.len(), "dead letters cannot be written; they wait");
        if let Some(producer) = self.producer.take() {
            clients::drop_elsewhere(producer);
        }
        self.instance += 1;
        self.retry_at = Some(Instant::now() + RETRY_AFTER);
        let (config, topology) = (self.config.clone(), self.topology);
        std::thread::spawn(move || {
            if let Err(error) = topics::ensure_blocking(&config, &topology) {
                tracing::error!(%error, "topics are not as they should be");
            }
        });
    }
}

impl Drop for DeadLetters {
    fn drop(&mut self) {
        if let Some(producer) = self.producer.take() {
            clients::drop_elsewhere(producer);
        }
    }
}

/// The message with what is to be known about it.
fn letter(topic: &str, message: &impl Message, reason: &Malformed) -> OwnedMessage {
    use rdkafka::message::Headers;

    let mut headers = OwnedHeaders::new();
    if let Some(own) = message.headers() {
        for header in own.iter() {
            headers = headers.insert(header);
        }
    }
    let added = [
        (header::REASON, reason.to_string()),
        (header::TOPIC, message.topic().to_owned()),
        (header::PARTITION, message.partition().to_string()),
        (header::OFFSET, message.offset().to_string()),
    ];
    for (key, value) in &added {
        headers = headers.insert(Header {
            key,
            value: Some(value.as_str()),
        });
    }
    OwnedMessage::new(
        message.payload().map(<[u8]>::to_vec),
        message.key().map(<[u8]>::to_vec),
        topic.to_owned(),
        message.timestamp(),
        0,
        message.offset(),
        Some(headers),
    )
}
