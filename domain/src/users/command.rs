//! What can be asked of a user.

use std::sync::Arc;

use super::{Role, Session, TokenHash, Username};
use crate::UserId;

/// An account to be made: all but its id.
#[derive(Clone, Debug, PartialEq)]
pub struct UserDraft {
    /// Its name.
    pub username: Username,
    /// Where mail goes.
    pub email: Option<Arc<str>>,
    /// What it may do.
    pub role: Role,
}

impl UserDraft {
    pub(super) fn into_command(self, id: u64) -> UserCommand {
        UserCommand::RegisterUser {
            user_id: UserId::new(id)
                .expect("a shard issues ids above zero, and 2^53 of them are never issued"),
            username: self.username,
            email: self.email,
            role: self.role,
        }
    }
}

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
