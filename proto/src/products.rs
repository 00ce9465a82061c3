//! Products on the wire.

use domain::{
    OrderId, ProductId, Timestamp,
    products::{Product, ProductEvent, STOCK_MAX, Stock},
};
use prost::Message;

use crate::{
    InvalidField,
    common::{id, left, message, pieces, price, text},
    v1,
};

/// The bytes of an event.
pub(crate) fn encode(event: &ProductEvent) -> Vec<u8> {
    match event {
        ProductEvent::ProductCreated {
            product_id,
            sku,
            name,
            description,
            price,
            stock,
        } => v1::ProductCreated {
            product_id: product_id.get(),
            sku: sku.as_str().to_owned(),
            name: name.as_ref().to_owned(),
            description: description.as_ref().to_owned(),
            price: Some((*price).into()),
            stock: Some((*stock).into()),
        }
        .encode_to_vec(),
        ProductEvent::ProductChanged {
            name,
            description,
            price,
        } => v1::ProductChanged {
            name: name.as_ref().to_owned(),
            description: description.as_ref().to_owned(),
            price: Some((*price).into()),
        }
        .encode_to_vec(),
        ProductEvent::StockAdjusted {
            delta,
            reason,
            stock,
        } => v1::ProductStockAdjusted {
            delta: *delta,
            reason: reason.as_ref().to_owned(),
            stock: Some((*stock).into()),
        }
        .encode_to_vec(),
        ProductEvent::StockReserved {
            order_id,
            product_id,
            quantity,
            sku,
            name,
            unit_price,
            stock,
        } => v1::StockReserved {
            order_id: order_id.get(),
            product_id: product_id.get(),
            quantity: *quantity,
            sku: sku.as_str().to_owned(),
            name: name.as_ref().to_owned(),
            unit_price: Some((*unit_price).into()),
            stock: Some((*stock).into()),
        }
        .encode_to_vec(),
        ProductEvent::StockRefused {
            order_id,
            product_id,
            quantity,
            available,
        } => v1::StockRefused {
            order_id: order_id.get(),
            product_id: product_id.get(),
            quantity: *quantity,
            available: *available,
        }
        .encode_to_vec(),
        ProductEvent::StockReleased {
            order_id,
            quantity,
            stock,
        } => v1::StockReleased {
            order_id: order_id.get(),
            quantity: *quantity,
            stock: Some((*stock).into()),
        }
        .encode_to_vec(),
    }
}

impl TryFrom<v1::ProductCreated> for ProductEvent {
    type Error = InvalidField;

    fn try_from(event: v1::ProductCreated) -> Result<Self, Self::Error> {
        Ok(Self::ProductCreated {
            product_id: id(ProductId::new, event.product_id, "product_id")?,
            sku: text(&event.sku, "sku")?,
            name: event.name.into(),
            description: event.description.into(),
            price: price(event.price, "price")?,
            stock: message(event.stock, "stock")?,
        })
    }
}

impl TryFrom<v1::ProductChanged> for ProductEvent {
    type Error = InvalidField;

    fn try_from(event: v1::ProductChanged) -> Result<Self, Self::Error> {
        Ok(Self::ProductChanged {
            name: event.name.into(),
            description: event.description.into(),
            price: price(event.price, "price")?,
        })
    }
}

impl TryFrom<v1::ProductStockAdjusted> for ProductEvent {
    type Error = InvalidField;

    fn try_from(event: v1::ProductStockAdjusted) -> Result<Self, Self::Error> {
        Ok(Self::StockAdjusted {
            delta: event.delta,
            reason: event.reason.into(),
            stock: message(event.stock, "stock")?,
        })
    }
}

impl TryFrom<v1::StockReserved> for ProductEvent {
    type Error = InvalidField;

    fn try_from(event: v1::StockReserved) -> Result<Self, Self::Error> {
        Ok(Self::StockReserved {
            order_id: id(OrderId::new, event.order_id, "order_id")?,
            product_id: id(ProductId::new, event.product_id, "product_id")?,
            quantity: pieces(event.quantity, "quantity")?,
            sku: text(&event.sku, "sku")?,
            name: event.name.into(),
            unit_price: price(event.unit_price, "unit_price")?,
            stock: message(event.stock, "stock")?,
        })
    }
}

impl TryFrom<v1::StockRefused> for ProductEvent {
    type Error = InvalidField;

    fn try_from(event: v1::StockRefused) -> Result<Self, Self::Error> {
        Ok(Self::StockRefused {
            order_id: id(OrderId::new, event.order_id, "order_id")?,
            product_id: id(ProductId::new, event.product_id, "product_id")?,
            quantity: pieces(event.quantity, "quantity")?,
            available: left(event.available, "available")?,
        })
    }
}

impl TryFrom<v1::StockReleased> for ProductEvent {
    type Error = InvalidField;

    fn try_from(event: v1::StockReleased) -> Result<Self, Self::Error> {
        Ok(Self::StockReleased {
            order_id: id(OrderId::new, event.order_id, "order_id")?,
            quantity: pieces(event.quantity, "quantity")?,
            stock: message(event.stock, "stock")?,
        })
    }
}

impl From<Stock> for v1::Stock {
    fn from(stock: Stock) -> Self {
        Self {
            available: stock.available,
            allocated: stock.allocated,
        }
    }
}

impl TryFrom<v1::Stock> for Stock {
    type Error = InvalidField;

    fn try_from(stock: v1::Stock) -> Result<Self, Self::Error> {
        if stock.available.saturating_add(stock.allocated) > STOCK_MAX {
            return Err(InvalidField::new(
                "",
                format_args!("a product has at most {STOCK_MAX} pieces"),
            ));
        }
        Ok(Self {
            available: stock.available,
            allocated: stock.allocated,
        })
    }
}

impl From<&Product> for v1::Product {
    fn from(product: &Product) -> Self {
        Self {
            id: product.id.get(),
            sku: product.sku.as_str().to_owned(),
            name: product.name.as_ref().to_owned(),
            description: product.description.as_ref().to_owned(),
            price: Some(product.price.into()),
            stock: Some(product.stock.into()),
            created_at_ms: product.created_at.as_millis(),
            updated_at_ms: product.updated_at.as_millis(),
        }
    }
}

impl TryFrom<v1::Product> for Product {
    type Error = InvalidField;

    fn try_from(product: v1::Product) -> Result<Self, Self::Error> {
        Ok(Self {
            id: id(ProductId::new, product.id, "id")?,
            sku: text(&product.sku, "sku")?,
            name: product.name.into(),
            description: product.description.into(),
            price: price(product.price, "price")?,
            stock: message(product.stock, "stock")?,
            created_at: Timestamp::from_millis(product.created_at_ms),
            updated_at: Timestamp::from_millis(product.updated_at_ms),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::test_support::product;

    proptest! {
        #[test]
        fn a_product_comes_back_as_it_went(product in product()) {
            let bytes = v1::Product::from(&product).encode_to_vec();
            let message = v1::Product::decode(bytes.as_slice()).map_err(|error| error.to_string());
            prop_assert_eq!(message.map(Product::try_from), Ok(Ok(product)));
        }
    }
}
