//! What those outside ask of shards, and how they come to it: through the owner, or a node that was its owner.

use std::{sync::PoisonError, time::Duration};

use domain::{
    Domain, OrderId, ShardRef,
    orders::{CancelledBy, IdempotencyKey, OrderCommand, OrderDraft},
    products::ProductCommand,
};
use engine::shard::calls::{Addressee, Caller, Execute, KeyClaim, Watch};

use super::{Answers, Told, Wish};
use crate::world::{
    World,
    event::{Call, Event, Seat},
    plan::Fault,
    rules::{Command, Draft, State},
};

/// How long a key is remembered.
const KEY_LIFETIME: Duration = Duration::from_secs(24 * 3_600);

impl World {
    /// Somebody acts, or acts again.
    pub(in crate::world) fn act(&mut self, number: usize) {
        if self.clients.doings[number].is_done {
            return;
        }
        let doing = &mut self.clients.doings[number];
        doing.comes_back = false;
        doing.tries += 1;
        let tries = doing.tries;
        let patience = self.clockwork.draw(2_000..8_000);
        self.clockwork
            .after(patience, Event::TimedOut(number, tries));
        let Some((shard, call)) = self.call(number) else {
            return;
        };
        self.send_call(shard, call);
        if self.clockwork.strikes(Fault::Impatience)
            && let Some((shard, call)) = self.call(number)
        {
            self.send_call(shard, call);
        }
    }

    /// Somebody has waited long enough.
    pub(in crate::world) fn timed_out(&mut self, number: usize, tries: u64) {
        let doing = &self.clients.doings[number];
        if !doing.is_done && doing.tries == tries {
            self.clockwork.after(0, Event::Act(number));
        }
    }

    /// Sends a call to the shard's owner, or to a node that was its owner and may not know.
    pub(super) fn send_call(&mut self, shard: ShardRef, call: Call) {
        let owner = self.store.of(shard).owner.unwrap_or(0);
        let nodes = self.nodes.len() as u64;
        let node = if self.clockwork.chance(0.05) {
            usize::try_from(self.clockwork.draw(0..nodes)).unwrap_or(0)
        } else {
            owner
        };
        let state = &self.nodes[node];
        let Some(instance) = state.current(shard).filter(|_| state.is_up) else {
            return;
        };
        let seat = Seat {
            node,
            life: state.life,
            shard,
            instance,
        };
        let wait = self.clockwork.draw(0..5);
        self.clockwork.after(wait, Event::Called(seat, call));
    }

    fn call(&mut self, number: usize) -> Option<(ShardRef, Call)> {
        let topology = self.store.topology;
        let wish = self.clients.doings[number].wish.clone();
        let answers = self.clients.answers.clone();
        let (shard, addressee, key) = match wish {
            Wish::Stock(draft) => {
                let shards = u64::from(topology.products);
                let shard = ShardRef {
                    domain: Domain::Products,
                    shard: u16::try_from(number as u64 % shards).unwrap_or(0),
                };
                let key = draft.sku.as_str().to_owned();
                (
                    shard,
                    Addressee::New(Draft::Product(draft)),
                    Some((key, None)),
                )
            }
            Wish::Buy { user, lines } => {
                let shard = ShardRef {
                    domain: Domain::Orders,
                    shard: topology.order_shard(user),
                };
                let key = format!("{user}:{number}");
                let draft = OrderDraft {
                    user_id: user,
                    lines,
                    deadline: self
                        .clockwork
                        .time_of_day(0)
                        .plus(self.clockwork.plan.deadline),
                    idempotency: Some(IdempotencyKey {
                        key: number.to_string().into(),
                        fingerprint: [0; 16],
                    }),
                };
                let key = Some((key, Some(KEY_LIFETIME)));
                (shard, Addressee::New(Draft::Order(draft)), key)
            }
            Wish::Cancel => {
                let (order_id, shard) = self.pick_order(number)?;
                let command = OrderCommand::CancelOrder(CancelledBy::Customer);
                let addressee = Addressee::Existing(order_id.get(), Command::Order(command));
                (shard, addressee, None)
            }
            Wish::Adjust(product, delta) => {
                let command = ProductCommand::AdjustStock {
                    delta,
                    reason: "counted".into(),
                };
                let shard = topology.owner_of_product(product);
                let addressee = Addressee::Existing(product.get(), Command::Product(command));
                // Without a key it is not repeated: it may have happened.
                self.clients.doings[number].is_done = true;
                (shard, addressee, None)
            }
            Wish::Watch => {
                let (order_id, shard) = self.pick_order(number)?;
                let watch = Watch {
                    id: order_id.get(),
                    reply: Box::new(move |state| tell(&answers, number, Told::Rest(state))),
                };
                return Some((shard, Call::Watch(watch)));
            }
        };
        let is_order = matches!(addressee, Addressee::New(Draft::Order(_)));
        let later = answers.clone();
        let execute = Execute {
            addressee,
            key: key.map(|(text, lifetime)| KeyClaim {
                text,
                fingerprint: [0; 16],
                lifetime,
            }),
            asks_only: false,
            attachment: None,
            trace: None,
            reply: Box::new(move |result| tell(&answers, number, Told::Executed(result))),
            at_rest: is_order.then(|| -> Box<dyn Caller<State>> {
                Box::new(move |state| tell(&later, number, Told::Settled(state)))
            }),
        };
        Some((shard, Call::Execute(execute)))
    }

    /// The order that a wish is about: one that somebody was told of.
    fn pick_order(&mut self, number: usize) -> Option<(OrderId, ShardRef)> {
        let order_id = match self.clients.doings[number].order {
            Some(order_id) => order_id,
            None => {
                let known = self.clients.accepted.len() as u64;
                if known == 0 {
                    self.clients.doings[number].is_done = true;
                    return None;
                }
                let nth = usize::try_from(self.clockwork.draw(0..known)).unwrap_or(0);
                *self.clients.accepted.values().nth(nth)?
            }
        };
        self.clients.doings[number].order = Some(order_id);
        Some((order_id, self.store.topology.owner_of_order(order_id)?))
    }
}

fn tell(answers: &Answers, number: usize, told: Told) {
    let mut waiting = answers.lock().unwrap_or_else(PoisonError::into_inner);
    waiting.push((number, told));
}
