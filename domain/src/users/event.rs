//! What has happened to a user.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Role, Session, Username};
use crate::UserId;

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SessionEnd {
    /// The user logged out.
    LoggedOut,
    /// A token was presented that had been replaced: somebody else has it.
    TokenReused,
}

/// What has happened to a user.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum UserEvent {
    /// The account was created.
    UserRegistered {
        /// Its id.
        user_id: UserId,
        /// Its name.
        username: Username,
        /// Where mail goes.
        email: Option<Arc<str>>,
        /// What it may do.
        role: Role,
    },
    /// It logged in.
    SessionOpened {
        /// The session.
        session: Session,
    },
    /// A refresh token was exchanged for the next.
    SessionRefreshed {
        /// The session as it is now.
        session: Session,
    },
    /// A session ended.
    SessionClosed {
        /// Its number.
        id: u64,
        /// Why.
        end: SessionEnd,
    },
}
