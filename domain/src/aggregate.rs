//! The shape that all aggregates share.

use std::fmt::{Debug, Display};

use serde::{Serialize, de::DeserializeOwned};

use crate::{Event, Timestamp};

/// One order, one product, one user, one notification: a pure state machine.
///
/// `None` stands for an aggregate about which nothing has been recorded yet.
pub trait Aggregate:
    Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + Unpin + 'static
{
    /// What can be asked of it, imperative.
    type Command: Clone + Debug + Send + Sync + Unpin + 'static;
    /// What a new one is made of: all but its id, which its shard issues.
    type Draft: Clone + Debug + Send + Sync + Unpin + 'static;
    /// What has happened to it, past tense.
    type Event: Clone + Debug + PartialEq + Into<Event> + Send + Sync + Unpin + 'static;
    /// Why a command was turned down.
    type Rejection: Clone + Debug + Display + PartialEq + Send + Sync + Unpin + 'static;

    /// The kind's name in lower case, as it is shown to operators: `order`, `product`.
    const KIND: &'static str;

    /// The command that creates one under the id that its shard has issued.
    ///
    /// # Panics
    /// If no shard can have issued the id: it is zero, or not below 2^53.
    fn create(draft: Self::Draft, id: u64) -> Self::Command;

    /// Decides what a command brings about in this state, without changing it.
    ///
    /// No events means that the command is already fulfilled.
    ///
    /// # Errors
    /// The reason for which the command is turned down; then nothing happens.
    fn decide(
        state: Option<&Self>,
        command: &Self::Command,
        now: Timestamp,
    ) -> Result<Vec<Self::Event>, Self::Rejection>;

    /// The state after an event that happened at `at`. Applying one event twice equals applying it once.
    fn evolve(state: Option<Self>, event: &Self::Event, at: Timestamp) -> Option<Self>;

    /// Whether nothing more will happen to it unless somebody asks: an aggregate at rest leaves memory early.
    fn at_rest(&self) -> bool;

    /// Applies events in order.
    fn evolve_all<'a>(
        state: Option<Self>,
        events: impl IntoIterator<Item = &'a Self::Event>,
        at: Timestamp,
    ) -> Option<Self> {
        events
            .into_iter()
            .fold(state, |state, event| Self::evolve(state, event, at))
    }
}

/// To whom a command goes.
#[derive(Clone, Debug)]
pub enum Addressee<A: Aggregate> {
    /// The aggregate with this id, which exists.
    Existing(u64, A::Command),
    /// One that is to be created under an id that its shard issues.
    New(A::Draft),
}

/// An aggregate in memory: its state, and how many records made it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InMemory<A> {
    state: Option<A>,
    version: u64,
}

/// What an aggregate in memory decided.
#[derive(Clone, Debug)]
pub struct Decision<A: Aggregate> {
    /// What happened; nothing, if the command was fulfilled already.
    pub events: Vec<A::Event>,
    /// The state after it.
    pub state: Option<A>,
    /// The number of the aggregate's last record.
    pub version: u64,
}

impl<A: Aggregate> InMemory<A> {
    /// With the state and version that storage has, or nothing for one that is to be created.
    #[must_use]
    pub fn new(stored: Option<(A, u64)>) -> Self {
        let (state, version) = stored.map_or((None, 0), |(state, version)| (Some(state), version));
        Self { state, version }
    }

    /// Its state.
    #[must_use]
    pub const fn state(&self) -> Option<&A> {
        self.state.as_ref()
    }

    /// Decides, and changes the state at once.
    ///
    /// # Errors
    /// The reason for which the command is turned down; then nothing has changed.
    pub fn decide(
        &mut self,
        command: &A::Command,
        now: Timestamp,
    ) -> Result<Decision<A>, A::Rejection> {
        let events = A::decide(self.state.as_ref(), command, now)?;
        self.state = A::evolve_all(self.state.take(), &events, now);
        self.version += events.len() as u64;
        Ok(Decision {
            events,
            state: self.state.clone(),
            version: self.version,
        })
    }
}
