//! Everything that the checks are told about a store, so that a test can change any of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Aggregate, Domain, Event, ShardRef, Timestamp, Topology,
    invariants::{Checker, Head, Place, Report, Row, Service},
    notifications::Notification,
    orders::Order,
    parking::{ParkedCommand, ParkingEvent},
    products::Product,
    routing,
    users::User,
};

/// A store.
#[derive(Clone, Debug)]
pub(super) struct History {
    pub(super) topology: Topology,
    pub(super) heads: BTreeMap<ShardRef, Head>,
    /// All records, in the order in which they were committed.
    pub(super) records: Vec<(Place, Event)>,
    pub(super) orders: Vec<Row<Order>>,
    pub(super) products: Vec<Row<Product>>,
    pub(super) users: Vec<Row<User>>,
    pub(super) notifications: Vec<Row<Notification>>,
    pub(super) parked: Vec<(ShardRef, Timestamp, ParkedCommand)>,
    pub(super) log: Vec<(ShardRef, u64)>,
    pub(super) log_watermarks: BTreeMap<ShardRef, u64>,
    pub(super) served_at: Option<Timestamp>,
    pub(super) service: Option<Service>,
}

impl History {
    /// Feeds the checks. `rows_first` turns the order of the streams around, and has orders tell what they ask with their
    /// journals instead of order by order, which must make no difference.
    pub(super) fn check(&self, rows_first: bool) -> Report {
        let mut checker = Checker::new(self.topology, self.heads.clone());
        if rows_first {
            checker = checker.orders_by_position();
        }
        if let Some(time) = self.served_at {
            checker.served_at(time);
        }
        if let Some(service) = &self.service {
            checker.served_by(service.clone());
        }
        if rows_first {
            self.feed_rows(&mut checker);
            self.feed_orders(&mut checker);
            self.feed_journals(&mut checker, true);
        } else {
            self.feed_journals(&mut checker, false);
            self.feed_orders(&mut checker);
            self.feed_rows(&mut checker);
        }
        checker.finish()
    }

    fn feed_journals(&self, checker: &mut Checker, by_position: bool) {
        let mut records: Vec<&(Place, Event)> = self.records.iter().collect();
        records.sort_by_key(|(place, _)| (place.shard, place.position));
        for (place, event) in records {
            checker.place(place);
            if place.shard.domain != Domain::Orders {
                checker.event(place, event);
            } else if by_position {
                checker.order_record(place, event);
            }
        }
    }

    fn feed_orders(&self, checker: &mut Checker) {
        let mut records: Vec<&(Place, Event)> = self
            .records
            .iter()
            .filter(|(place, _)| place.shard.domain == Domain::Orders)
            .collect();
        records.sort_by_key(|(place, _)| (place.aggregate_id, place.seq, place.position));
        for (place, event) in records {
            checker.event(place, event);
        }
    }

    fn feed_rows(&self, checker: &mut Checker) {
        for row in &self.orders {
            checker.order_row(row.clone());
        }
        for row in &self.products {
            checker.product_row(row.clone());
        }
        for row in &self.users {
            checker.user_row(row.clone());
        }
        for row in &self.notifications {
            checker.notification_row(row.clone());
        }
        for (shard, parked_at, command) in &self.parked {
            checker.parked_row(*shard, *parked_at, command.clone());
        }
        let mut log = self.log.clone();
        log.sort_unstable();
        for (source, position) in log {
            checker.log_entry(source, position);
        }
        for (source, position) in &self.log_watermarks {
            checker.log_watermark(*source, *position);
        }
    }

    /// The first record for which `is_it` says so.
    #[track_caller]
    pub(super) fn find(&mut self, is_it: impl Fn(&Event) -> bool) -> &mut (Place, Event) {
        self.records
            .iter_mut()
            .find(|(_, event)| is_it(event))
            .expect("the history has such a record")
    }

