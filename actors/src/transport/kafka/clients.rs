//! What librdkafka says goes to the log, and its clients end on threads of their own.

use rdkafka::{
    ClientContext, config::RDKafkaLogLevel, consumer::ConsumerContext, error::KafkaError,
};

/// The context of clients that only ask.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        report(&error, reason);
    }
}

impl ConsumerContext for Quiet {}

/// A line of librdkafka's own log. What it calls an error it goes on trying to mend, so that no line is above a warning.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error => tracing::warn!(facility, "librdkafka: {message}"),
        RDKafkaLogLevel::Warning | RDKafkaLogLevel::Notice => {
            tracing::info!(facility, "librdkafka: {message}");
        }
        RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
            tracing::debug!(facility, "librdkafka: {message}");
        }
    }
}

/// An error that concerns a whole client.
pub(super) fn report(error: &KafkaError, reason: &str) {
    tracing::warn!(%error, reason, "kafka cannot be used as it should");
}

/// Drops a client where it may block: on a thread of its own.
pub(super) fn drop_elsewhere<T: Send + 'static>(client: T) {
    std::thread::spawn(move || drop(client));
}
