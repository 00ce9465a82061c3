//! What can be asked of a user.

use std::sync::Arc;

use super::{Role, Session, TokenHash, Username};
use crate::UserId;

/// What can be asked of a user.
#[derive(Clone, Debug, PartialEq)]
pub enum UserCommand {
    /// Create the account.
    RegisterUser {
        /// The id its shard has issued.
        user_id: UserId,
        /// Its name.
        username: Username,
        /// Where mail goes.
        email: Option<Arc<str>>,
        /// What it may do.
        role: Role,
    },
    /// A login: open a session.
    OpenSession(Session),
    /// Exchange a refresh token for the next one of its session.
    RefreshSession {
        /// The hash of the token that was presented.
        presented: TokenHash,
        /// The session as it will be.
        renewed: Session,
    },
    /// A logout: end a session, if it is open.
    CloseSession {
        /// Its number.
        id: u64,
        /// The hash of the token that was presented.
        presented: TokenHash,
    },
}

/// Why a command was turned down.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserRejection {
    /// There is no such user.
    #[error("there is no such user")]
    UnknownUser,
    /// The refresh token's session is over, or its time is.
    #[error("the session is over")]
    SessionOver,
}
