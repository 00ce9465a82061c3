//! Everything that must hold, checked over the whole store by the functions that `audit` uses.

use std::collections::BTreeMap;

use domain::{
    Domain, Timestamp,
    invariants::{Checker, Head, Place, Report, Row},
};

use super::{
    World,
    rules::State,
    store::{Kept, Store, Stored},
};

/// Checks a store. `served_at`: every shard was served then and had dealt with its deadlines.
#[must_use]
pub fn check(store: &Store, served_at: Option<Timestamp>) -> Report {
    let heads = store.shards.iter().map(|(shard, kept)| {
        let head = Head {
            last_position: kept.head.last_position,
            last_id: kept.head.last_id,
            sent: kept.head.sent.clone(),
            watermarks: kept.head.watermarks.clone(),
        };
        (*shard, head)
    });
    let mut checker = Checker::new(store.topology, heads.collect());
    if let Some(time) = served_at {
        checker.served_at(time);
    }
    for (shard, kept) in &store.shards {
        for stored in &kept.journal {
            let place = place(*shard, stored);
            checker.place(&place);
            if shard.domain != Domain::Orders {
                checker.event(&place, &stored.payload.event);
            }
        }
    }
    feed_orders(store, &mut checker);
    for (shard, kept) in &store.shards {
        feed_rows(kept, &mut checker);
        for parked in kept.parked.values() {
            checker.parked_row(*shard, parked.at, parked.command.clone());
        }
    }
    checker.finish()
}

/// Orders come one after the other, each with its whole history.
fn feed_orders(store: &Store, checker: &mut Checker) {
    let of_orders = store
        .shards
        .iter()
        .filter(|(shard, _)| shard.domain == Domain::Orders);
    let mut records: BTreeMap<(u64, u64, u64), (Place, &Stored)> = BTreeMap::new();
    for (shard, kept) in of_orders {
        for stored in &kept.journal {
            let key = (stored.payload.about, stored.payload.seq, stored.position);
            records.insert(key, (place(*shard, stored), stored));
        }
    }
    for (place, stored) in records.values() {
        checker.event(place, &stored.payload.event);
    }
}

fn feed_rows(kept: &Kept, checker: &mut Checker) {
    for (id, (state, version)) in &kept.states {
        let (id, version) = (*id, *version);
        match state.clone() {
            State::Order(state) => checker.order_row(row(id, version, state)),
            State::Product(state) => checker.product_row(row(id, version, state)),
            State::Notification(state) => checker.notification_row(row(id, version, state)),
        }
    }
}

const fn row<T>(id: u64, version: u64, state: T) -> Row<T> {
    Row {
        id,
        version,
        state: Ok(state),
    }
}

fn place(shard: domain::ShardRef, stored: &Stored) -> Place {
    Place {
        shard,
        position: stored.position,
        aggregate_id: stored.payload.about,
        seq: stored.payload.seq,
        time: stored.payload.at,
        links: stored
            .stamps
            .iter()
            .map(|stamp| (stamp.target, stamp.prev))
            .collect(),
    }
}

impl World {
    /// Checks everything there is at this moment.
    pub(super) fn check_all(&mut self, served_at: Option<Timestamp>) {
        let report = check(&self.store, served_at);
        for finding in report.findings() {
            for violation in &finding.examples {
                self.clockwork.violated(violation.to_string());
            }
        }
    }

    /// Whether nothing is under way any more: every wish is answered, every order settled, every link applied to its end,
    /// nothing set aside, and every record in its topic.
    pub(super) fn unrest(&self) -> Option<String> {
        if let Some(number) = self.clients.doings.iter().position(|doing| !doing.is_done) {
            return Some(format!(
                "wish {number} is not answered: {:?}",
                self.clients.doings[number]
            ));
        }
        for (shard, kept) in &self.store.shards {
            if let Some((id, _)) = kept.parked.iter().next() {
                return Some(format!("{id} is still set aside at {shard}"));
            }
            for (state, _) in kept.states.values() {
                if let State::Order(order) = state
                    && !order.status.is_settled()
                {
                    return Some(format!("order {} is {}", order.id, order.status));
                }
            }
            for (target, sent) in &kept.head.sent {
                let applied = self.store.of(*target).head.watermark(*shard);
                if applied < *sent {
                    return Some(format!(
                        "{target} has applied {shard} up to {applied} of {sent}"
                    ));
                }
            }
            if let Some(reader) = domain::routing::public_target(*shard, &self.store.topology) {
                let applied = self.store.of(reader).head.watermark(*shard);
                if applied < kept.head.last_position {
                    return Some(format!("{reader} has read {shard} up to {applied}"));
                }
            }
            if self.clockwork.plan.has_broker && kept.published < kept.head.last_position {
                return Some(format!("{shard} is published up to {}", kept.published));
            }
        }
        None
    }

    /// Every record that counts as published is in its public topic.
    pub(super) fn check_topics(&mut self) {
        if !self.clockwork.plan.has_broker {
            return;
        }
        for (shard, kept) in &self.store.shards {
            let topic = self.topics.get(shard);
            let missing = (1..=kept.published)
                .find(|position| topic.is_none_or(|topic| !topic.contains(position)));
            if let Some(position) = missing {
                let text = format!(
                    "I7: {shard} position {position} is not in its public topic, and counts as published up to {}",
                    kept.published
                );
                self.clockwork.violated(text);
            }
        }
    }
}
