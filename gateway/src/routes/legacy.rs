//! The routes of the Go demo that this project replaces, for its clients.
//!
//! They are lenient where that server was: any media type, unknown fields are passed over. They have errors of their
//! own form, and a cookie that is good for them alone. Everything else is the same shop.

use std::future::{Ready, ready};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse,
    cookie::{Cookie, SameSite, time},
    dev::Payload,
    get, post,
    web::Data,
};
use actors::{
    Shop,
    auth::{Audience, AuthError, Registration},
    edge::{LIMIT_MAX, WAIT_MAX},
    orders::PlaceOrder,
    products,
};
use domain::{
    Money, ProductId, Sku,
    orders::{OrderStatus, RequestedLine},
    users::Role,
};
use storage::ProductQuery;
use utoipa_actix_web::service_config::ServiceConfig;

use super::orders::refusal;
use crate::{
    dto::legacy::{
        Created, Error, Login, NewOrder, NewProduct, Product, ProductData, Products, Register,
        RegisterAdmin, Token,
    },
    edge::Edge,
    identity::{self, User},
    input::{Body, Id},
    problem::{Code, Problem},
};

/// The cookie that holds the token.
const COOKIE: &str = "Authorization";
/// The most products that are listed: these clients know no pages.
const PRODUCTS_MAX: usize = 1_000;

/// Whether a path belongs to the old demo, and its errors have that form.
pub(super) fn owns(path: &str) -> bool {
    let first = path.split('/').nth(1);
    matches!(first, Some("auth" | "admin" | "product" | "order"))
}

pub(super) fn register(config: &mut ServiceConfig<'_>) {
    config
        .service(legacy_register)
        .service(legacy_login)
        .service(legacy_admin_login)
        .service(legacy_admin_register)
        .service(legacy_list_products)
        .service(legacy_get_product)
        .service(legacy_create_product)
        .service(legacy_place_order);
}

/// Somebody whom the cookie names.
struct CookieUser(User);

/// The same, if they run the shop.
struct CookieAdmin;

impl FromRequest for CookieUser {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let cookie = request
            .cookie(COOKIE)
            .ok_or_else(|| Problem::new(Code::Unauthorized, "log in first"));
        ready(cookie.and_then(|cookie| {
            identity::verified(request, cookie.value(), Audience::Legacy).map(Self)
        }))
    }
}

impl FromRequest for CookieAdmin {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let user = CookieUser::from_request(request, payload).into_inner();
        ready(user.and_then(|CookieUser(user)| user.admin()).map(|_| Self))
    }
}

/// Register (old demo)
#[utoipa::path(
    tag = "legacy",
    request_body = Register,
    responses(
        (status = 201, description = "The account.", body = Created),
        (status = 409, description = "The username is taken.", body = Error),
    ),
)]
#[post("/auth/register")]
async fn legacy_register(body: Body<Register>, shop: Data<Shop>) -> Result<HttpResponse, Problem> {
    let Body(body) = body;
    let registration = Registration {
        username: body.username,
        email: body.email,
        password: body.password,
        role: Role::Customer,
    };
    make_account(registration, &shop).await
}

/// Register an administrator (old demo)
#[utoipa::path(
    tag = "legacy",
    security(("legacy_cookie" = ["admin"])),
    request_body = RegisterAdmin,
    responses(
        (status = 201, description = "The account.", body = Created),
        (status = 409, description = "The username is taken.", body = Error),
    ),
)]
#[post("/admin/register")]
async fn legacy_admin_register(
    _: CookieAdmin,
    body: Body<RegisterAdmin>,
    shop: Data<Shop>,
) -> Result<HttpResponse, Problem> {
    let Body(body) = body;
    let registration = Registration {
        username: body.username,
        email: None,
        password: body.password,
        role: Role::Admin,
    };
    make_account(registration, &shop).await
}

async fn make_account(registration: Registration, shop: &Shop) -> Result<HttpResponse, Problem> {
    let user = shop.auth.register(registration).await?;
    Ok(HttpResponse::Created().json(Created {
        id: user.id.get(),
        status: 201,
    }))
}

/// Log in (old demo)
#[utoipa::path(
    tag = "legacy",
    request_body = crate::dto::auth::Login,
    responses(
        (status = 200, description = "A token, also as a cookie for 30 days.", body = Token, headers(("Set-Cookie" = String, description = "`Authorization=<token>`."))),
        (status = 401, description = "The username or the password is wrong.", body = Error),
    ),
)]
#[post("/auth/login")]
async fn legacy_login(
    body: Body<Login>,
    shop: Data<Shop>,
    edge: Data<Edge>,
) -> Result<HttpResponse, Problem> {
    let Body(login) = body;
    log_in(login, None, &shop, &edge).await
}

/// Log in as an administrator (old demo)
#[utoipa::path(
    tag = "legacy",
    request_body = crate::dto::auth::Login,
    responses(
        (status = 200, description = "A token, also as a cookie for 30 days.", body = Token, headers(("Set-Cookie" = String, description = "`Authorization=<token>`."))),
        (status = 401, description = "The username or the password is wrong, or the user is no administrator.", body = Error),
    ),
)]
#[post("/admin/login")]
async fn legacy_admin_login(
    body: Body<Login>,
    shop: Data<Shop>,
    edge: Data<Edge>,
) -> Result<HttpResponse, Problem> {
    let Body(login) = body;
    log_in(login, Some(Role::Admin), &shop, &edge).await
}

