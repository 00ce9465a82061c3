//! `stampede.v1.ProductService`.

use domain::{
    ProductId,
    products::{Product, STOCK_MAX},
};
use proto::v1::{self, product_service_server::ProductService};
use storage::ProductQuery;
use tonic::{Request, Response, Status, async_trait};

use super::{NewProduct, ProductChange, ProductsError, StockAdjustment};
use crate::{
    edge::{
        Adjustment, Refusal,
        cursor::AfterProduct,
        idempotency_key, key,
        rules::{self, Flaw, SEARCH_LENGTH_MAX},
    },
    grpc::{Caller, Edge, PageAsked, Violations, invalid_at, page_info, read},
};

/// The service.
pub(crate) struct ProductGrpc(pub(crate) Edge);

#[async_trait]
impl ProductService for ProductGrpc {
    async fn list_products(
        &self,
        request: Request<v1::ListProductsRequest>,
    ) -> Result<Response<v1::ListProductsResponse>, Status> {
        let query = read(|found| list(found, request.into_inner()))?;
        let page = self
            .0
            .shop
            .products
            .list(&query)
            .await
            .map_err(Refusal::from)?;
        Ok(Response::new(v1::ListProductsResponse {
            page: Some(page_info(&page, |product: &Product| {
                AfterProduct::from(product)
            })),
            products: page.rows.iter().map(v1::Product::from).collect(),
        }))
    }

    async fn get_product(
        &self,
        request: Request<v1::GetProductRequest>,
    ) -> Result<Response<v1::GetProductResponse>, Status> {
        let id = known_form(request.into_inner().id)?;
        let product = self.0.shop.products.get(id).await.map_err(Refusal::from)?;
        let product = product.ok_or(ProductsError::NotFound)?;
        Ok(Response::new(v1::GetProductResponse {
            product: Some((&product).into()),
        }))
    }

    async fn create_product(
        &self,
        request: Request<v1::CreateProductRequest>,
    ) -> Result<Response<v1::CreateProductResponse>, Status> {
        let shop = &self.0.shop;
        Caller::admin(request.metadata(), &shop.auth)?;
        let product = read(|found| new_product(found, request.into_inner()))?;
        let created = shop.products.create(product).await;
        let product = created.map_err(|error| refused(error, "stock"))?;
        Ok(Response::new(v1::CreateProductResponse {
            product: Some((&product).into()),
        }))
    }

    async fn change_product(
        &self,
        request: Request<v1::ChangeProductRequest>,
    ) -> Result<Response<v1::ChangeProductResponse>, Status> {
        let shop = &self.0.shop;
        Caller::admin(request.metadata(), &shop.auth)?;
        let message = request.into_inner();
        let id = known_form(message.id)?;
        let change = read(|found| change(found, message))?;
        let product = shop.products.change(id, change).await?;
        Ok(Response::new(v1::ChangeProductResponse {
            product: Some((&product).into()),
        }))
    }

    async fn adjust_stock(
        &self,
        request: Request<v1::AdjustStockRequest>,
    ) -> Result<Response<v1::AdjustStockResponse>, Status> {
        let shop = &self.0.shop;
        let caller = Caller::admin(request.metadata(), &shop.auth)?;
        let message = request.into_inner();
        let id = known_form(message.id)?;
        let adjustment = read(|found| adjustment(found, id, caller, message))?;
        let adjusted = shop.products.adjust(id, adjustment).await;
        let adjusted = adjusted.map_err(|error| refused(error, "delta"))?;
        Ok(Response::new(v1::AdjustStockResponse {
            product: Some((&adjusted.product).into()),
            replayed: adjusted.replayed,
        }))
    }
}

/// What is no id is not there.
fn known_form(number: u64) -> Result<ProductId, Status> {
    ProductId::new(number).ok_or_else(|| Refusal::not_found("product").into())
}

fn list(found: &mut Violations, message: v1::ListProductsRequest) -> Option<ProductQuery> {
    let page = PageAsked::<AfterProduct>::read(found, message.page);
    let text = found.optional("query", message.query, |text| {
        rules::plain(&text, SEARCH_LENGTH_MAX)
    });
    let page = page?;
    Some(ProductQuery {
        // An empty text looks for nothing.
        text: text?.filter(|text| !text.is_empty()),
        after: page.position.map(|AfterProduct(at, id)| (at, id)),
        limit: page.limit,
    })
}

fn new_product(found: &mut Violations, message: v1::CreateProductRequest) -> Option<NewProduct> {
    let sku = found.check("sku", rules::sku(&message.sku));
    let name = found.check("name", rules::name(&message.name));
    let description = found.check("description", rules::description(&message.description));
    let price = found.price("price", message.price);
    let pieces = i64::try_from(message.stock).unwrap_or(i64::MAX);
    let stock = found.check("stock", rules::integer(pieces, 0..=STOCK_MAX.cast_signed()));
    Some(NewProduct {
        sku: sku?,
        name: name?,
        description: description?,
        price: price?,
        stock: stock?.unsigned_abs(),
    })
}

#[expect(
    clippy::option_option,
    reason = "the outer one says whether it could be read"
)]
fn optional_price(
    found: &mut Violations,
    price: Option<v1::Money>,
) -> Option<Option<domain::Money>> {
    match price {
        Some(price) => found.price("price", Some(price)).map(Some),
        None => Some(None),
    }
}

fn change(found: &mut Violations, message: v1::ChangeProductRequest) -> Option<ProductChange> {
    let name = found.optional("name", message.name, |text| rules::name(&text));
    let description = found.optional("description", message.description, |text| {
        rules::description(&text)
    });
    let price = optional_price(found, message.price);
    Some(ProductChange {
        name: name?,
        description: description?,
        price: price?,
    })
}

fn adjustment(
    found: &mut Violations,
    product_id: ProductId,
    by: Caller,
    message: v1::AdjustStockRequest,
) -> Option<StockAdjustment> {
    let delta = found.check("delta", rules::stock_delta(message.delta));
    let reason = found.check("reason", rules::reason(&message.reason));
    let key = found.optional("idempotency_key", message.idempotency_key, |text| {
        key(text.as_bytes()).map(str::to_owned)
    });
    let (delta, reason) = (delta?, reason?);
    let idempotency = key?.map(|key| {
        let request = Adjustment {
            product_id,
            delta,
            reason: &reason,
        };
        idempotency_key(&key, &request)
    });
    Some(StockAdjustment {
        delta,
        reason,
        by: by.id,
        idempotency,
    })
}

/// A stock that would be too large is a wrong number in the request.
fn refused(error: ProductsError, field: &str) -> Status {
    match error {
        ProductsError::StockTooLarge => invalid_at(field, Flaw::stock_too_large()),
        error => error.into(),
    }
}
