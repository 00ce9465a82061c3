//! How events change a product.

use super::{Product, ProductEvent};
use crate::{Aggregate, Timestamp};

impl Aggregate for Product {
    type Command = super::ProductCommand;
    type Draft = super::ProductDraft;
    type Event = ProductEvent;
    type Rejection = super::ProductRejection;

    const KIND: &'static str = "product";

    fn create(draft: super::ProductDraft, id: u64) -> super::ProductCommand {
        draft.into_command(id)
    }

    fn decide(
        state: Option<&Self>,
        command: &Self::Command,
        _now: Timestamp,
    ) -> Result<Vec<Self::Event>, Self::Rejection> {
        super::decide::decide(state, command)
    }

    fn evolve(state: Option<Self>, event: &Self::Event, at: Timestamp) -> Option<Self> {
        match (state, event) {
            (
                None,
                ProductEvent::ProductCreated {
                    product_id,
                    sku,
                    name,
                    description,
                    price,
                    stock,
                },
            ) => Some(Self {
                id: *product_id,
                sku: sku.clone(),
                name: name.clone(),
                description: description.clone(),
                price: *price,
                stock: *stock,
                created_at: at,
                updated_at: at,
            }),
            (None, _) => None,
            (
                Some(product),
                ProductEvent::ProductCreated { .. } | ProductEvent::StockRefused { .. },
            ) => Some(product),
            (Some(product), event) => {
                let mut product = changed(product, event);
                product.updated_at = at;
                Some(product)
            }
        }
    }

    fn at_rest(&self) -> bool {
        false
    }
}

/// The product after an event, but for its time.
pub(super) fn changed(mut product: Product, event: &ProductEvent) -> Product {
    match event {
        ProductEvent::ProductCreated { .. } | ProductEvent::StockRefused { .. } => {}
        ProductEvent::ProductChanged {
            name,
            description,
            price,
        } => {
            product.name = name.clone();
            product.description = description.clone();
            product.price = *price;
        }
        ProductEvent::StockAdjusted { stock, .. }
        | ProductEvent::StockReserved { stock, .. }
        | ProductEvent::StockReleased { stock, .. } => product.stock = *stock,
    }
    product
}
