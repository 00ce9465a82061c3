//! A small shop, explored exhaustively: every state that it can reach, whatever is scheduled when.
//!
//! There are two orders of one piece each, and one product with one piece, so that one of them can be confirmed. A node
//! serves the orders' shard and another the product's; each has its writer, its inlet and its aggregates in memory. What
//! they decide with is [`domain`] (`decide`, `evolve`, the saga, the routing), what they commit and receive with is
//! [`engine`] ([`engine::Writer`], [`engine::Head`], [`engine::Inlet`], [`engine::Confirmation`]), and what judges the
//! stores is [`domain::invariants`]. Written for the model are the store's transaction ([`store`]), the order in which a
//! node calls those parts ([`node`] and its turns), and the world around them.
//!
//! What can happen: customers place orders and call them off; messages arrive in any order, are lost, doubled or
//! garbled, and healed from the journal; deadlines pass; handlers panic or keep failing, and what is set aside is handled
//! again; nodes die with a transaction under way that lands, or lands late, or never; outcomes stay unknown; a second node
//! claims a shard while the first still runs. A [`Budget`] bounds the faults, so that every behaviour ends.
//!
//! What must hold is in [`properties`]. There are no payments in the domain yet. So I5 has nothing to check, and the late
//! answer of this model is the reservation's: a `StockReserved` that comes after the order was cancelled or has expired
//! is answered with a release. When payments come, their late answers belong here.
//!
//! That no order is stuck follows from two things that are checked: where nothing more can happen everything is settled
//! ([`properties::always::STUCK`]), and no behaviour returns to where it was ([`progress`]).
//!
//! Each rule can be broken by a [`Mutation`], and a test sees each of them noticed.
//!
//! Deliberately absent: [`engine::Shard`] and [`engine::Pipeline`] (a node decides one thing at a time), idempotency keys,
//! public links with notifications and the activity log, run-ahead between shards of one writer, restart budgets, discarded
//! commands, and readings of heads and journals that take time. The large world of this crate has them. A state is known
//! by a fingerprint of 64 bits, as the checker keeps it: that two of a million states share one, and one of them is
//! overlooked, has a chance of about one in thirty million.

pub mod action;
pub mod config;
pub mod coverage;
pub mod explore;
pub mod mutation;
pub mod node;
pub mod parts;
pub mod progress;
pub mod properties;
pub mod state;
mod step;
pub mod store;
#[cfg(test)]
mod tests;
mod turns;
pub mod verdict;

pub use action::Action;
pub use config::{Budget, Config, Fault};
pub use coverage::{Coverage, Seen};
pub use mutation::Mutation;
pub use state::State;

use stateright::{Model, Property};

/// The model.
#[derive(Debug)]
pub struct Saga {
    /// How large it is, what may go wrong, and which rule is broken.
    pub config: Config,
    /// What a run has come across.
    pub coverage: Coverage,
}

impl Saga {
    /// A model.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            coverage: Coverage::default(),
        }
    }

    /// Whether a fault of this kind has happened.
    #[must_use]
    pub fn is_spent(&self, state: &State, kind: Fault) -> bool {
        state.faults.left_of(kind) < self.config.faults.left_of(kind)
    }
}

impl Model for Saga {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::first(&self.config)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        action::possible(&self.config, state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        Some(step::after(self, state, &action))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
