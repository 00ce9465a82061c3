//! What a product shard does: answers orders with what its products have, and takes back what they release.

use domain::{
    Domain, Event, OrderId, ProductId, ShardRef, Timestamp, Topology, ids::next_in_shard,
    products::Product, saga,
};
use engine::Policy;
use futures::future::BoxFuture;
use storage::StorageError;

use crate::runtime::{
    Env, Host,
    host::{LinkKind, Part, Stored},
    messages::Row,
    policy,
};

/// A product shard.
pub struct ProductHost;

impl Host for ProductHost {
    type Aggregate = Product;

    const POLICY: Policy = policy::PRODUCT;

    fn sources(&self, _shard: ShardRef, topology: &Topology) -> Vec<(ShardRef, LinkKind)> {
        (0..topology.orders)
            .map(|shard| ShardRef {
                domain: Domain::Orders,
                shard,
            })
            .map(|source| (source, LinkKind::Inbox))
            .collect()
    }

    fn next_id(&self, last_id: u64, shard: ShardRef, topology: &Topology, _now: Timestamp) -> u64 {
        let last = (last_id > 0).then_some(last_id);
        next_in_shard(last, shard.shard, topology.products)
    }

    fn parts(
        &self,
        event: &Event,
        about: u64,
        shard: ShardRef,
        topology: &Topology,
        _issue: &mut dyn FnMut() -> u64,
    ) -> Vec<Part<Product>> {
        let (Event::Order(event), Some(order_id)) = (event, OrderId::new(about)) else {
            return Vec::new();
        };
        saga::requests(order_id, event)
            .into_iter()
            .filter(|(product, _)| topology.owner_of_product(*product) == shard)
            .map(|(product, command)| Part {
                id: product.get(),
                is_new: false,
                command,
                order_id: Some(order_id),
            })
            .collect()
    }

    fn load(
        &self,
        env: &Env,
        ids: Vec<u64>,
    ) -> BoxFuture<'static, Result<Vec<Stored<Product>>, StorageError>> {
        let journal = env.journal.clone();
        Box::pin(async move {
            let ids: Vec<ProductId> = ids.into_iter().filter_map(ProductId::new).collect();
            let stored = journal.load_products(&ids).await?;
            Ok(stored
                .into_iter()
                .map(|(product, version)| (product.id.get(), product, version))
                .collect())
        })
    }

    fn row(&self, state: Product, version: u64) -> Row {
        Row::Product(state, version)
    }
}
