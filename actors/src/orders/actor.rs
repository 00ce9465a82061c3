//! What an order shard does: places orders, records the products' answers, lets overdue orders expire.

use domain::{
    Aggregate, Domain, Event, OrderId, ShardRef, Timestamp, Topology,
    orders::{Order, OrderCommand},
    routing, saga,
};
use engine::Policy;
use futures::future::BoxFuture;
use std::sync::Arc;
use storage::{StorageError, Unsettled, Views};

use crate::runtime::{
    Env, Host,
    host::{LinkKind, Part, Stored},
    messages::Row,
    policy,
};

/// An order shard.
pub struct OrderHost {
    /// Where overdue orders are found at start.
    pub views: Arc<dyn Views>,
}

impl Host for OrderHost {
    type Aggregate = Order;

    const POLICY: Policy = policy::ORDER;

    fn sources(&self, _shard: ShardRef, topology: &Topology) -> Vec<(ShardRef, LinkKind)> {
        self.awaited(topology)
            .into_iter()
            .map(|source| (source, LinkKind::Inbox))
            .collect()
    }

    fn next_id(&self, last_id: u64, shard: ShardRef, _topology: &Topology, now: Timestamp) -> u64 {
        OrderId::next(OrderId::new(last_id), shard.shard, now).get()
    }

    fn parts(
        &self,
        event: &Event,
        _about: u64,
        _shard: ShardRef,
        _topology: &Topology,
        _issue: &mut dyn FnMut() -> u64,
    ) -> Vec<Part<Order>> {
        let Event::Product(event) = event else {
            return Vec::new();
        };
        let Some((order_id, answer)) = saga::answer(event) else {
            return Vec::new();
        };
        vec![Part {
            id: order_id.get(),
            is_new: false,
            command: OrderCommand::RecordAnswer(answer),
            order_id: Some(order_id),
        }]
    }

    fn load(
        &self,
        env: &Env,
        ids: Vec<u64>,
    ) -> BoxFuture<'static, Result<Vec<Stored<Order>>, StorageError>> {
        let journal = env.journal.clone();
        Box::pin(async move {
            let ids: Vec<OrderId> = ids.into_iter().filter_map(OrderId::new).collect();
            let stored = journal.load_orders(&ids).await?;
            Ok(stored
                .into_iter()
                .map(|(order, version)| (order.id.get(), order, version))
                .collect())
        })
    }

    fn row(&self, state: Order, version: u64) -> Row {
        Row::Order(state, version)
    }

    fn deadline(&self, state: &Order) -> Option<Timestamp> {
        (!state.at_rest()).then_some(state.deadline)
    }

    fn on_deadline(&self) -> Option<OrderCommand> {
        Some(OrderCommand::ExpireOrder)
    }

    fn awaited(&self, topology: &Topology) -> Vec<ShardRef> {
        (0..topology.products)
            .map(|shard| ShardRef {
                domain: Domain::Products,
                shard,
            })
            .collect()
    }

    fn awaited_by(&self, state: &Order, topology: &Topology) -> Vec<ShardRef> {
        routing::awaited_by(state, topology)
    }

    fn unsettled(
        &self,
        _env: &Env,
        shard: ShardRef,
    ) -> BoxFuture<'static, Result<Vec<Unsettled>, StorageError>> {
        let views = self.views.clone();
        Box::pin(async move { views.unsettled_orders(shard.shard).await })
    }
}
