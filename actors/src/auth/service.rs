//! What can be asked of accounts.

use std::{sync::Arc, time::Duration};

use domain::{
    Topology, UserId,
    users::{Role, Session, User, UserCommand, UserDraft, UserRejection, Username},
};
use storage::{Credentials, Views};

use super::{
    actor::UserHost,
    passwords::Passwords,
    refresh::RefreshToken,
    tokens::{ACCESS_TOKEN_LIFETIME, Audience, Identity, TokenError, TokenIssuer},
};
use crate::{
    Unavailable,
    error::storage,
    runtime::{
        Clock,
        messages::{ExecuteError, Executed, KeyClaim},
        shards::{Request, Shards, shard_of_name},
    },
};

/// How long a refresh token is good for.
pub const REFRESH_TOKEN_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

/// An account to be made.
pub struct Registration {
    /// Its name.
    pub username: Username,
    /// Where mail goes.
    pub email: Option<Arc<str>>,
    /// The password in clear text; it is hashed on a blocking thread and forgotten.
    pub password: String,
    /// What it may do.
    pub role: Role,
}

/// What a login gives.
#[derive(Clone)]
pub struct Tokens {
    /// A signed token for requests.
    pub access_token: String,
    /// How long it is good for.
    pub expires_in: Duration,
    /// Exchanged once for the next pair.
    pub refresh_token: String,
}

/// Why a call was turned down.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Somebody else has the name.
    #[error("the username is taken")]
    UsernameTaken,
    /// There is no such user, or the password is another.
    #[error("the username or the password is wrong")]
    InvalidCredentials,
    /// The refresh token is unknown, used, expired or revoked.
    #[error("the refresh token is not valid")]
    InvalidRefreshToken,
    /// It could not be carried out.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl From<ExecuteError<UserRejection>> for AuthError {
    fn from(error: ExecuteError<UserRejection>) -> Self {
        match error {
            ExecuteError::Rejected(UserRejection::UnknownUser | UserRejection::SessionOver) => {
                Self::InvalidRefreshToken
            }
            ExecuteError::Unavailable(reason) => Self::Unavailable(reason),
        }
    }
}

/// Accounts and tokens.
#[derive(Clone)]
pub struct Auth {
    pub(crate) shards: Shards<UserHost>,
    pub(crate) views: Arc<dyn Views>,
    pub(crate) topology: Topology,
    pub(crate) clock: Clock,
    pub(crate) passwords: Passwords,
    pub(crate) tokens: Arc<TokenIssuer>,
}

impl Auth {
    /// Makes an account.
    ///
    /// # Errors
    /// [`AuthError::UsernameTaken`].
    pub async fn register(&self, registration: Registration) -> Result<User, AuthError> {
        let Registration {
            username,
            email,
            password,
            role,
        } = registration;
        let name = username.key();
        // A taken name is found out before the costly hash where that is possible.
        if self.credentials(&name).await?.is_some() {
            return Err(AuthError::UsernameTaken);
        }
        let password_hash = self.passwords.hash(password).await?;
        let shard = shard_of_name(&name, self.topology.auth);
        let mut request = Request::new(UserDraft {
            username,
            email,
            role,
        });
        request.key = Some(KeyClaim {
            text: format!("username:{name}"),
            fingerprint: [0; 16],
            lifetime: None,
        });
        request.credentials = Some(password_hash);
        match self.shards.execute(shard, request).await? {
            Executed::Done(user) => Ok(user),
            Executed::KeyTaken { .. } | Executed::KeyFree => Err(AuthError::UsernameTaken),
        }
    }

    /// Opens a session.
    ///
    /// # Errors
    /// [`AuthError::InvalidCredentials`].
    pub async fn login(&self, username: &str, password: String) -> Result<Tokens, AuthError> {
        let user = self.authenticate(username, password).await?;
        let refresh = RefreshToken::generate(user.id, rand::random());
        let command = UserCommand::OpenSession(self.session(&refresh));
        let user = self.execute(user.id, command).await?;
        self.issue(&user, &refresh)
    }

