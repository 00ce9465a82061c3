//! Accounts and tokens.

use std::sync::Arc;

use actors::edge::rules;
use domain::users::{self, Role, Username};
use serde::Serialize;
use utoipa::{ToSchema, openapi::Object};

use super::{Time, schema::one_of};
use crate::input::{Field, FromBody, text};

/// A new account.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"username": "anna", "email": "anna@example.com", "password": "correct horse battery"}))]
pub(crate) struct Register {
    /// Unique, whatever its case.
    #[schema(value_type = String, min_length = 3, max_length = 64, pattern = "^[A-Za-z0-9._@-]+$")]
    pub(crate) username: Username,
    /// Where mail goes.
    #[schema(value_type = String, format = "email", max_length = 254)]
    pub(crate) email: Arc<str>,
    /// At least 8 characters of any kind.
    #[schema(format = "password", min_length = 8, max_length = 128)]
    pub(crate) password: String,
}

impl FromBody for Register {
    fn read(body: Field<'_>) -> Option<Self> {
        let mut object = body.object()?;
        let username = object.required("username", text::username);
        let email = object.required("email", text::email);
        let password = object.required("password", text::password);
        object.close();
        Some(Self {
            username: username?,
            email: email?,
            password: password?,
        })
    }
}

/// Somebody who wants in.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"username": "anna", "password": "correct horse battery"}))]
pub(crate) struct Login {
    /// The name, whatever its case.
    pub(crate) username: String,
    /// The password.
    #[schema(format = "password")]
    pub(crate) password: String,
}

impl FromBody for Login {
    /// Any texts: what cannot be right is wrong like any other, and not told apart.
    fn read(body: Field<'_>) -> Option<Self> {
        let mut object = body.object()?;
        let username = object.required("username", |field| field.text());
        let password = object.required("password", |field| field.text());
        object.close();
        Some(Self {
            username: username?.to_owned(),
            password: password?.to_owned(),
        })
    }
}

impl Login {
    /// Whether such a user and password can exist.
    pub(crate) fn is_possible(&self) -> bool {
        rules::is_possible_login(&self.username, &self.password)
    }
}

/// A refresh token.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"refresh_token": "c2Vzc2lvbg.dG9rZW4"}))]
pub(crate) struct Refresh {
    /// As it was given.
    pub(crate) refresh_token: String,
}

impl FromBody for Refresh {
    fn read(body: Field<'_>) -> Option<Self> {
        let mut object = body.object()?;
        let refresh_token = object.required("refresh_token", |field| field.text());
        object.close();
        Some(Self {
            refresh_token: refresh_token?.to_owned(),
        })
    }
}

/// What a login gives.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "access_token": "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiI3In0.c2lnbmF0dXJl",
    "token_type": "Bearer",
    "expires_in": 900,
    "refresh_token": "c2Vzc2lvbg.dG9rZW4"
}))]
pub(crate) struct Tokens {
    /// Send it as `Authorization: Bearer`.
    access_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Seconds for which the access token is good.
    expires_in: u64,
    /// Exchange it, once, for the next pair.
    refresh_token: String,
}

impl From<actors::auth::Tokens> for Tokens {
    fn from(tokens: actors::auth::Tokens) -> Self {
        Self {
            access_token: tokens.access_token,
            token_type: "Bearer",
            expires_in: tokens.expires_in.as_secs(),
            refresh_token: tokens.refresh_token,
        }
    }
}

/// An account.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "id": 7,
    "username": "anna",
    "email": "anna@example.com",
    "role": "customer",
    "created_at": "2025-01-31T09:30:00.000Z"
}))]
pub(crate) struct User {
    /// Its id.
    id: u64,
    /// Its name.
    #[schema(value_type = String)]
    username: Username,
    /// Where mail goes; null for some accounts of the old demo.
    #[schema(value_type = Option<String>, required)]
    email: Option<Arc<str>>,
    /// What it may do.
    #[schema(schema_with = role)]
    role: &'static str,
    /// When it registered.
    created_at: Time,
}

impl From<users::User> for User {
    fn from(user: users::User) -> Self {
        Self {
            id: user.id.get(),
            username: user.username,
            email: user.email,
            role: user.role.as_str(),
            created_at: user.created_at.into(),
        }
    }
}

fn role() -> Object {
    one_of(
        "What it may do.",
        [Role::Customer, Role::Admin].map(Role::as_str),
    )
}
