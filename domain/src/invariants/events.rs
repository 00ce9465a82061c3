//! What each kind of event tells the checks.

use super::{
    Checker, Invariant, Place, Report,
    orders::Trail,
    record::Heads,
    task::{Content, Task},
};
use crate::{
    Aggregate, ProductId,
    notifications::{Notification, NotificationEvent},
    orders::OrderEvent,
    products::ProductEvent,
    saga,
    users::UserEvent,
};

impl Checker {
    pub(super) fn order_event(&mut self, place: &Place, event: &OrderEvent) {
        let id = place.aggregate_id;
        if self.trail.as_ref().is_none_or(|trail| trail.id() != id) {
            self.end_trail();
        }
        self.keys.event(event, place.time, &mut self.report);
        let trail = self
            .trail
            .get_or_insert_with(|| Trail::begin(id, place.shard));
        trail.event(
            place,
            event,
            &mut self.effects,
            &self.heads,
            &mut self.report,
        );
    }

    pub(super) fn end_trail(&mut self) {
        let Some(trail) = self.trail.take() else {
            return;
        };
        let id = trail.id();
        let (order, version) = trail.end(&mut self.orders, &mut self.effects, &mut self.report);
        if let Some(order) = order {
            self.order_rows
                .replayed(id, order, version, &mut self.report);
        }
    }

    pub(super) fn product_event(&mut self, place: &Place, event: &ProductEvent) {
        let id = place.aggregate_id;
        let report = &mut self.report;
        let Some(product_id) = ProductId::new(id) else {
            let detail = format!("{place} is about product {id}, which cannot be");
            report.violated(Invariant::I9, 1, detail);
            return;
        };
        let home = self.heads.topology.owner_of_product(product_id);
        report.check(Invariant::I9, place.shard == home, || {
            format!("{place} is about product {id}, which belongs to {home}")
        });
        if let ProductEvent::ProductCreated { .. } = event {
            judge_id(place, &self.heads, report);
        }
        if let ProductEvent::ProductCreated { product_id, .. }
        | ProductEvent::StockReserved { product_id, .. }
        | ProductEvent::StockRefused { product_id, .. } = event
        {
            report.check(Invariant::I9, product_id.get() == id, || {
                format!("{place} is kept under product {id} and is about product {product_id}")
            });
        }
        let before = self.products.state(id);
        self.stocks.event(place, before, event, report);

        let pieces = match event {
            ProductEvent::StockReserved {
                order_id, quantity, ..
            }
            | ProductEvent::StockRefused {
                order_id, quantity, ..
            } => Some((Task::Reserve(*order_id, product_id), *quantity)),
            ProductEvent::StockReleased {
                order_id, quantity, ..
            } => Some((Task::Release(*order_id, product_id), *quantity)),
            _ => None,
        };
        if let Some((task, quantity)) = pieces {
            self.effects
                .done(task, Content::Pieces(quantity), place, &self.heads, report);
        }
        if let Some((order_id, answer)) = saga::answer(event) {
            let target = self.heads.topology.owner_of_order(order_id);
            if !target.is_some_and(|target| place.is_addressed_to(target)) {
                let detail =
                    format!("{place} answers order {order_id} and is not addressed to its shard");
                report.violated(Invariant::I7, 1, detail);
            }
            let task = Task::Answer(order_id, product_id);
            self.effects
                .asked(task, Content::Answer(answer), place, &self.heads, report);
        }
        self.products.event(place, event, report);
    }

    pub(super) fn user_event(&mut self, place: &Place, event: &UserEvent) {
        if let UserEvent::UserRegistered { user_id, .. } = event {
            let home = self.heads.topology.owner_of_user(*user_id);
            let is_at_home = place.shard == home && user_id.get() == place.aggregate_id;
            self.report.check(Invariant::I9, is_at_home, || {
                format!("{place} registers user {user_id}, who belongs to {home}")
            });
            judge_id(place, &self.heads, &mut self.report);
        }
        self.users.event(place, event, &mut self.report);
    }

    pub(super) fn notification_event(&mut self, place: &Place, event: &NotificationEvent) {
        let NotificationEvent::NotificationRecorded {
            id,
            order_id,
            user_id,
            template,
            ..
        } = event;
        let report = &mut self.report;
        report.check(
            Invariant::I9,
            place.seq == 1 && id.get() == place.aggregate_id,
            || {
                format!(
                    "{place} records notification {id} as number {} of {}",
                    place.seq, place.aggregate_id
                )
            },
        );
        judge_id(place, &self.heads, report);
        let task = Task::Notify(*order_id, *template);
        self.effects
            .done(task, Content::User(*user_id), place, &self.heads, report);
        if let Some(notification) = Notification::evolve(None, event, place.time) {
            self.notification_rows
                .replayed(id.get(), notification, place.seq, report);
        }
    }
}

/// What is created has an id that its shard has issued.
fn judge_id(place: &Place, heads: &Heads, report: &mut Report) {
    let last_id = heads.last_id(place.shard);
    report.check(Invariant::I9, place.aggregate_id <= last_id, || {
        format!(
            "{place} creates {}, and the newest id issued there is {last_id}",
            place.aggregate_id
        )
    });
}
