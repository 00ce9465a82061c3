//! What each kind of event tells the checks.

use super::{
    Checker, Invariant, Place, Report,
    orders::{Trail, is_looked_at},
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
            self.is_passed_by = !is_looked_at(event, id, &self.effects.scope);
            self.trail = Some(Trail::begin(id, place.shard));
        }
        if self.is_passed_by {
            return;
        }
        if !self.effects.scope.leaves_out(Invariant::I4) {
            self.keys.event(event, place.time, &mut self.report);
        }
        if let Some(trail) = &mut self.trail {
            let effects = (!self.is_by_position).then_some(&mut self.effects);
            trail.event(place, event, effects, &self.heads, &mut self.report);
        }
    }

    pub(super) fn end_trail(&mut self) {
        let Some(trail) = self.trail.take() else {
            return;
        };
        if self.is_passed_by {
            return;
        }
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
        if ProductId::new(id).is_some_and(|id| !self.effects.scope.has_product(id)) {
            return;
        }
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
        let is_creation = matches!(event, ProductEvent::ProductCreated { .. });
        let is_new = before.is_some() || is_creation && self.effects.scope.has_age(place.time);
        let is_whole = is_new || self.effects.scope.since.is_none();
        if is_whole {
            self.stocks.event(place, before.as_ref(), event, report);
        } else {
            self.stocks.later_event(place, event, report);
        }

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
            let is_addressed = target.is_some_and(|target| place.is_addressed_to(target));
            if !is_addressed {
                let detail =
                    format!("{place} answers order {order_id} and is not addressed to its shard");
                report.violated(Invariant::I7, 1, detail);
            }
            let task = Task::Answer(order_id, product_id);
            self.effects.asked(
                task,
                Content::Answer(Box::new(answer)),
                place,
                &self.heads,
                report,
            );
        }
        if is_whole {
            self.products.event(place, event, report);
        }
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
        let is_whole = match event {
            _ if self.effects.scope.since.is_none() => true,
            UserEvent::UserRegistered { .. } => self.effects.scope.has_age(place.time),
            _ => self.users.state(place.aggregate_id).is_some(),
        };
        if is_whole {
            self.users.event(place, event, &mut self.report);
        }
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
        if self.effects.scope.has_age(place.time)
            && let Some(notification) = Notification::evolve(None, event, place.time)
        {
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
