//! What a domain adds to the runtime: its aggregates' ids and rows, and what a record of a link means to it.

mod rules;

use domain::{Aggregate, Event, OrderId, ShardRef, Timestamp, Topology};
use engine::Policy;
pub use engine::shard::rules::LinkKind;
use futures::future::BoxFuture;
use proto::internal::OnWire;
use storage::{StorageError, Unsettled};

use super::{Env, messages::Row};
pub use rules::HostRules;

/// An aggregate with its id and version, as storage has it.
pub type Stored<A> = (u64, A, u64);

/// One aggregate's part in what a record asks for.
#[derive(Clone, Debug)]
pub struct Part<A: Aggregate> {
    /// The aggregate.
    pub id: u64,
    /// Whether it is being created, so that there is nothing to load.
    pub is_new: bool,
    /// What is asked of it.
    pub command: A::Command,
    /// The order it is about: what parks, parks for that order.
    pub order_id: Option<OrderId>,
}

/// What a domain adds. One value per shard.
pub trait Host: Send + Sync + Unpin + 'static {
    /// What its actors are.
    type Aggregate: OnWire;

    /// The row of the supervision table for them.
    const POLICY: Policy;

    /// The shards whose records it reads, and how.
    fn sources(&self, shard: ShardRef, topology: &Topology) -> Vec<(ShardRef, LinkKind)>;

    /// The next id that the shard issues.
    fn next_id(&self, last_id: u64, shard: ShardRef, topology: &Topology, now: Timestamp) -> u64;

    /// What a record about the aggregate `about` of its source asks of this shard's aggregates. `issue` gives ids for aggregates that are to be created.
    fn parts(
        &self,
        event: &Event,
        about: u64,
        shard: ShardRef,
        topology: &Topology,
        issue: &mut dyn FnMut() -> u64,
    ) -> Vec<Part<Self::Aggregate>>;

    /// Reads aggregates from storage; those that do not exist are left out.
    fn load(
        &self,
        env: &Env,
        ids: Vec<u64>,
    ) -> BoxFuture<'static, Result<Vec<Stored<Self::Aggregate>>, StorageError>>;

    /// The row that shows this state.
    fn row(&self, state: Self::Aggregate, version: u64) -> Row;

    /// When the aggregate's wait ends, if it waits for something.
    fn deadline(&self, _state: &Self::Aggregate) -> Option<Timestamp> {
        None
    }

    /// What to ask of an aggregate whose wait has ended.
    fn on_deadline(&self) -> Option<<Self::Aggregate as Aggregate>::Command> {
        None
    }

    /// The shards on which a wait can depend.
    fn awaited(&self, _topology: &Topology) -> Vec<ShardRef> {
        Vec::new()
    }

    /// Those of them on which this aggregate's wait depends.
    fn awaited_by(&self, _state: &Self::Aggregate, topology: &Topology) -> Vec<ShardRef> {
        self.awaited(topology)
    }

    /// The aggregates that wait for something, as storage has them.
    fn unsettled(
        &self,
        _env: &Env,
        _shard: ShardRef,
    ) -> BoxFuture<'static, Result<Vec<Unsettled>, StorageError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}
