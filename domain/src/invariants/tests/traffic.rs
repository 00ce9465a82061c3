//! What goes on between the shards of the shop.

use super::shop::{Shop, shard};
use crate::{
    Domain, Event, NotificationId, OrderId, ShardRef,
    ids::next_in_shard,
    invariants::Place,
    notifications::{Channel, NotificationCommand, Template},
    orders::OrderCommand,
    parking::{ParkedCommand, ParkingEvent},
    routing, saga,
};

impl Shop {
    /// The next record on a link, and moves the watermark to it.
    fn take(&mut self, source: ShardRef, target: ShardRef) -> Option<(Place, Event)> {
        let is_public = target.domain == Domain::Notifications;
        let watermarks = &mut self.heads.get_mut(&target).unwrap().watermarks;
        let watermark = watermarks.entry(source).or_insert(0);
        let next = self.records.iter().find(|(place, _)| {
            place.shard == source
                && place.position > *watermark
                && (is_public || place.is_addressed_to(target))
        })?;
        *watermark = next.0.position;
        Some(next.clone())
    }

    /// Delivers the next record of a link; whether there was one.
    pub(super) fn deliver(&mut self, source: ShardRef, target: ShardRef) -> bool {
        let Some((place, event)) = self.take(source, target) else {
            return false;
        };
        self.apply(place.aggregate_id, &event, target);
        true
    }

    fn apply(&mut self, about: u64, event: &Event, target: ShardRef) {
        match event {
            Event::Order(event) if target.domain == Domain::Products => {
                for (product, command) in saga::requests(OrderId::new(about).unwrap(), event) {
                    if self.topology.owner_of_product(product) == target {
                        self.execute(|shop| &mut shop.products, target, product.get(), &command);
                    }
                }
            }
            Event::Order(event) => {
                if let Some(template) = Template::for_event(event) {
                    self.notify(OrderId::new(about).unwrap(), template, target);
                }
            }
            Event::Product(event) => {
                if let Some((order, answer)) = saga::answer(event) {
                    self.order(order, &OrderCommand::RecordAnswer(answer));
                }
            }
            _ => {}
        }
    }

    fn notify(&mut self, order_id: OrderId, template: Template, target: ShardRef) {
        let last = self.heads[&target].last_id;
        let id = next_in_shard((last > 0).then_some(last), target.shard, 2);
        self.issue(target, id);
        let command = NotificationCommand::RecordNotification {
            id: NotificationId::new(id).unwrap(),
            order_id,
            user_id: self.orders[&order_id.get()].0.user_id,
            template,
            channel: Channel::Log,
            subject: "Your order".into(),
            body: "".into(),
        };
        self.execute(|shop| &mut shop.notifications, target, id, &command);
    }

    /// Sets the next record of a link aside, for the one aggregate it is for.
    pub(super) fn park(&mut self, source: ShardRef, target: ShardRef) -> u64 {
        let (place, event) = self.take(source, target).unwrap();
        let (aggregate_id, order_id) = match &event {
            Event::Order(event) => {
                let order = OrderId::new(place.aggregate_id).unwrap();
                (saga::requests(order, event)[0].0.get(), Some(order))
            }
            Event::Product(event) => {
                let order = saga::answer(event).unwrap().0;
                (order.get(), Some(order))
            }
            _ => unreachable!(),
        };
        let id = self.heads[&target].last_id + 1;
        self.issue(target, id);
        let command = ParkedCommand {
            id,
            source_domain: source.domain,
            source_shard: source.shard,
            source_position: place.position,
            aggregate_id,
            order_id,
            event_type: "some.event.v1".to_owned(),
            payload: Vec::new(),
            error: "it panicked".to_owned(),
        };
        let parked = ParkingEvent::CommandParked(command.clone());
        self.record(target, aggregate_id, 0, parked.into());
        self.parked.push((target, self.now, command));
        id
    }

    /// Handles a parked command at last, or gives it up.
    pub(super) fn unpark(&mut self, target: ShardRef, id: u64, is_retried: bool) {
        let index = self
            .parked
            .iter()
            .position(|(shard, _, command)| *shard == target && command.id == id);
        let (_, _, command) = self.parked.remove(index.unwrap());
        let aggregate_id = command.aggregate_id;
        let event = if is_retried {
            let source = shard(command.source_domain, command.source_shard);
            let mut records = self.records.iter();
            let (place, event) = records
                .find(|(place, _)| {
                    place.shard == source && place.position == command.source_position
                })
                .cloned()
                .unwrap();
            self.apply(place.aggregate_id, &event, target);
            ParkingEvent::ParkedCommandRetried { id, aggregate_id }
        } else {
            ParkingEvent::ParkedCommandDiscarded { id, aggregate_id }
        };
        self.record(target, aggregate_id, 0, event.into());
    }

    /// Delivers everything to this domain until nothing is on its way there.
    pub(super) fn deliver_all_to(&mut self, domain: Domain) -> bool {
        let mut any = false;
        for target in (0..2).map(|number| shard(domain, number)) {
            let sources: Vec<ShardRef> = self.topology.journals().collect();
            for source in sources {
                let reads = domain != Domain::Notifications
                    || routing::public_target(source, &self.topology) == Some(target);
                while reads && self.deliver(source, target) {
                    any = true;
                }
            }
        }
        any
    }

    /// Delivers everything until nothing is on its way.
    pub(super) fn settle(&mut self) {
        while self.deliver_all_to(Domain::Products) | self.deliver_all_to(Domain::Orders) {}
        self.deliver_all_to(Domain::Notifications);
    }
}
