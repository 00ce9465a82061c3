//! What a user is.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{Timestamp, UserId};

/// 3 to 64 characters of `A-Z a-z 0-9 . _ @ -`. Two that differ in case only are the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Username(Arc<str>);

/// Text that is no username.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a username has 3 to {} characters of A-Z a-z 0-9 . _ @ -",
    Username::LENGTH_MAX
)]
pub struct InvalidUsername;

impl Username {
    /// The fewest characters.
    pub const LENGTH_MIN: usize = 3;
    /// The most characters.
    pub const LENGTH_MAX: usize = 64;

    /// The text, as it was registered.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is compared: the text in lower case.
    #[must_use]
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl FromStr for Username {
    type Err = InvalidUsername;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._@-".contains(&byte);
        if (Self::LENGTH_MIN..=Self::LENGTH_MAX).contains(&text.len()) && text.bytes().all(allowed)
        {
            Ok(Self(text.into()))
        } else {
            Err(InvalidUsername)
        }
    }
}

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Role {
    /// Buys.
    Customer,
    /// Runs the shop.
    Admin,
}

impl Role {
    /// Its stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Admin => "admin",
        }
    }

    /// The role of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Customer, Self::Admin]
            .into_iter()
            .find(|role| role.as_str() == name)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// SHA-256 of a refresh token.
pub type TokenHash = [u8; 32];

/// One family of refresh tokens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Session {
    /// Its number, random.
    pub id: u64,
    /// The hash of the one token that is good.
    pub token_hash: TokenHash,
    /// When the token ends.
    pub expires_at: Timestamp,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// Its id, which tells its shard and that of its orders.
    pub id: UserId,
    /// Its name, unique but for case.
    pub username: Username,
    /// Where mail goes, if it goes anywhere.
    pub email: Option<Arc<str>>,
    /// What it may do.
    pub role: Role,
    /// Its open sessions, oldest first, at most [`super::SESSIONS_MAX`].
    pub sessions: Vec<Session>,
    /// When it registered.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl User {
    /// The open session with that number.
    #[must_use]
    pub fn session(&self, id: u64) -> Option<&Session> {
        self.sessions.iter().find(|session| session.id == id)
    }
}
