//! What can be asked of products.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use domain::{
    Money, ProductId, Sku, Topology, UserId,
    orders::IdempotencyKey,
    products::{Product, ProductCommand, ProductDraft, ProductRejection},
};
use storage::{Page, ProductQuery, Views};

use super::actor::ProductHost;
use crate::{
    Unavailable,
    error::storage,
    orders::Shelves,
    runtime::{
        messages::{ExecuteError, Executed, KeyClaim},
        shards::{Request, Shards, shard_of_name},
    },
};

/// A product to be made.
#[derive(Clone, Debug)]
pub struct NewProduct {
    /// The merchant's name for it.
    pub sku: Sku,
    /// Its name.
    pub name: Arc<str>,
    /// Its description; may be empty.
    pub description: Arc<str>,
    /// The price of one piece.
    pub price: Money,
    /// Pieces to begin with, at most [`domain::products::STOCK_MAX`].
    pub stock: u64,
}

/// What to change; `None` leaves a part as it is.
#[derive(Clone, Debug, Default)]
pub struct ProductChange {
    /// Its name.
    pub name: Option<Arc<str>>,
    /// Its description.
    pub description: Option<Arc<str>>,
    /// Its price.
    pub price: Option<Money>,
}

/// Pieces to put in or take out.
#[derive(Clone, Debug)]
pub struct StockAdjustment {
    /// Pieces; below zero to take out.
    pub delta: i64,
    /// Why.
    pub reason: Arc<str>,
    /// Who asks; keys are per user.
    pub by: UserId,
    /// The client's key, if it sent one.
    pub idempotency: Option<IdempotencyKey>,
}

/// A product after an adjustment.
#[derive(Clone, Debug)]
pub struct Adjusted {
    /// As it is now.
    pub product: Product,
    /// Whether the adjustment had been made before, under the same key.
    pub replayed: bool,
}

/// Why a call was turned down.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProductsError {
    /// Another product has the SKU.
    #[error("the sku is taken")]
    SkuTaken,
    /// There is no such product.
    #[error("there is no such product")]
    NotFound,
    /// More would be taken out than is available.
    #[error("only {available} pieces are available")]
    InsufficientStock {
        /// Pieces that are left.
        available: u64,
    },
    /// There would be too many pieces.
    #[error("a product has at most {} pieces", domain::products::STOCK_MAX)]
    StockTooLarge,
    /// The key was used with another request.
    #[error("the idempotency key was used with another request")]
    KeyReused,
    /// It could not be carried out.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl From<ExecuteError<ProductRejection>> for ProductsError {
    fn from(error: ExecuteError<ProductRejection>) -> Self {
        match error {
            ExecuteError::Rejected(rejection) => match rejection {
                ProductRejection::UnknownProduct => Self::NotFound,
                ProductRejection::InsufficientStock { available } => {
                    Self::InsufficientStock { available }
                }
                ProductRejection::StockTooLarge => Self::StockTooLarge,
                // Only releases can be turned down so, and no service asks for one.
                ProductRejection::NotAllocated { .. } => Unavailable::NotServing.into(),
            },
            ExecuteError::Unavailable(reason) => Self::Unavailable(reason),
        }
    }
}

/// How long an idempotency key of a stock adjustment is remembered.
const KEY_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// Products that are remembered to exist, at most.
const KNOWN_MAX: usize = 1_000_000;

/// The catalogue.
#[derive(Clone)]
pub struct Products {
    pub(crate) shards: Shards<ProductHost>,
    pub(crate) views: Arc<dyn Views>,
    pub(crate) topology: Topology,
    pub(crate) known: Arc<RwLock<HashSet<ProductId>>>,
    pub(crate) shelves: Arc<Shelves>,
}

