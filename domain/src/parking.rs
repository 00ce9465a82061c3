//! Commands that were set aside because their handler kept failing.
//!
//! A record of a link whose handling fails again and again must not hold its link for ever, and must not be lost. It
//! is parked: journaled in the transaction that passes the watermark, shown to operators, and later retried or
//! discarded. What concerns the same order and the same aggregate parks behind it, so that order is kept.

use serde::{Deserialize, Serialize};

use crate::{Domain, OrderId};

/// A parked command: the record it came from and the aggregate it was meant for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ParkedCommand {
    /// Identifies it within its domain, an id that its shard issued.
    pub id: u64,
    /// The domain that sent the record.
    pub source_domain: Domain,
    /// The shard that sent it.
    pub source_shard: u16,
    /// The record's position in its source's journal.
    pub source_position: u64,
    /// The aggregate that could not handle it.
    pub aggregate_id: u64,
    /// The order it is about, where it is about one.
    pub order_id: Option<OrderId>,
    /// The type of the record, such as `order.created.v1`.
    pub event_type: String,
    /// The record as it was sent.
    pub payload: Vec<u8>,
    /// The last error.
    pub error: String,
}

/// What happens to parked commands.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ParkingEvent {
    /// Set aside, and the watermark passed; or retried, and failed again in the way that it says now.
    CommandParked(ParkedCommand),
    /// Handled at last; its effect is in the same transaction.
    ParkedCommandRetried {
        /// Which one.
        id: u64,
        /// The aggregate it was meant for.
        aggregate_id: u64,
    },
    /// Given up by an operator.
    ParkedCommandDiscarded {
        /// Which one.
        id: u64,
        /// The aggregate it was meant for.
        aggregate_id: u64,
    },
}
