//! Accounts, passwords and tokens: one actor per user.

mod actor;
pub(crate) mod grpc;
mod passwords;
mod refresh;
mod service;
mod tokens;

pub use actor::UserHost;
pub use passwords::Passwords;
pub use service::{Auth, AuthError, REFRESH_TOKEN_LIFETIME, Registration, Tokens};
pub use tokens::{
    ACCESS_TOKEN_LIFETIME, Audience, Identity, SigningKeyError, TokenError, TokenIssuer,
    new_signing_key,
};
