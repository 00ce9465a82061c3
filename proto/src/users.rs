//! Users on the wire. Sessions are in events only: no service shows them.

use domain::{
    Timestamp, UserId,
    users::{Role, Session, SessionEnd, User, UserEvent},
};
use prost::Message;

use crate::{
    InvalidField,
    common::{bytes, choice, id, message, same_values, text},
    v1,
};

same_values!(v1::Role, Role, Customer, Admin);
same_values!(v1::SessionEnd, SessionEnd, LoggedOut, TokenReused);

/// The bytes of an event.
pub(crate) fn encode(event: &UserEvent) -> Vec<u8> {
    match event {
        UserEvent::UserRegistered {
            user_id,
            username,
            email,
            role,
        } => v1::UserRegistered {
            user_id: user_id.get(),
            username: username.as_str().to_owned(),
            email: email.as_deref().map(ToOwned::to_owned),
            role: v1::Role::from(*role).into(),
        }
        .encode_to_vec(),
        UserEvent::SessionOpened { session } => v1::SessionOpened {
            session: Some(session.into()),
        }
        .encode_to_vec(),
        UserEvent::SessionRefreshed { session } => v1::SessionRefreshed {
            session: Some(session.into()),
        }
        .encode_to_vec(),
        UserEvent::SessionClosed { id, end } => v1::SessionClosed {
            id: *id,
            end: v1::SessionEnd::from(*end).into(),
        }
        .encode_to_vec(),
    }
}

impl TryFrom<v1::UserRegistered> for UserEvent {
    type Error = InvalidField;

    fn try_from(event: v1::UserRegistered) -> Result<Self, Self::Error> {
        Ok(Self::UserRegistered {
            user_id: id(UserId::new, event.user_id, "user_id")?,
            username: text(&event.username, "username")?,
            email: event.email.map(Into::into),
            role: choice::<v1::Role, _>(event.role, "role")?,
        })
    }
}

impl TryFrom<v1::SessionOpened> for UserEvent {
    type Error = InvalidField;

    fn try_from(event: v1::SessionOpened) -> Result<Self, Self::Error> {
        Ok(Self::SessionOpened {
            session: message(event.session, "session")?,
        })
    }
}

impl TryFrom<v1::SessionRefreshed> for UserEvent {
    type Error = InvalidField;

    fn try_from(event: v1::SessionRefreshed) -> Result<Self, Self::Error> {
        Ok(Self::SessionRefreshed {
            session: message(event.session, "session")?,
        })
    }
}

impl TryFrom<v1::SessionClosed> for UserEvent {
    type Error = InvalidField;

    fn try_from(event: v1::SessionClosed) -> Result<Self, Self::Error> {
        Ok(Self::SessionClosed {
            id: event.id,
            end: choice::<v1::SessionEnd, _>(event.end, "end")?,
        })
    }
}

impl From<&Session> for v1::Session {
    fn from(session: &Session) -> Self {
        Self {
            id: session.id,
            token_hash: session.token_hash.to_vec(),
            expires_at_ms: session.expires_at.as_millis(),
        }
    }
}

impl TryFrom<v1::Session> for Session {
    type Error = InvalidField;

    fn try_from(session: v1::Session) -> Result<Self, Self::Error> {
        Ok(Self {
            id: session.id,
            token_hash: bytes(&session.token_hash, "token_hash")?,
            expires_at: Timestamp::from_millis(session.expires_at_ms),
        })
    }
}

impl From<&User> for v1::User {
    fn from(user: &User) -> Self {
        Self {
            id: user.id.get(),
            username: user.username.as_str().to_owned(),
            email: user.email.as_deref().map(ToOwned::to_owned),
            role: v1::Role::from(user.role).into(),
            created_at_ms: user.created_at.as_millis(),
        }
    }
}
