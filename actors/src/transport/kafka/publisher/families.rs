//! A family's producer: made when it is needed, ended by an error, made anew after a while.

use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::time::Instant;

use super::super::{
    config::PRODUCER_MESSAGES_MAX,
    producer::{Producer, Sent},
};

/// Messages that a producer is given before some are acknowledged. Less than it could hold, so that doubled messages
/// fit too.
const IN_FLIGHT_MAX: usize = PRODUCER_MESSAGES_MAX / 2;
/// The same of a producer whose predecessor has failed, at first: every acknowledgement adds one. A broker that is slow
/// gets as much as it can take in time, so that each instance comes a little further than the one before.
const IN_FLIGHT_AFTER_FAILURE: usize = 64;
/// The wait before a producer is made anew, at first.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// The longest wait before a producer is made anew.
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// A producer that has messages and hears nothing of them for so long is made anew. While Kafka is down that does
/// nothing but repeat itself.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// The wait after a producer had no room though it should have had.
const FULL_WAIT: Duration = Duration::from_millis(20);

/// The producer of a family, or the wait for one.
pub(super) struct FamilyState {
    producer: Option<Producer>,
    /// Grows with each instance: what an older one tells is of no interest.
    pub(super) instance: u64,
    in_flight: usize,
    in_flight_max: usize,
    is_being_made: bool,
    not_before: Option<Instant>,
    backoff: Duration,
    heard_at: Instant,
    /// Whether the topics are to be looked at before the next instance.
    topics_in_doubt: bool,
}

impl FamilyState {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            producer: None,
            instance: 0,
            in_flight: 0,
            in_flight_max: IN_FLIGHT_MAX,
            is_being_made: false,
            not_before: None,
            backoff: BACKOFF_MIN,
            heard_at: now,
            topics_in_doubt: false,
        }
    }

    /// Whether a message can be handed over.
    pub(super) fn has_room(&self, now: Instant) -> bool {
        self.producer.is_some() && self.in_flight < self.in_flight_max && self.may_try(now)
    }

    /// Begins the making of an instance if there is none. Returns whether the topics are to be looked at before.
    pub(super) fn begin_making(&mut self, now: Instant) -> Option<bool> {
        if self.producer.is_some() || self.is_being_made || !self.may_try(now) {
            return None;
        }
        self.is_being_made = true;
        Some(std::mem::take(&mut self.topics_in_doubt))
    }

    /// Takes a new instance.
    pub(super) fn made(&mut self, producer: Result<Producer, KafkaError>, now: Instant) {
        self.is_being_made = false;
        match producer {
            Ok(producer) => {
                self.instance += 1;
                self.in_flight = 0;
                self.heard_at = now;
                self.not_before = None;
                self.producer = Some(producer);
            }
            Err(error) => {
                tracing::error!(%error, "a producer cannot be made");
                self.wait(now);
            }
        }
    }

    /// Hands something over to the producer.
    pub(super) fn send(&mut self, now: Instant, send: impl FnOnce(&Producer) -> Sent) -> Sent {
        let Some(producer) = &self.producer else {
            return Sent::Full;
        };
        let sent = send(producer);
        match sent {
            Sent::Queued => {
                if self.in_flight == 0 {
                    self.heard_at = now;
                }
                self.in_flight += 1;
            }
            Sent::Full => self.not_before = Some(now + FULL_WAIT),
            Sent::Failed(_) => {}
        }
        sent
    }

    /// Something came of a message of this instance.
    pub(super) fn heard(&mut self, now: Instant, is_acknowledged: bool) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.heard_at = now;
        if is_acknowledged {
            self.backoff = BACKOFF_MIN;
            self.in_flight_max = (self.in_flight_max + 1).min(IN_FLIGHT_MAX);
        }
    }

    /// Whether it has said nothing for too long.
    pub(super) fn is_stuck(&self, now: Instant) -> bool {
        self.producer.is_some() && self.in_flight > 0 && now - self.heard_at >= SILENCE_MAX
    }

    /// Ends the instance.
    pub(super) fn fail(&mut self, now: Instant, topics_in_doubt: bool) {
        self.producer = None;
        self.instance += 1;
        self.in_flight = 0;
        self.in_flight_max = IN_FLIGHT_AFTER_FAILURE;
        self.topics_in_doubt |= topics_in_doubt;
        self.wait(now);
    }

    /// When something is to be tried again.
    pub(super) fn not_before(&self) -> Option<Instant> {
        self.not_before
    }

    fn may_try(&self, now: Instant) -> bool {
        self.not_before.is_none_or(|at| at <= now)
    }

    fn wait(&mut self, now: Instant) {
        self.not_before = Some(now + self.backoff);
        self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
    }
}

/// Whether an error says that a topic is not there, or not as it should be.
pub(super) fn doubts_topics(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownPartition
                | RDKafkaErrorCode::UnknownTopicId
        )
    )
}