impl Products {
    /// Makes a product.
    ///
    /// # Errors
    /// [`ProductsError::SkuTaken`], [`ProductsError::StockTooLarge`].
    pub async fn create(&self, product: NewProduct) -> Result<Product, ProductsError> {
        let sku = product.sku.to_string();
        let shard = shard_of_name(&sku, self.topology.products);
        let mut request = Request::new(ProductDraft {
            sku: product.sku,
            name: product.name,
            description: product.description,
            price: product.price,
            stock: product.stock,
        });
        request.key = Some(KeyClaim {
            text: format!("sku:{sku}"),
            fingerprint: [0; 16],
            lifetime: None,
        });
        match self.shards.execute(shard, request).await? {
            Executed::Done(product) => Ok(product),
            Executed::KeyTaken { .. } | Executed::KeyFree => Err(ProductsError::SkuTaken),
        }
    }

    /// Changes what customers see.
    ///
    /// # Errors
    /// [`ProductsError::NotFound`].
    pub async fn change(
        &self,
        id: ProductId,
        change: ProductChange,
    ) -> Result<Product, ProductsError> {
        let request = Request::existing(
            id.get(),
            ProductCommand::ChangeProduct {
                name: change.name,
                description: change.description,
                price: change.price,
            },
        );
        let shard = self.topology.owner_of_product(id).shard;
        match self.shards.execute(shard, request).await? {
            Executed::Done(product) => Ok(product),
            Executed::KeyTaken { .. } | Executed::KeyFree => Err(ProductsError::KeyReused),
        }
    }

    /// Puts pieces in or takes some out.
    ///
    /// # Errors
    /// [`ProductsError::NotFound`], [`ProductsError::InsufficientStock`], [`ProductsError::StockTooLarge`],
    /// [`ProductsError::KeyReused`].
    pub async fn adjust(
        &self,
        id: ProductId,
        adjustment: StockAdjustment,
    ) -> Result<Adjusted, ProductsError> {
        let mut request = Request::existing(
            id.get(),
            ProductCommand::AdjustStock {
                delta: adjustment.delta,
                reason: adjustment.reason,
            },
        );
        request.key = adjustment.idempotency.map(|idempotency| KeyClaim {
            text: format!("stock:{}:{id}:{}", adjustment.by, idempotency.key),
            fingerprint: idempotency.fingerprint,
            lifetime: Some(KEY_LIFETIME),
        });
        let shard = self.topology.owner_of_product(id).shard;
        match self.shards.execute(shard, request).await? {
            Executed::Done(product) => {
                self.shelves.has_some(id);
                Ok(Adjusted {
                    product,
                    replayed: false,
                })
            }
            Executed::KeyTaken {
                same_request: true, ..
            } => Ok(Adjusted {
                product: self.get(id).await?.ok_or(ProductsError::NotFound)?,
                replayed: true,
            }),
            Executed::KeyTaken { .. } | Executed::KeyFree => Err(ProductsError::KeyReused),
        }
    }

    /// A product.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn get(&self, id: ProductId) -> Result<Option<Product>, Unavailable> {
        self.views.product(id).await.map_err(storage)
    }

    /// A list of products.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn list(&self, query: &ProductQuery) -> Result<Page<Product>, Unavailable> {
        self.views.products(query).await.map_err(storage)
    }

    /// Those of these products that do not exist. Products are never deleted, so known ones are remembered.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn missing(&self, ids: &[ProductId]) -> Result<Vec<ProductId>, Unavailable> {
        let unknown: Vec<ProductId> = {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            ids.iter()
                .copied()
                .filter(|id| !known.contains(id))
                .collect()
        };
        if unknown.is_empty() {
            return Ok(Vec::new());
        }
        let existing = self
            .views
            .existing_products(&unknown)
            .await
            .map_err(storage)?;
        {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            if known.len() + existing.len() > KNOWN_MAX {
                known.clear();
            }
            known.extend(existing.iter().copied());
        }
        Ok(unknown
            .into_iter()
            .filter(|id| !existing.contains(id))
            .collect())
    }
}
