//! `stampede.v1.AuthService`.

use domain::users::Role;
use proto::v1::{self, auth_service_server::AuthService};
use tonic::{Request, Response, Status, async_trait};

use super::{AuthError, Registration, Tokens};
use crate::{
    edge::{
        Refusal,
        rules::{self, Flaw, FlawCode},
    },
    grpc::{Caller, Edge, Violations, read},
};

/// The service.
pub(crate) struct AuthGrpc(pub(crate) Edge);

#[async_trait]
impl AuthService for AuthGrpc {
    async fn register(
        &self,
        request: Request<v1::RegisterRequest>,
    ) -> Result<Response<v1::RegisterResponse>, Status> {
        let auth = &self.0.shop.auth;
        let (metadata, _, message) = request.into_parts();
        let registration = read(|found| registration(found, message))?;
        if registration.role != Role::Customer {
            Caller::admin(&metadata, auth)?;
        }
        let user = auth.register(registration).await?;
        Ok(Response::new(v1::RegisterResponse {
            user: Some((&user).into()),
        }))
    }

    async fn login(
        &self,
        request: Request<v1::LoginRequest>,
    ) -> Result<Response<v1::LoginResponse>, Status> {
        let auth = &self.0.shop.auth;
        let v1::LoginRequest { username, password } = request.into_inner();
        if !rules::is_possible_login(&username, &password) {
            return Err(AuthError::InvalidCredentials.into());
        }
        let tokens = auth.login(&username, password).await?;
        let user = auth
            .user(auth_user(&self.0, &tokens)?)
            .await
            .map_err(Refusal::from)?;
        let user = user.ok_or_else(Refusal::unknown_user)?;
        Ok(Response::new(v1::LoginResponse {
            tokens: Some(tokens.into()),
            user: Some((&user).into()),
        }))
    }

    async fn refresh(
        &self,
        request: Request<v1::RefreshRequest>,
    ) -> Result<Response<v1::RefreshResponse>, Status> {
        let v1::RefreshRequest { refresh_token } = request.into_inner();
        if !rules::is_possible_refresh_token(&refresh_token) {
            return Err(AuthError::InvalidRefreshToken.into());
        }
        let tokens = self.0.shop.auth.refresh(&refresh_token).await?;
        Ok(Response::new(v1::RefreshResponse {
            tokens: Some(tokens.into()),
        }))
    }

    async fn logout(
        &self,
        request: Request<v1::LogoutRequest>,
    ) -> Result<Response<v1::LogoutResponse>, Status> {
        let v1::LogoutRequest { refresh_token } = request.into_inner();
        if rules::is_possible_refresh_token(&refresh_token) {
            self.0.shop.auth.logout(&refresh_token).await?;
        }
        Ok(Response::new(v1::LogoutResponse {}))
    }

    async fn get_me(
        &self,
        request: Request<v1::GetMeRequest>,
    ) -> Result<Response<v1::GetMeResponse>, Status> {
        let auth = &self.0.shop.auth;
        let caller = Caller::of(request.metadata(), auth)?;
        let user = auth.user(caller.id).await.map_err(Refusal::from)?;
        let user = user.ok_or_else(Refusal::unknown_user)?;
        Ok(Response::new(v1::GetMeResponse {
            user: Some((&user).into()),
        }))
    }
}

/// Whose tokens these are; the service of accounts gives them without the account.
fn auth_user(edge: &Edge, tokens: &Tokens) -> Result<domain::UserId, Status> {
    let audience = super::Audience::Api;
    let identity = edge.shop.auth.verify(&tokens.access_token, audience)?;
    Ok(identity.user_id)
}

/// The account that is asked for. Over HTTP an address is required; here programs may make accounts without one.
fn registration(found: &mut Violations, message: v1::RegisterRequest) -> Option<Registration> {
    let username = found.check("username", rules::username(&message.username));
    let email = found.optional("email", message.email, |text| rules::email(&text));
    let password = found.check("password", rules::password(&message.password));
    let role = found.optional("role", message.role, role);
    Some(Registration {
        username: username?,
        email: email?,
        password: password?,
        role: role?.unwrap_or(Role::Customer),
    })
}

/// A role. What was left out is a customer's.
fn role(number: i32) -> Result<Role, Flaw> {
    match v1::Role::try_from(number) {
        Ok(v1::Role::Unspecified | v1::Role::Customer) => Ok(Role::Customer),
        Ok(v1::Role::Admin) => Ok(Role::Admin),
        Err(_) => Err(Flaw::new(FlawCode::OutOfRange, "is no known role")),
    }
}

impl From<Tokens> for v1::Tokens {
    fn from(tokens: Tokens) -> Self {
        Self {
            access_token: tokens.access_token,
            token_type: "Bearer".to_owned(),
            expires_in_secs: tokens.expires_in.as_secs(),
            refresh_token: tokens.refresh_token,
        }
    }
}
