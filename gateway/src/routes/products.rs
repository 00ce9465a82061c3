//! The catalogue.

use actix_web::{
    HttpRequest, HttpResponse, get,
    http::header::{self, HeaderValue},
    patch, post,
    web::Data,
};
use actors::{
    Shop,
    edge::{Adjustment, rules::Flaw},
    products::{NewProduct, ProductChange, ProductsError, StockAdjustment},
};
use domain::ProductId;
use storage::ProductQuery;
use utoipa_actix_web::service_config::ServiceConfig;

use super::REPLAYED;
use crate::{
    cursor::AfterProduct,
    dto::{
        List,
        products::{NewProductSchema, Product, ProductChangeSchema, ProductList, StockChange},
    },
    etag,
    identity::Admin,
    input::{Body, Id, Params, idempotency::Key},
    problem::{Problem, ProblemBody},
};

pub(super) fn register(config: &mut ServiceConfig<'_>) {
    config
        .service(list_products)
        .service(get_product)
        .service(create_product)
        .service(change_product)
        .service(adjust_stock);
}

/// List products
#[utoipa::path(
    tag = "products",
    params(ProductList),
    responses(
        (status = 200, description = "A page of products, newest first.", body = List<Product>, headers(("ETag" = String, description = "Of this page."))),
        (status = 304, description = "The page is the one that `If-None-Match` names."),
    ),
)]
#[get("/v1/products")]
async fn list_products(
    request: HttpRequest,
    params: Params<ProductList>,
    shop: Data<Shop>,
) -> Result<HttpResponse, Problem> {
    let Params(params) = params;
    let query = ProductQuery {
        text: params.q,
        after: params
            .after
            .map(|AfterProduct(created_at, id)| (created_at, id)),
        limit: params.limit,
    };
    let page = shop.products.list(&query).await?;
    etag::json(
        &request,
        &List::<Product>::of(page, |product| AfterProduct::from(product)),
    )
}

/// Read a product
#[utoipa::path(
    tag = "products",
    params(("id" = u64, Path, description = "The product.")),
    responses(
        (status = 200, description = "The product.", body = Product, headers(("ETag" = String, description = "Of the product as it is now."))),
        (status = 304, description = "The product is as `If-None-Match` names it."),
    ),
)]
#[get("/v1/products/{id}")]
async fn get_product(
    request: HttpRequest,
    id: Id<ProductId>,
    shop: Data<Shop>,
) -> Result<HttpResponse, Problem> {
    let Id(id) = id;
    let product = shop
        .products
        .get(id)
        .await?
        .ok_or_else(|| Problem::not_found("product"))?;
    etag::json(&request, &Product::from(product))
}

/// Create a product
#[utoipa::path(
    tag = "products",
    security(("bearer" = ["admin"])),
    request_body = NewProductSchema,
    responses(
        (status = 201, description = "The product.", body = Product, headers(("Location" = String, description = "Its path."))),
        (status = 409, description = "`sku_taken`: another product has this SKU.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
#[post("/v1/products")]
async fn create_product(
    _: Admin,
    body: Body<NewProduct>,
    shop: Data<Shop>,
) -> Result<HttpResponse, Problem> {
    let Body(product) = body;
    let product = shop
        .products
        .create(product)
        .await
        .map_err(|error| refused(error, "/stock"))?;
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, format!("/v1/products/{}", product.id)))
        .json(Product::from(product)))
}

/// Change a product
///
/// Changes what customers see; what is missing in the body stays as it is. Confirmed orders keep their prices.
#[utoipa::path(
    tag = "products",
    security(("bearer" = ["admin"])),
    params(("id" = u64, Path, description = "The product.")),
    request_body = ProductChangeSchema,
    responses((status = 200, description = "The product.", body = Product)),
)]
#[patch("/v1/products/{id}")]
async fn change_product(
    _: Admin,
    id: Id<ProductId>,
    body: Body<ProductChange>,
    shop: Data<Shop>,
) -> Result<HttpResponse, Problem> {
    let (Id(id), Body(change)) = (id, body);
    let product = shop.products.change(id, change).await?;
    Ok(HttpResponse::Ok().json(Product::from(product)))
}

/// Adjust a product's stock
///
/// Puts pieces in, or takes out some of those that no order holds. With an `Idempotency-Key`, a repeat changes nothing
/// more for 24 hours and shows the product as it is then.
#[utoipa::path(
    tag = "products",
    security(("bearer" = ["admin"])),
    params(
        ("id" = u64, Path, description = "The product."),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters."),
    ),
    request_body = StockChange,
    responses(
        (status = 200, description = "The product.", body = Product, headers(("Idempotent-Replayed" = Option<bool>, description = "`true` if it had been adjusted before, under the same key."))),
        (status = 409, description = "`insufficient_stock`: fewer pieces are available than are to be taken out.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
#[post("/v1/products/{id}/stock")]
async fn adjust_stock(
    admin: Admin,
    id: Id<ProductId>,
    key: Key,
    body: Body<StockChange>,
    shop: Data<Shop>,
) -> Result<HttpResponse, Problem> {
    let (Id(product_id), Body(StockChange { delta, reason })) = (id, body);
    let idempotency = key.of(&Adjustment {
        product_id,
        delta,
        reason: &reason,
    });
    let adjustment = StockAdjustment {
        delta,
        reason,
        by: admin.id,
        idempotency,
    };
    let adjusted = shop
        .products
        .adjust(product_id, adjustment)
        .await
        .map_err(|error| refused(error, "/delta"))?;
    let mut answer = HttpResponse::Ok();
    if adjusted.replayed {
        answer.insert_header((REPLAYED, HeaderValue::from_static("true")));
    }
    Ok(answer.json(Product::from(adjusted.product)))
}

/// A stock that would be too large is a wrong number in the request.
fn refused(error: ProductsError, pointer: &str) -> Problem {
    match error {
        ProductsError::StockTooLarge => {
            let flaw = Flaw::stock_too_large();
            Problem::invalid_at(pointer, flaw.code.into(), flaw.detail)
        }
        error => error.into(),
    }
}
