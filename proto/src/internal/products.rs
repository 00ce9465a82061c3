//! Products between nodes.

use domain::{
    Addressee, Aggregate, ProductId,
    products::{Product, ProductCommand, ProductDraft, ProductRejection},
};

use super::{Command, OnWire, aggregate, other_kind, rejection, v1};
use crate::{
    InvalidField,
    common::{id, left, price, required, text},
};

impl OnWire for Product {
    fn write_command(addressee: &Addressee<Self>) -> Option<Command> {
        match addressee {
            Addressee::New(draft) => Some(Command::CreateProduct(v1::CreateProduct {
                sku: draft.sku.as_str().to_owned(),
                name: draft.name.as_ref().to_owned(),
                description: draft.description.as_ref().to_owned(),
                price: Some(draft.price.into()),
                stock: draft.stock,
            })),
            Addressee::Existing(product_id, command) => write(*product_id, command),
        }
    }

    fn read_command(command: Command) -> Result<Addressee<Self>, InvalidField> {
        match command {
            Command::CreateProduct(product) => Ok(Addressee::New(ProductDraft {
                sku: text(&product.sku, "sku")?,
                name: product.name.into(),
                description: product.description.into(),
                price: price(product.price, "price")?,
                // How many there may be is for the product to say.
                stock: product.stock,
            })),
            Command::ChangeProduct(change) => Ok(Addressee::Existing(
                id(ProductId::new, change.product_id, "product_id")?.get(),
                ProductCommand::ChangeProduct {
                    name: change.name.map(Into::into),
                    description: change.description.map(Into::into),
                    price: change
                        .price
                        .map(|money| price(Some(money), "price"))
                        .transpose()?,
                },
            )),
            Command::AdjustStock(adjust) => Ok(Addressee::Existing(
                id(ProductId::new, adjust.product_id, "product_id")?.get(),
                ProductCommand::AdjustStock {
                    delta: adjust.delta,
                    reason: adjust.reason.into(),
                },
            )),
            _ => other_kind("command", Self::KIND),
        }
    }

    fn write_state(&self) -> v1::Aggregate {
        aggregate(v1::aggregate::State::Product(self.into()))
    }

    fn read_state(message: v1::Aggregate) -> Result<Self, InvalidField> {
        match message.state {
            Some(v1::aggregate::State::Product(product)) => {
                Self::try_from(product).map_err(|error| error.within("product"))
            }
            _ => other_kind("state", Self::KIND),
        }
    }

    fn write_rejection(reason: &ProductRejection) -> v1::Rejection {
        use v1::rejection::Reason;

        rejection(match reason {
            ProductRejection::UnknownProduct => Reason::Unknown(v1::Unknown {}),
            ProductRejection::InsufficientStock { available } => {
                Reason::InsufficientStock(v1::InsufficientStock {
                    available: *available,
                })
            }
            ProductRejection::StockTooLarge => Reason::StockTooLarge(v1::StockTooLarge {}),
            ProductRejection::NotAllocated { allocated } => {
                Reason::NotAllocated(v1::NotAllocated {
                    allocated: *allocated,
                })
            }
        })
    }

    fn read_rejection(message: v1::Rejection) -> Result<ProductRejection, InvalidField> {
        use v1::rejection::Reason;

        match required(message.reason, "reason")? {
            Reason::Unknown(_) => Ok(ProductRejection::UnknownProduct),
            Reason::InsufficientStock(stock) => Ok(ProductRejection::InsufficientStock {
                available: left(stock.available, "available")?,
            }),
            Reason::StockTooLarge(_) => Ok(ProductRejection::StockTooLarge),
            Reason::NotAllocated(stock) => Ok(ProductRejection::NotAllocated {
                allocated: left(stock.allocated, "allocated")?,
            }),
            _ => other_kind("reason", Self::KIND),
        }
    }
}

fn write(product_id: u64, command: &ProductCommand) -> Option<Command> {
    match command {
        ProductCommand::ChangeProduct {
            name,
            description,
            price,
        } => Some(Command::ChangeProduct(v1::ChangeProduct {
            product_id,
            name: name.as_deref().map(ToOwned::to_owned),
            description: description.as_deref().map(ToOwned::to_owned),
            price: price.map(Into::into),
        })),
        ProductCommand::AdjustStock { delta, reason } => {
            Some(Command::AdjustStock(v1::AdjustStock {
                product_id,
                delta: *delta,
                reason: reason.as_ref().to_owned(),
            }))
        }
        ProductCommand::CreateProduct { .. }
        | ProductCommand::ReserveStock { .. }
        | ProductCommand::ReleaseStock { .. } => None,
    }
}
