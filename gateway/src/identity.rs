//! Who asks: extractors that refuse a request before anything else of it is looked at.

use std::future::{Ready, ready};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header::{self, HeaderMap},
    web::Data,
};
use actors::{
    Shop,
    auth::{Audience, Identity},
};
use domain::{UserId, users::Role};

use crate::problem::{Code, Problem};

/// Somebody who is logged in, by `Authorization: Bearer`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct User {
    /// Who.
    pub(crate) id: UserId,
    /// What they may do.
    pub(crate) role: Role,
}

/// Somebody who is logged in and runs the shop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admin {
    /// Who.
    pub(crate) id: UserId,
}

impl User {
    /// Whether they run the shop.
    pub(crate) fn is_admin(self) -> bool {
        self.role == Role::Admin
    }

    /// Whose things to list: one's own; for an administrator those of the user asked for, or everybody's.
    pub(crate) fn sees(self, asked: Option<UserId>) -> Result<Option<UserId>, Problem> {
        match asked {
            asked if self.is_admin() => Ok(asked),
            Some(other) if other != self.id => Err(forbidden()),
            _ => Ok(Some(self.id)),
        }
    }

    /// The same, if they run the shop.
    pub(crate) fn admin(self) -> Result<Admin, Problem> {
        if self.is_admin() {
            Ok(Admin { id: self.id })
        } else {
            Err(forbidden())
        }
    }
}

impl From<Identity> for User {
    fn from(identity: Identity) -> Self {
        Self {
            id: identity.user_id,
            role: identity.role,
        }
    }
}

impl FromRequest for User {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(user_of(request))
    }
}

impl FromRequest for Admin {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(admin_of(request))
    }
}

fn user_of(request: &HttpRequest) -> Result<User, Problem> {
    let token = bearer(request.headers()).ok_or_else(|| {
        Problem::new(
            Code::Unauthorized,
            "send an access token as Authorization: Bearer <token>",
        )
    });
    verified(request, token?, Audience::Api)
}

/// The administrator who asks.
pub(crate) fn admin_of(request: &HttpRequest) -> Result<Admin, Problem> {
    user_of(request).and_then(User::admin)
}

/// Who presents this token.
pub(crate) fn verified(
    request: &HttpRequest,
    token: &str,
    audience: Audience,
) -> Result<User, Problem> {
    let shop = request
        .app_data::<Data<Shop>>()
        .ok_or_else(|| Problem::internal("the gateway was built without a shop"))?;
    Ok(shop.auth.verify(token, audience)?.into())
}

/// Not for this caller.
fn forbidden() -> Problem {
    Problem::new(Code::Forbidden, "this is for administrators")
}

/// The token in `Authorization`, if there is exactly one and its scheme is `Bearer`, whatever its case.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut lines = headers.get_all(header::AUTHORIZATION);
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return None;
    };
    actors::edge::bearer(line.to_str().ok()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use actix_web::http::header::HeaderValue;

    use super::*;

    fn token(lines: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::AUTHORIZATION, HeaderValue::from_static(line));
        }
        bearer(&headers).map(str::to_owned)
    }

    #[test]
    fn a_customer_sees_only_what_is_theirs() {
        let user = |id, role| User {
            id: UserId::new(id).unwrap(),
            role,
        };
        let (anna, admin) = (user(7, Role::Customer), user(1, Role::Admin));
        assert_eq!(anna.sees(None).unwrap(), Some(anna.id));
        assert_eq!(anna.sees(Some(anna.id)).unwrap(), Some(anna.id));
        assert_eq!(
            anna.sees(Some(admin.id)).unwrap_err().code(),
            Code::Forbidden
        );
        assert_eq!(admin.sees(None).unwrap(), None);
        assert_eq!(admin.sees(Some(anna.id)).unwrap(), Some(anna.id));
    }

    #[test]
    fn a_token_comes_with_the_scheme_bearer() {
        for line in ["Bearer t.o.k", "bearer t.o.k", "BEARER  t.o.k "] {
            assert_eq!(token(&[line]).as_deref(), Some("t.o.k"), "{line}");
        }
        for line in [
            "",
            "Bearer",
            "Bearer ",
            "Basic dTpw",
            "t.o.k",
            "Bearert.o.k",
        ] {
            assert_eq!(token(&[line]), None, "{line}");
        }
        assert_eq!(token(&["Bearer a", "Bearer b"]), None);
        assert_eq!(token(&[]), None);
    }
}
