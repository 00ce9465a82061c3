//! Accounts and tokens.

use actix_web::{
    HttpResponse, get,
    http::header::{self, HeaderValue},
    post,
    web::Data,
};
use actors::{
    Shop,
    auth::{AuthError, Registration},
    edge::rules::is_possible_refresh_token,
};
use domain::users::Role;
use utoipa_actix_web::service_config::ServiceConfig;

use super::private;
use crate::{
    dto::auth::{Login, Refresh, Register, Tokens, User as UserBody},
    identity::User,
    input::Body,
    problem::{Code, Problem, ProblemBody},
};

pub(super) fn register(config: &mut ServiceConfig<'_>) {
    config
        .service(register_user)
        .service(login)
        .service(refresh)
        .service(logout)
        .service(me)
        .service(jwks);
}

/// Register
///
/// Makes an account with the role `customer`. It opens no session: log in next.
#[utoipa::path(
    tag = "auth",
    operation_id = "register",
    request_body = Register,
    responses(
        (status = 201, description = "The account.", body = UserBody),
        (status = 409, description = "`username_taken`: another user has this name.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
#[post("/v1/auth/register")]
async fn register_user(body: Body<Register>, shop: Data<Shop>) -> Result<HttpResponse, Problem> {
    let Body(body) = body;
    let registration = Registration {
        username: body.username,
        email: Some(body.email),
        password: body.password,
        role: Role::Customer,
    };
    let user = shop.auth.register(registration).await?;
    Ok(HttpResponse::Created().json(UserBody::from(user)))
}

/// Log in
///
/// Opens a session and gives a pair of tokens. The access token is good for 15 minutes, the refresh token for 30 days.
#[utoipa::path(
    tag = "auth",
    request_body = Login,
    responses(
        (status = 200, description = "A pair of tokens.", body = Tokens),
        (status = 401, description = "`invalid_credentials`: there is no such user, or the password is another.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
#[post("/v1/auth/login")]
async fn login(body: Body<Login>, shop: Data<Shop>) -> Result<HttpResponse, Problem> {
    let Body(login) = body;
    if !login.is_possible() {
        return Err(AuthError::InvalidCredentials.into());
    }
    let tokens = shop.auth.login(&login.username, login.password).await?;
    Ok(private(&Tokens::from(tokens)))
}

/// Exchange a refresh token
///
/// A refresh token can be exchanged once. Presenting one that was exchanged before ends its session, because somebody
/// else has it.
#[utoipa::path(
    tag = "auth",
    request_body = Refresh,
    responses(
        (status = 200, description = "The next pair of tokens.", body = Tokens),
        (status = 401, description = "`invalid_refresh_token`: it is unknown, used, expired or revoked.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
#[post("/v1/auth/refresh")]
async fn refresh(body: Body<Refresh>, shop: Data<Shop>) -> Result<HttpResponse, Problem> {
    let Body(Refresh { refresh_token }) = body;
    if !is_possible_refresh_token(&refresh_token) {
        return Err(AuthError::InvalidRefreshToken.into());
    }
    let tokens = shop.auth.refresh(&refresh_token).await?;
    Ok(private(&Tokens::from(tokens)))
}

/// Log out
///
/// Ends the session of a refresh token. One that is unknown is no error. Access tokens stay good until they expire.
#[utoipa::path(
    tag = "auth",
    request_body = Refresh,
    responses((status = 204, description = "The session is over.")),
)]
#[post("/v1/auth/logout")]
async fn logout(body: Body<Refresh>, shop: Data<Shop>) -> Result<HttpResponse, Problem> {
    let Body(Refresh { refresh_token }) = body;
    if is_possible_refresh_token(&refresh_token) {
        shop.auth.logout(&refresh_token).await?;
    }
    Ok(HttpResponse::NoContent().finish())
}

/// Who am I
#[utoipa::path(
    tag = "auth",
    security(("bearer" = [])),
    responses((status = 200, description = "The account of the access token.", body = UserBody)),
)]
#[get("/v1/auth/me")]
async fn me(user: User, shop: Data<Shop>) -> Result<HttpResponse, Problem> {
    let user =
        shop.auth.user(user.id).await?.ok_or_else(|| {
            Problem::new(Code::Unauthorized, "the user of this token does not exist")
        })?;
    Ok(private(&UserBody::from(user)))
}

/// The keys of access tokens
///
/// The public keys with which access tokens can be verified, as a JWK set (RFC 7517).
#[utoipa::path(
    tag = "auth",
    responses((status = 200, description = "A JWK set.", body = serde_json::Value)),
)]
#[get("/.well-known/jwks.json")]
async fn jwks(shop: Data<Shop>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((
            header::CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=300"),
        ))
        .json(shop.auth.jwks())
}
