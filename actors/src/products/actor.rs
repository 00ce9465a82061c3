//! What a product shard does: answers orders with what its products have, and takes back what they release.

use std::collections::BTreeMap;

use domain::{
    Domain, Event, OrderId, ProductId, ShardRef, Timestamp, Topology,
    ids::next_in_shard,
    orders::{OrderEvent, Release},
    products::{Product, ProductCommand},
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
        let is_here = |product: ProductId| topology.owner_of_product(product) == shard;
        match event {
            OrderEvent::OrderCreated { lines, .. } => {
                // Two lines of one product are one request: they are summed before the check.
                let mut pieces: BTreeMap<ProductId, u64> = BTreeMap::new();
                for line in lines.iter().filter(|line| is_here(line.product_id)) {
                    *pieces.entry(line.product_id).or_default() += u64::from(line.quantity.get());
                }
                pieces
                    .into_iter()
                    .map(|(product_id, quantity)| Part {
                        id: product_id.get(),
                        is_new: false,
                        command: ProductCommand::ReserveStock {
                            order_id,
                            product_id,
                            quantity,
                        },
                        order_id: Some(order_id),
                    })
                    .collect()
            }
            OrderEvent::OrderRejected { releases, .. }
            | OrderEvent::OrderCancelled { releases, .. }
            | OrderEvent::OrderExpired { releases, .. } => releases
                .iter()
                .filter(|release| is_here(release.product_id))
                .map(|release| give_back(order_id, release))
                .collect(),
            OrderEvent::LateReservationReleased { release }
                if is_here(release.product_id) =>
            {
                vec![give_back(order_id, release)]
            }
            OrderEvent::LateReservationReleased { .. }
            | OrderEvent::AnswerRecorded { .. }
            | OrderEvent::OrderConfirmed { .. } => Vec::new(),
        }
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

fn give_back(order_id: OrderId, release: &Release) -> Part<Product> {
    Part {
        id: release.product_id.get(),
        is_new: false,
        command: ProductCommand::ReleaseStock {
            order_id,
            quantity: release.quantity,
        },
        order_id: Some(order_id),
    }
}