    /// Takes the first such record out, as if it had never been: later records of its shard, links, heads and
    /// watermarks close up.
    #[track_caller]
    pub(super) fn undo(&mut self, is_it: impl Fn(&Event) -> bool) -> (Place, Event) {
        let index = self
            .records
            .iter()
            .position(|(_, event)| is_it(event))
            .expect("the history has such a record");
        let removed = self.records.remove(index);
        let (shard, gone) = (removed.0.shard, removed.0.position);
        let close_up = |position: &mut u64| *position -= u64::from(*position >= gone);
        for (place, _) in &mut self.records {
            if place.shard == shard {
                close_up(&mut place.position);
                let is_later = removed.0.seq > 0
                    && place.aggregate_id == removed.0.aggregate_id
                    && place.seq > removed.0.seq;
                place.seq -= u64::from(is_later);
            }
        }
        let in_records = self
            .records
            .iter_mut()
            .filter_map(|(_, event)| match event {
                Event::Parking(ParkingEvent::CommandParked(command)) => Some(command),
                _ => None,
            });
        for command in in_records.chain(self.parked.iter_mut().map(|(_, _, command)| command)) {
            if (command.source_domain, command.source_shard) == (shard.domain, shard.shard) {
                close_up(&mut command.source_position);
            }
        }
        for head in self.heads.values_mut() {
            if let Some(watermark) = head.watermarks.get_mut(&shard) {
                close_up(watermark);
            }
        }
        self.finish();
        removed
    }

    /// Records something more about an aggregate.
    pub(super) fn append(&mut self, shard: ShardRef, aggregate_id: u64, event: Event) {
        let (last, _) = self.records.last().expect("there are records");
        let time = last.time;
        let of_aggregate = self
            .records
            .iter()
            .filter(|(place, _)| place.shard == shard && place.aggregate_id == aggregate_id);
        let seq = 1 + of_aggregate.map(|(place, _)| place.seq).max().unwrap_or(0);
        let targets = routing::inbox_targets(&event, &self.topology);
        let place = Place {
            shard,
            position: self.heads[&shard].last_position + 1,
            aggregate_id,
            seq,
            time,
            links: targets.into_iter().map(|target| (target, 0)).collect(),
        };
        self.records.push((place, event));
        self.finish();
    }

    /// Makes links, heads, rows and the activity log fit the records, and watermarks the links.
    pub(super) fn finish(&mut self) {
        let shards: Vec<ShardRef> = self.topology.journals().collect();
        for shard in shards {
            self.link_up(shard);
        }
        let sent: BTreeSet<(ShardRef, ShardRef, u64)> = self
            .records
            .iter()
            .flat_map(|(place, _)| {
                let sent = |(target, _): &(ShardRef, u64)| (place.shard, *target, place.position);
                place.links.iter().map(sent).collect::<Vec<_>>()
            })
            .collect();
        for (target, head) in &mut self.heads {
            for (source, watermark) in &mut head.watermarks {
                if target.domain != Domain::Notifications {
                    let up_to = (*source, *target, 0)..=(*source, *target, *watermark);
                    *watermark = sent.range(up_to).next_back().map_or(0, |sent| sent.2);
                }
            }
        }
        self.rebuild_rows();
        let positions = self.records.iter();
        self.log = positions
            .map(|(place, _)| (place.shard, place.position))
            .collect();
        let mut log = self.log.clone();
        log.sort_unstable();
        self.log_watermarks = log.into_iter().collect();
    }

    /// Makes the rows fit the records.
    fn rebuild_rows(&mut self) {
        self.orders = self.replay(|event| match event {
            Event::Order(event) => Some(event),
            _ => None,
        });
        self.products = self.replay(|event| match event {
            Event::Product(event) => Some(event),
            _ => None,
        });
        self.users = self.replay(|event| match event {
            Event::User(event) => Some(event),
            _ => None,
        });
        self.notifications = self.replay(|event| match event {
            Event::Notification(event) => Some(event),
            _ => None,
        });
    }

    fn replay<A: Aggregate>(&self, of: impl Fn(&Event) -> Option<&A::Event>) -> Vec<Row<A>> {
        let mut states: BTreeMap<u64, (Option<A>, u64)> = BTreeMap::new();
        for (place, event) in &self.records {
            if let Some(event) = of(event) {
                let (state, version) = states.entry(place.aggregate_id).or_default();
                *state = A::evolve(state.take(), event, place.time);
                *version = place.seq;
            }
        }
        let row = |(id, (state, version)): (u64, (Option<A>, u64))| {
            Some(Row {
                id,
                version,
                state: Ok(state?),
            })
        };
        states.into_iter().filter_map(row).collect()
    }

    /// Makes a shard's links and head fit its records.
    fn link_up(&mut self, shard: ShardRef) {
        let head = self.heads.entry(shard).or_default();
        head.sent.clear();
        head.last_position = 0;
        for (place, _) in &mut self.records {
            if place.shard == shard {
                for (target, prev) in &mut place.links {
                    *prev = head.sent.insert(*target, place.position).unwrap_or(0);
                }
                head.last_position = place.position;
            }
        }
    }
}
