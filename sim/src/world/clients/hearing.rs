//! What those outside are told, held against what is committed at that very moment.

use std::sync::PoisonError;

use domain::{
    OrderId, ShardRef,
    orders::{Order, OrderRejection, OrderStatus},
};
use engine::shard::calls::{ExecuteError, Executed, Execution};

use super::{Told, Wish};
use crate::world::{
    World,
    event::Event,
    rules::{Rejection, ShopRules, State},
};

impl World {
    /// Those outside look at what they were told.
    pub(in crate::world) fn look_at_answers(&mut self) {
        let answers = {
            let mut waiting = self
                .clients
                .answers
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *waiting)
        };
        for (number, told) in answers {
            match told {
                Told::Executed(result) => self.hear(number, result),
                Told::Settled(state) => self.hear_end(number, &state),
                Told::Rest(state) => self.hear_rest(number, state.as_ref()),
            }
        }
    }

    fn hear(&mut self, number: usize, result: Execution<ShopRules>) {
        match result {
            Ok(Executed::Done(State::Order(order))) => self.accept_order(number, &order),
            Ok(Executed::Done(State::Product(product))) => {
                let is_stored = self.stored(
                    self.store.topology.owner_of_product(product.id),
                    product.id.get(),
                );
                if is_stored.is_none() {
                    self.clockwork.violated(format!(
                        "told of product {}, which is not committed",
                        product.id
                    ));
                }
                self.clients.doings[number].is_done = true;
            }
            Ok(Executed::Done(State::Notification(_))) => {}
            Ok(Executed::KeyTaken {
                aggregate_id,
                same_request,
            }) => {
                self.hear_of_key(number, aggregate_id, same_request);
            }
            Ok(Executed::KeyFree) => {
                self.clockwork
                    .violated("a free key is told of where nobody asked".to_owned());
            }
            Err(ExecuteError::Rejected(rejection)) => self.hear_no(number, &rejection),
            Err(ExecuteError::Unavailable(_)) => {
                self.clients.put_off += 1;
                let doing = &mut self.clients.doings[number];
                // However many of his calls are put off, one customer comes back once.
                if !doing.is_done && !std::mem::replace(&mut doing.comes_back, true) {
                    let wait = self.clockwork.draw(20..500);
                    self.clockwork.after(wait, Event::Act(number));
                }
            }
        }
    }

    fn stored(&self, shard: ShardRef, id: u64) -> Option<&State> {
        self.store.of(shard).states.get(&id).map(|(state, _)| state)
    }

    fn stored_order(&self, order_id: OrderId) -> Option<&Order> {
        let shard = self.store.topology.owner_of_order(order_id)?;
        match self.stored(shard, order_id.get())? {
            State::Order(order) => Some(order),
            _ => None,
        }
    }

    fn accept_order(&mut self, number: usize, order: &Order) {
        let stored = self.stored_order(order.id).cloned();
        let Some(stored) = stored else {
            self.clockwork.violated(format!(
                "I2: told of order {}, which is not committed",
                order.id
            ));
            return;
        };
        let wish = self.clients.doings[number].wish.clone();
        match wish {
            Wish::Buy { user, lines } => {
                let is_the_same = stored.user_id == user
                    && stored.lines.len() == lines.len()
                    && stored.lines.iter().zip(&lines).all(|(line, asked)| {
                        line.product_id == asked.product_id && line.quantity == asked.quantity
                    });
                if !is_the_same {
                    self.clockwork.violated(format!(
                        "wish {number} was answered with order {}, which is another one",
                        order.id
                    ));
                }
                self.note_order(number, order.id);
            }
            _ if stored.status != order.status => {
                self.clockwork.violated(format!(
                    "told that order {} is {}, and it is {}",
                    order.id, order.status, stored.status
                ));
            }
            _ => {}
        }
        self.clients.doings[number].is_done = true;
    }

    /// One key, one order; one order, one key.
    fn note_order(&mut self, number: usize, order_id: OrderId) {
        let before = self.clients.accepted.insert(number, order_id);
        if before.is_some_and(|before| before != order_id) {
            self.clockwork.violated(format!(
                "I4: wish {number} was answered with orders {before:?} and {order_id}"
            ));
        }
        if before.is_none() && !self.clients.order_ids.insert(order_id) {
            self.clockwork
                .violated(format!("order {order_id} was given to two"));
        }
    }

    fn hear_of_key(&mut self, number: usize, aggregate_id: u64, same_request: bool) {
        if !same_request {
            self.clockwork.violated(format!(
                "wish {number} is told that its key was used otherwise"
            ));
        }
        if let (Wish::Buy { .. }, Some(order_id)) = (
            &self.clients.doings[number].wish,
            OrderId::new(aggregate_id),
        ) {
            if self.stored_order(order_id).is_none() {
                self.clockwork.violated(format!(
                    "I2: told by key of order {order_id}, which is not committed"
                ));
            }
            self.note_order(number, order_id);
        }
        self.clients.doings[number].is_done = true;
    }

    fn hear_no(&mut self, number: usize, rejection: &Rejection) {
        if let (Rejection::Order(OrderRejection::NotCancellable { status }), Some(order_id)) =
            (rejection, self.clients.doings[number].order)
        {
            let stored = self.stored_order(order_id).map(|order| order.status);
            if stored != Some(*status) {
                self.clockwork.violated(format!(
                    "told that order {order_id} is {status}, and it is {stored:?}"
                ));
            }
        }
        self.clients.doings[number].is_done = true;
    }

    fn hear_end(&mut self, number: usize, state: &State) {
        let State::Order(order) = state else { return };
        let stored = self.stored_order(order.id).map(|order| order.status);
        // It may have been called off since.
        let is_so = stored == Some(order.status) || stored == Some(OrderStatus::Cancelled);
        if !is_so {
            self.clockwork.violated(format!(
                "wish {number} is told that order {} is {}, and it is {stored:?}",
                order.id, order.status
            ));
        }
    }

    fn hear_rest(&mut self, number: usize, state: Option<&State>) {
        match state {
            Some(state) => self.hear_end(number, state),
            None => {
                let order_id = self.clients.doings[number].order;
                let stored = order_id.and_then(|order_id| self.stored_order(order_id));
                if let Some(order) = stored.filter(|order| !order.status.is_settled()) {
                    let text = format!(
                        "told that order {} is at rest, and it is {}",
                        order.id, order.status
                    );
                    self.clockwork.violated(text);
                }
            }
        }
        self.clients.doings[number].is_done = true;
    }
}
