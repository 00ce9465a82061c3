//! The one place where the bytes of an event are decoded, from a journal or from a topic, on their way to a target.
//!
//! In builds with fault injection the environment variable `STAMPEDE_FAULT_UNKNOWN_EVENT_TYPES=type,type` makes this
//! process know these types as little as an older release would: a test of an upgrade in progress.

use domain::Event;
use proto::DecodeError;

/// The event in these bytes.
///
/// # Errors
/// [`DecodeError`].
pub fn decode(event_type: &str, payload: &[u8]) -> Result<Event, DecodeError> {
    if is_unknown(event_type) {
        return Err(DecodeError::UnknownType(event_type.to_owned()));
    }
    proto::decode(event_type, payload)
}

#[cfg(not(feature = "fault-injection"))]
const fn is_unknown(_event_type: &str) -> bool {
    false
}

#[cfg(feature = "fault-injection")]
fn is_unknown(event_type: &str) -> bool {
    use std::sync::LazyLock;

    static UNKNOWN: LazyLock<Vec<String>> = LazyLock::new(|| {
        std::env::var("STAMPEDE_FAULT_UNKNOWN_EVENT_TYPES")
            .unwrap_or_default()
            .split(',')
            .map(|event_type| event_type.trim().to_owned())
            .collect()
    });
    UNKNOWN.iter().any(|unknown| unknown == event_type)
}
