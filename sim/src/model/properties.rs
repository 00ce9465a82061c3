//! What must always hold, and what must be possible.

use domain::{
    Event,
    invariants::Invariant,
    orders::{OrderEvent, OrderStatus},
};
use stateright::{Model, Property};

use super::{
    Saga,
    config::Fault,
    state::{Side, State},
    verdict,
};

/// Names of properties that must always hold.
pub mod always {
    /// I1.
    pub const I1: &str = "I1: stock adds up, and orders hold what is allocated";
    /// I2.
    pub const I2: &str = "I2: an order settles once";
    /// I3.
    pub const I3: &str = "I3: confirmed with everything, given up with nothing";
    /// I7.
    pub const I7: &str =
        "I7: every record has its effect once, and no watermark passes one that has none";
    /// I9.
    pub const I9: &str = "I9: positions are contiguous, and so are links";
    /// I10.
    pub const I10: &str = "I10: rows equal a replay";
    /// Rule 1.
    pub const TOLD: &str = "nobody is told what no journal says";
    /// Rule 3.
    pub const FENCE: &str = "a former owner changes nothing";
    /// Rule 4.
    pub const WATERMARK: &str = "no watermark goes back";
    /// Deadlines.
    pub const EXPIRY: &str = "an order expires only if its request or the answer was set aside";
    /// No more than there is.
    pub const OVERSOLD: &str = "no more is confirmed than there is";
    /// Liveness, together with the absence of cycles: see [`super::super::progress`].
    pub const STUCK: &str = "where nothing more can happen, everything is settled";
}

/// All properties.
pub(super) fn all() -> Vec<Property<Saga>> {
    let mut properties = vec![
        Property::always(always::I1, |_, state: &State| keeps(state, Invariant::I1)),
        Property::always(always::I2, |_, state: &State| keeps(state, Invariant::I2)),
        Property::always(always::I3, |_, state: &State| keeps(state, Invariant::I3)),
        Property::always(always::I7, |_, state: &State| keeps(state, Invariant::I7)),
        Property::always(always::I9, |_, state: &State| keeps(state, Invariant::I9)),
        Property::always(always::I10, |_, state: &State| keeps(state, Invariant::I10)),
        Property::always(always::TOLD, |_, state: &State| !state.verdict.told_untruth),
        Property::always(always::FENCE, |_, state: &State| {
            !state.verdict.former_owner_wrote
        }),
        Property::always(always::WATERMARK, |_, state: &State| {
            !state.verdict.watermark_went_back
        }),
        Property::always(always::EXPIRY, |_, state: &State| {
            verdict::expires_with_reason(state)
        }),
        Property::always(always::OVERSOLD, |model: &Saga, state: &State| {
            is_not_oversold(model, state)
        }),
        Property::always(always::STUCK, is_settled_or_goes_on),
    ];
    properties.extend(possible());
    properties
}

fn possible() -> Vec<Property<Saga>> {
    vec![
        Property::sometimes("an order is confirmed", |_, state: &State| {
            state.has_order(OrderStatus::Confirmed)
        }),
        Property::sometimes("an order is rejected", |_, state: &State| {
            state.has_order(OrderStatus::Rejected)
        }),
        Property::sometimes("an order is cancelled", |_, state: &State| {
            state.has_order(OrderStatus::Cancelled)
        }),
        Property::sometimes("an order expires", |_, state: &State| {
            state.has_order(OrderStatus::Expired)
        }),
        Property::sometimes(
            "a reservation that comes too late is given back",
            |_, state: &State| {
                state.stored(Side::Orders).records.iter().any(|record| {
                    let event = &record.payload.event;
                    matches!(
                        event,
                        Event::Order(OrderEvent::LateReservationReleased { .. })
                    )
                })
            },
        ),
        Property::sometimes("a node dies", |model: &Saga, state: &State| {
            model.is_spent(state, Fault::Crash)
        }),
        Property::sometimes("two nodes believe to serve a shard", |_, state: &State| {
            state
                .shards
                .iter()
                .any(|shard| shard.nodes.iter().filter(|node| node.is_open).count() > 1)
        }),
        Property::sometimes("a transaction's outcome is unknown", |_, state: &State| {
            state.shards.iter().any(|shard| !shard.orphans.is_empty())
        }),
    ]
}

fn keeps(state: &State, invariant: Invariant) -> bool {
    state.verdict.keeps(invariant)
}

fn is_not_oversold(model: &Saga, state: &State) -> bool {
    let confirmed = state
        .orders()
        .filter(|order| order.status == OrderStatus::Confirmed);
    let sold: u64 = confirmed
        .flat_map(|order| &order.lines)
        .map(|line| u64::from(line.quantity.get()))
        .sum();
    sold <= model.config.stock
}

fn is_settled_or_goes_on(model: &Saga, state: &State) -> bool {
    let mut actions = Vec::new();
    model.actions(state, &mut actions);
    !actions.is_empty() || state.is_settled()
}