async fn log_in(
    login: Login,
    role: Option<Role>,
    shop: &Shop,
    edge: &Edge,
) -> Result<HttpResponse, Problem> {
    let Login(login) = login;
    if !login.is_possible() {
        return Err(AuthError::InvalidCredentials.into());
    }
    let lifetime = edge.config.cookie_lifetime;
    let (user, token) = shop
        .auth
        .login_legacy(&login.username, login.password, lifetime)
        .await?;
    if role.is_some_and(|role| user.role != role) {
        return Err(AuthError::InvalidCredentials.into());
    }
    let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
    let cookie = Cookie::build(COOKIE, token.clone())
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .max_age(time::Duration::seconds(seconds))
        .finish();
    Ok(HttpResponse::Ok()
        .cookie(cookie)
        .json(Token { token, status: 200 }))
}

/// List products (old demo)
#[utoipa::path(
    tag = "legacy",
    security(("legacy_cookie" = [])),
    responses((status = 200, description = "The newest 1,000 products.", body = Products)),
)]
#[get("/product/")]
async fn legacy_list_products(_: CookieUser, shop: Data<Shop>) -> Result<HttpResponse, Problem> {
    let mut products: Vec<Product> = Vec::new();
    let mut query = ProductQuery {
        limit: LIMIT_MAX,
        ..ProductQuery::default()
    };
    while products.len() < PRODUCTS_MAX {
        let page = shop.products.list(&query).await?;
        query.after = page
            .rows
            .last()
            .map(|product| (product.created_at, product.id));
        products.extend(page.rows.into_iter().map(Product::from));
        if !page.has_more {
            break;
        }
    }
    Ok(HttpResponse::Ok().json(Products { products }))
}

/// Read a product (old demo)
#[utoipa::path(
    tag = "legacy",
    security(("legacy_cookie" = [])),
    params(("id" = u64, Path, description = "The product.")),
    responses((status = 200, description = "The product.", body = ProductData)),
)]
#[get("/product/{id}")]
async fn legacy_get_product(
    _: CookieUser,
    id: Id<ProductId>,
    shop: Data<Shop>,
) -> Result<HttpResponse, Problem> {
    let Id(id) = id;
    let product = shop
        .products
        .get(id)
        .await?
        .ok_or_else(|| Problem::not_found("product"))?;
    Ok(HttpResponse::Ok().json(ProductData {
        data: product.into(),
    }))
}

/// Create a product (old demo)
#[utoipa::path(
    tag = "legacy",
    security(("legacy_cookie" = ["admin"])),
    request_body = NewProduct,
    responses((status = 200, description = "The product, with a generated SKU and the configured currency.", body = Created)),
)]
#[post("/product/")]
async fn legacy_create_product(
    _: CookieAdmin,
    body: Body<NewProduct>,
    shop: Data<Shop>,
    edge: Data<Edge>,
) -> Result<HttpResponse, Problem> {
    let Body(body) = body;
    let product = products::NewProduct {
        sku: generated_sku()?,
        name: body.name,
        description: "".into(),
        price: Money {
            amount: body.price,
            currency: edge.config.legacy_currency,
        },
        stock: body.stock,
    };
    let product = shop.products.create(product).await?;
    Ok(HttpResponse::Ok().json(Created {
        id: product.id.get(),
        status: 200,
    }))
}

/// A SKU that nobody else has taken, but for one chance in 2^64.
fn generated_sku() -> Result<Sku, Problem> {
    format!("P-{:016X}", rand::random::<u64>())
        .parse()
        .map_err(|_| Problem::internal("a generated sku is none"))
}

/// Place an order (old demo)
///
/// Waits for the outcome.
#[utoipa::path(
    tag = "legacy",
    security(("legacy_cookie" = [])),
    request_body = NewOrder,
    responses(
        (status = 201, description = "The order is confirmed.", body = Created),
        (status = 202, description = "The order is durable, and not settled after 30 s.", body = Created),
        (status = 404, description = "There is no such product.", body = Error),
        (status = 409, description = "Out of stock.", body = Error),
    ),
)]
#[post("/order/")]
async fn legacy_place_order(
    user: CookieUser,
    body: Body<NewOrder>,
    shop: Data<Shop>,
) -> Result<HttpResponse, Problem> {
    let (
        CookieUser(user),
        Body(NewOrder {
            product_id,
            quantity,
        }),
    ) = (user, body);
    if !shop.products.missing(&[product_id]).await?.is_empty() {
        return Err(Problem::not_found("product"));
    }
    let order = PlaceOrder {
        user_id: user.id,
        lines: vec![RequestedLine {
            product_id,
            quantity,
        }],
        idempotency: None,
        wait: WAIT_MAX,
    };
    let order = shop.orders.place(order).await?.order;
    let status = match order.status {
        OrderStatus::Confirmed | OrderStatus::Cancelled => 201,
        OrderStatus::Created | OrderStatus::Reserved => 202,
        OrderStatus::Rejected | OrderStatus::Expired => return Err(refusal(&order)),
    };
    let mut answer = if status == 201 {
        HttpResponse::Created()
    } else {
        HttpResponse::Accepted()
    };
    Ok(answer.json(Created {
        id: order.id.get(),
        status,
    }))
}
