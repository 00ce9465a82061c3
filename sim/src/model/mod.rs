//! A small shop, explored exhaustively.

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