    /// Checks a password and gives the user and one long-lived token for the old demo's routes; opens no session.
    ///
    /// # Errors
    /// [`AuthError::InvalidCredentials`].
    pub async fn login_legacy(
        &self,
        username: &str,
        password: String,
        lifetime: Duration,
    ) -> Result<(User, String), AuthError> {
        let user = self.authenticate(username, password).await?;
        let token = self
            .tokens
            .issue(&user, Audience::Legacy, self.clock.now(), lifetime)
            .map_err(|_| Unavailable::NotServing)?;
        Ok((user, token))
    }

    /// Exchanges a refresh token. A token that was exchanged before ends its session.
    ///
    /// # Errors
    /// [`AuthError::InvalidRefreshToken`].
    pub async fn refresh(&self, refresh_token: &str) -> Result<Tokens, AuthError> {
        let presented = RefreshToken::parse(refresh_token).ok_or(AuthError::InvalidRefreshToken)?;
        let renewed = RefreshToken::generate(presented.user_id, presented.session_id);
        let command = UserCommand::RefreshSession {
            presented: presented.hash(),
            renewed: self.session(&renewed),
        };
        let user = self.execute(presented.user_id, command).await?;
        let is_renewed = user
            .session(renewed.session_id)
            .is_some_and(|session| session.token_hash == renewed.hash());
        if is_renewed {
            self.issue(&user, &renewed)
        } else {
            Err(AuthError::InvalidRefreshToken)
        }
    }

    /// Ends the session of a refresh token; an unknown token is no error.
    ///
    /// # Errors
    /// [`AuthError::Unavailable`].
    pub async fn logout(&self, refresh_token: &str) -> Result<(), AuthError> {
        let Some(presented) = RefreshToken::parse(refresh_token) else {
            return Ok(());
        };
        let command = UserCommand::CloseSession {
            id: presented.session_id,
            presented: presented.hash(),
        };
        match self.execute(presented.user_id, command).await {
            Ok(_) | Err(AuthError::InvalidRefreshToken) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A user.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn user(&self, id: UserId) -> Result<Option<User>, Unavailable> {
        self.views.user(id).await.map_err(storage)
    }

    /// Whether there is an administrator.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn has_admin(&self) -> Result<bool, Unavailable> {
        self.views.has_admin().await.map_err(storage)
    }

    /// Who presents this access token. Verified tokens are remembered until they expire.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn verify(&self, token: &str, audience: Audience) -> Result<Identity, TokenError> {
        self.tokens.verify(token, audience, self.clock.now())
    }

    /// The public keys with which tokens can be verified, as a JWK set (RFC 7517).
    #[must_use]
    pub fn jwks(&self) -> serde_json::Value {
        self.tokens.jwks()
    }

    async fn credentials(&self, name: &str) -> Result<Option<(User, Credentials)>, Unavailable> {
        self.views.credentials(name).await.map_err(storage)
    }

    async fn authenticate(&self, username: &str, password: String) -> Result<User, AuthError> {
        let known = self.credentials(&username.to_ascii_lowercase()).await?;
        let (user, expected) = match known {
            Some((user, credentials)) => (Some(user), Some(credentials.password_hash)),
            None => (None, None),
        };
        let is_right = self.passwords.verify(password, expected).await?;
        user.filter(|_| is_right)
            .ok_or(AuthError::InvalidCredentials)
    }

    async fn execute(&self, user: UserId, command: UserCommand) -> Result<User, AuthError> {
        let shard = self.topology.owner_of_user(user).shard;
        let request = Request::existing(user.get(), command);
        match self.shards.execute(shard, request).await? {
            Executed::Done(user) => Ok(user),
            Executed::KeyTaken { .. } | Executed::KeyFree => Err(Unavailable::NotServing.into()),
        }
    }

    fn session(&self, token: &RefreshToken) -> Session {
        Session {
            id: token.session_id,
            token_hash: token.hash(),
            expires_at: self.clock.now().plus(REFRESH_TOKEN_LIFETIME),
        }
    }

    fn issue(&self, user: &User, refresh: &RefreshToken) -> Result<Tokens, AuthError> {
        let access_token = self
            .tokens
            .issue(user, Audience::Api, self.clock.now(), ACCESS_TOKEN_LIFETIME)
            .map_err(|_| Unavailable::NotServing)?;
        Ok(Tokens {
            access_token,
            expires_in: ACCESS_TOKEN_LIFETIME,
            refresh_token: refresh.text(),
        })
    }
}
