//! What is wrong with a state.
//!
//! Whether a store keeps the invariants is found by the checker that `audit` uses too, whenever something is committed.
//! What cannot be seen in a store afterwards is noted when it happens.

use std::collections::BTreeMap;

use domain::{
    Event, Timestamp,
    invariants::{Checker, Head, Invariant, Place, Report, Row},
    parking::ParkingEvent,
};

use super::{
    state::{Side, State},
    store::{NOW, Record, Stored, TOPOLOGY},
};

/// What was found wrong, once and for all: nothing is ever struck off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Verdict {
    /// The invariants that the stores have broken, a bit each.
    broken: u16,
    /// A customer was told something that no journal says.
    pub told_untruth: bool,
    /// A transaction of a former owner has changed something.
    pub former_owner_wrote: bool,
    /// A watermark went back.
    pub watermark_went_back: bool,
}

impl Verdict {
    /// Whether the stores have always kept an invariant.
    #[must_use]
    pub const fn keeps(&self, invariant: Invariant) -> bool {
        self.broken & (1 << invariant as u16) == 0
    }

    /// Has the invariants looked at.
    pub(super) fn judge(&mut self, report: &Report) {
        for finding in report.findings() {
            if finding.violations > 0 {
                self.broken |= 1 << finding.invariant as u16;
            }
        }
    }
}

/// What the invariants' own checker says about everything that is stored.
#[must_use]
pub fn audit(state: &State) -> Report {
    let heads = Side::BOTH.map(|side| (side.shard(), head(state.stored(side))));
    let mut checker = Checker::new(TOPOLOGY, BTreeMap::from(heads));
    for side in Side::BOTH {
        let stored = state.stored(side);
        let places: Vec<(Place, &Event)> = stored
            .records
            .iter()
            .map(|record| (place(stored, record), &record.payload.event))
            .collect();
        for (place, _) in &places {
            checker.place(place);
        }
        let mut events: Vec<&(Place, &Event)> = places.iter().collect();
        if side == Side::Orders {
            // Order by order; what became of commands that were set aside is number 0 of its order, and goes first.
            events.sort_by_key(|(place, _)| (place.aggregate_id, place.seq, place.position));
        }
        for (place, event) in events {
            checker.event(place, event);
        }
        for (id, (order, version)) in &stored.orders {
            checker.order_row(row(*id, order, *version));
        }
        for (id, (product, version)) in &stored.products {
            checker.product_row(row(*id, product, *version));
        }
        for command in &stored.parked {
            checker.parked_row(stored.shard, NOW, command.clone());
        }
    }
    checker.finish()
}

/// Whether every order that has expired had a reason: its request, or the answer to it, was set aside. Whatever is only
/// on its way would have come.
#[must_use]
pub fn expires_with_reason(state: &State) -> bool {
    let orders = state.stored(Side::Orders);
    let is_set_aside = |order: u64| {
        Side::BOTH.into_iter().any(|side| {
            let records = state.stored(side).records.iter();
            records.map(|record| &record.payload.event).any(|event| {
                matches!(event, Event::Parking(ParkingEvent::CommandParked(command))
                    if command.order_id.is_some_and(|about| about.get() == order))
            })
        })
    };
    let expired = orders.records.iter().filter(|record| {
        matches!(
            record.payload.event,
            Event::Order(domain::orders::OrderEvent::OrderExpired { .. })
        )
    });
    expired.map(|record| record.payload.about).all(is_set_aside)
}

fn row<T: Clone>(id: u64, state: &T, version: u64) -> Row<T> {
    Row {
        id,
        version,
        state: Ok(state.clone()),
    }
}

fn head(stored: &Stored) -> Head {
    Head {
        last_position: stored.head.last_position,
        last_id: stored.head.last_id,
        sent: stored.head.sent.clone(),
        watermarks: stored.head.watermarks.clone(),
    }
}

fn place(stored: &Stored, record: &Record) -> Place {
    const AT: Timestamp = NOW;
    let stamps = record.stamps.iter();
    Place {
        shard: stored.shard,
        position: record.position,
        aggregate_id: record.payload.about,
        seq: record.payload.seq,
        time: AT,
        links: stamps.map(|stamp| (stamp.target, stamp.prev)).collect(),
    }
}
